//! Long pipelines.

use std::io::{Read, Write};

use super::{broker, connect, encode, raw};

#[test]
fn ten_thousand_commands_in_one_pipeline() {
    let broker = broker();
    let mut client = connect(&broker);
    let mut pipeline = redis::pipe();
    for n in 0..10_000 {
        pipeline
            .cmd("XADD")
            .arg("s")
            .arg(format!("{}-0", n + 1))
            .arg("n")
            .arg(n);
    }
    let ids: Vec<String> = pipeline.query(&mut client).unwrap();
    assert_eq!(ids.len(), 10_000);
    assert!(ids.iter().zip(1..).all(|(id, n)| *id == format!("{n}-0")));
    let length: usize = redis::cmd("XLEN").arg("s").query(&mut client).unwrap();
    assert_eq!(length, 10_000);
}

#[test]
fn a_client_may_send_long_before_it_reads() {
    let broker = broker();
    let mut client = raw(&broker);
    let word = vec![b'x'; 1000];
    let commands = 24_000;
    let pipeline = encode(&[b"ECHO", &word]).repeat(commands);
    client.write_all(&pipeline).unwrap();
    let mut answers = vec![0; commands * b"$1000\r\n\r\n".len() + commands * word.len()];
    client.read_exact(&mut answers).unwrap();
    assert!(answers.ends_with(b"xxx\r\n"));
}

#[test]
fn answers_keep_their_order_whatever_their_size() {
    let broker = broker();
    let mut client = connect(&broker);
    let sizes = [0, 1, 4095, 4096, 4097, 70_000, 3, 300_000, 5];
    let mut pipeline = redis::pipe();
    for size in sizes.iter().cycle().take(200) {
        pipeline.cmd("ECHO").arg(vec![b'y'; *size]);
    }
    let echoed: Vec<Vec<u8>> = pipeline.query(&mut client).unwrap();
    let echoed: Vec<usize> = echoed.iter().map(Vec::len).collect();
    let expected: Vec<usize> = sizes.iter().copied().cycle().take(200).collect();
    assert_eq!(echoed, expected);
}
