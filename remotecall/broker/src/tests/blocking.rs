//! Blocked reads.

use std::io::{Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use redis::Value;

use super::{broker, connect, encode, expect, raw, wait_for_blocked, wait_for_connections};

/// Time limit that is much less than any wait in this file without a wake-up.
const PROMPT: Duration = Duration::from_secs(4);

#[test]
fn an_entry_wakes_a_blocked_read() {
    let broker = broker();
    let mut reader = raw(&broker);
    let mut writer = connect(&broker);
    let start = Instant::now();
    for round in 1..=40 {
        let last = format!("{}-0", round - 1);
        let read = [
            b"XREAD".as_slice(),
            b"BLOCK",
            b"0",
            b"STREAMS",
            b"s",
            last.as_bytes(),
        ];
        reader.write_all(&encode(&read)).unwrap();
        wait_for_blocked(&broker, 1);
        let id: String = redis::cmd("XADD")
            .arg("s")
            .arg(round)
            .arg("f")
            .arg("v")
            .query(&mut writer)
            .unwrap();
        let length = id.len();
        let entry =
            format!("*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n${length}\r\n{id}\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n");
        expect(&mut reader, entry.as_bytes());
        wait_for_blocked(&broker, 0);
    }
    assert!(start.elapsed() < PROMPT, "{:?}", start.elapsed());
}

#[test]
fn a_read_waits_for_any_of_its_streams_and_for_no_other() {
    let broker = broker();
    let mut reader = raw(&broker);
    let mut writer = connect(&broker);
    let read = [
        b"XREAD".as_slice(),
        b"BLOCK",
        b"0",
        b"STREAMS",
        b"a",
        b"b",
        b"$",
        b"$",
    ];
    reader.write_all(&encode(&read)).unwrap();
    wait_for_blocked(&broker, 2);
    let _: String = redis::cmd("XADD")
        .arg("c")
        .arg("1-1")
        .arg("f")
        .arg("v")
        .query(&mut writer)
        .unwrap();
    let _: String = redis::cmd("XADD")
        .arg("b")
        .arg("2-1")
        .arg("f")
        .arg("v")
        .query(&mut writer)
        .unwrap();
    expect(&mut reader, b"*1\r\n*2\r\n$1\r\nb\r\n*1\r\n*2\r\n$3\r\n2-1\r\n");
}

#[test]
fn several_readers_get_the_same_entry() {
    let broker = broker();
    let mut readers: Vec<_> = (0..5).map(|_| raw(&broker)).collect();
    for reader in &mut readers {
        reader
            .write_all(&encode(&[b"XREAD", b"BLOCK", b"0", b"STREAMS", b"s", b"$"]))
            .unwrap();
    }
    wait_for_blocked(&broker, 5);
    let mut writer = connect(&broker);
    let _: String = redis::cmd("XADD")
        .arg("s")
        .arg("7-7")
        .arg("f")
        .arg("v")
        .query(&mut writer)
        .unwrap();
    for reader in &mut readers {
        expect(reader, b"*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n7-7\r\n");
    }
}

#[test]
fn a_blocked_read_ends_after_its_timeout() {
    let broker = broker();
    let mut client = connect(&broker);
    let start = Instant::now();
    let reply: Value = redis::cmd("XREAD")
        .arg("BLOCK")
        .arg(60)
        .arg("STREAMS")
        .arg("s")
        .arg("$")
        .query(&mut client)
        .unwrap();
    assert_eq!(reply, Value::Nil);
    assert!(start.elapsed() >= Duration::from_millis(60));
    wait_for_blocked(&broker, 0);
}

#[test]
fn commands_before_a_blocked_read_are_replied_to_and_those_after_it_wait() {
    let broker = broker();
    let mut client = raw(&broker);
    let mut pipeline = encode(&[b"ECHO", b"before"]);
    pipeline.extend(encode(&[b"XREAD", b"BLOCK", b"0", b"STREAMS", b"s", b"$"]));
    pipeline.extend(encode(&[b"ECHO", b"behind"]));
    client.write_all(&pipeline).unwrap();
    expect(&mut client, b"$6\r\nbefore\r\n");
    wait_for_blocked(&broker, 1);
    let mut writer = connect(&broker);
    let _: String = redis::cmd("XADD")
        .arg("s")
        .arg("7-7")
        .arg("f")
        .arg("v")
        .query(&mut writer)
        .unwrap();
    expect(
        &mut client,
        b"*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n7-7\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n$6\r\nbehind\r\n",
    );
}

#[test]
fn a_blocked_client_that_disconnects_is_noticed() {
    let broker = broker();
    let mut quiet = raw(&broker);
    quiet
        .write_all(&encode(&[b"XREAD", b"BLOCK", b"0", b"STREAMS", b"s", b"$"]))
        .unwrap();
    let mut chatty = raw(&broker);
    chatty
        .write_all(&encode(&[b"XREAD", b"BLOCK", b"0", b"STREAMS", b"s", b"$"]))
        .unwrap();
    wait_for_blocked(&broker, 2);
    chatty.write_all(&encode(&[b"PING"])).unwrap();
    drop((quiet, chatty));
    wait_for_connections(&broker, 0);
    wait_for_blocked(&broker, 0);
}

#[test]
fn stopping_ends_blocked_and_idle_clients_at_once() {
    let broker = broker();
    let mut clients: Vec<_> = (0..8).map(|_| raw(&broker)).collect();
    for client in clients.iter_mut().take(6) {
        client
            .write_all(&encode(&[b"XREAD", b"BLOCK", b"0", b"STREAMS", b"s", b"$"]))
            .unwrap();
    }
    wait_for_blocked(&broker, 6);
    wait_for_connections(&broker, 8);
    let address = broker.address();
    let start = Instant::now();
    broker.stop();
    assert!(start.elapsed() < PROMPT);
    for client in &mut clients {
        assert_eq!(client.read(&mut [0; 16]).unwrap_or(0), 0);
    }
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[test]
fn stopping_ends_a_client_that_does_not_read_its_replies() {
    let broker = broker();
    let mut client = raw(&broker);
    let value = vec![b'x'; 1 << 20];
    let mut pipeline = encode(&[b"SET", b"k", &value]);
    (0..64).for_each(|_| pipeline.extend(encode(&[b"GET", b"k"])));
    client.write_all(&pipeline).unwrap();
    expect(&mut client, b"+OK\r\n$1048576\r\n");
    let start = Instant::now();
    broker.stop();
    assert!(start.elapsed() < PROMPT);
}

#[test]
fn entries_that_race_with_reads_are_never_missed() {
    let broker = broker();
    let mut writer = connect(&broker);
    let mut reader = connect(&broker);
    let entries = 2000;
    let reads = thread::spawn(move || {
        let (mut last, mut seen) = (String::from("0"), 0);
        while seen < entries {
            type Streams = Vec<(String, Vec<(String, Vec<String>)>)>;
            let read: Streams = redis::cmd("XREAD")
                .arg("BLOCK")
                .arg(0)
                .arg("STREAMS")
                .arg("s")
                .arg(&last)
                .query(&mut reader)
                .unwrap();
            for (id, fields) in read.into_iter().flat_map(|(_, entries)| entries) {
                assert_eq!(fields, ["n", &seen.to_string()]);
                (last, seen) = (id, seen + 1);
            }
        }
    });
    for n in 0..entries {
        let _: String = redis::cmd("XADD")
            .arg("s")
            .arg("*")
            .arg("n")
            .arg(n)
            .query(&mut writer)
            .unwrap();
    }
    reads.join().unwrap();
}
