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

/// Sends commands with 24 MB of replies before it reads any.
#[track_caller]
fn check_replies_after_everything_is_sent(size: usize) {
    let broker = broker();
    let mut client = raw(&broker);
    let (mut pipeline, mut expected) = (Vec::new(), Vec::new());
    for n in 0..24_000_000 / size {
        let word: Vec<u8> = n
            .to_string()
            .into_bytes()
            .into_iter()
            .cycle()
            .take(size)
            .collect();
        pipeline.extend(encode(&[b"ECHO", &word]));
        expected.extend_from_slice(format!("${size}\r\n").as_bytes());
        expected.extend_from_slice(&word);
        expected.extend_from_slice(b"\r\n");
    }
    client.write_all(&pipeline).unwrap();
    let mut replies = vec![0; expected.len()];
    client.read_exact(&mut replies).unwrap();
    assert!(replies == expected);
}

#[test]
fn a_client_may_send_a_long_pipeline_before_it_reads() {
    check_replies_after_everything_is_sent(1000);
}

#[test]
fn large_replies_reach_a_client_that_reads_late() {
    check_replies_after_everything_is_sent(50_000);
}

#[test]
fn replies_keep_their_order_at_any_size() {
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
