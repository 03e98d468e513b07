//! Hostile clients: bytes that violate the protocol, and commands in small pieces.

use std::io::{Read, Write};
use std::net::Shutdown;

use super::{
    EmbeddedBroker, broker, connect, encode, expect, raw, replies_until_closed, wait_for_connections,
};

#[track_caller]
fn check(bytes: &[u8], reply: &str) {
    let broker = broker();
    assert_eq!(replies_until_closed(&broker, bytes), reply);
    wait_for_connections(&broker, 0);
    is_alive(&broker);
}

#[track_caller]
fn is_alive(broker: &EmbeddedBroker) {
    let pong: String = redis::cmd("PING").query(&mut connect(broker)).unwrap();
    assert_eq!(pong, "PONG");
}

#[test]
fn anything_but_an_array_is_refused() {
    check(
        b"GET / HTTP/1.1\r\n",
        "-ERR Protocol error: expected '*', got 'G'\r\n",
    );
    check(b"\r\n", "-ERR Protocol error: expected '*', got ' '\r\n");
    check(b"\xff\xfe", "-ERR Protocol error: expected '*', got '\u{ff}'\r\n");
    check(
        b"$4\r\nPING\r\n",
        "-ERR Protocol error: expected '*', got '$'\r\n",
    );
}

#[test]
fn anything_but_a_bulk_string_is_refused() {
    check(b"*1\r\n:1\r\n", "-ERR Protocol error: expected '$', got ':'\r\n");
    check(
        b"*1\r\n*1\r\n*1\r\n",
        "-ERR Protocol error: expected '$', got '*'\r\n",
    );
    check(b"*1\r\n$-1\r\n", "-ERR Protocol error: invalid bulk length\r\n");
    check(b"*1\r\n$+4\r\n", "-ERR Protocol error: invalid bulk length\r\n");
    check(b"*1\r\n$x\r\n", "-ERR Protocol error: invalid bulk length\r\n");
    check(b"*1\r\n$\r\n", "-ERR Protocol error: invalid bulk length\r\n");
    check(b"*1\r\n$4\n", "-ERR Protocol error: invalid bulk length\r\n");
}

#[test]
fn lengths_beyond_the_limits_are_refused() {
    check(
        b"*1\r\n$33554433\r\n",
        "-ERR Protocol error: invalid bulk length\r\n",
    );
    check(
        b"*1\r\n$9223372036854775807\r\n",
        "-ERR Protocol error: invalid bulk length\r\n",
    );
    check(
        b"*1\r\n$99999999999999999999\r\n",
        "-ERR Protocol error: invalid bulk length\r\n",
    );
    check(b"*65537\r\n", "-ERR Protocol error: invalid multibulk length\r\n");
    check(b"*x\r\n", "-ERR Protocol error: invalid multibulk length\r\n");
    check(b"*01\r\n", "-ERR Protocol error: invalid multibulk length\r\n");
    check(
        &[b"*".as_slice(), &[b'1'; 99]].concat(),
        "-ERR Protocol error: too big mbulk count string\r\n",
    );
    check(
        &[b"*1\r\n$".as_slice(), &[b'1'; 99]].concat(),
        "-ERR Protocol error: too big bulk count string\r\n",
    );
}

#[test]
fn commands_before_the_garbage_are_executed() {
    check(
        b"*1\r\n$4\r\nPING\r\ngarbage\r\n",
        "+PONG\r\n-ERR Protocol error: expected '*', got 'g'\r\n",
    );
}

#[test]
fn empty_arrays_ask_for_nothing() {
    let broker = broker();
    let mut client = raw(&broker);
    client
        .write_all(b"*0\r\n*-1\r\n*-7\r\n*1\r\n$4\r\nPING\r\n")
        .unwrap();
    expect(&mut client, b"+PONG\r\n");
}

#[test]
fn a_command_too_long_as_a_whole_is_refused() {
    let broker = broker();
    let mut client = raw(&broker);
    let bulk = vec![b'x'; 32 << 20];
    let mut command = b"*3\r\n".to_vec();
    for _ in 0..2 {
        command.extend_from_slice(b"$33554432\r\n");
        command.extend_from_slice(&bulk);
        command.extend_from_slice(b"\r\n");
    }
    // The broker may close the connection during this write.
    let _ = client.write_all(&command);
    let mut reply = Vec::new();
    let _ = client.read_to_end(&mut reply);
    assert!(reply.is_empty() || reply.starts_with(b"-ERR Protocol error: command longer than"));
    wait_for_connections(&broker, 0);
    is_alive(&broker);
}

#[test]
fn a_changed_byte_harms_no_other_client() {
    let broker = broker();
    let mut good = encode(&[b"XADD", b"s", b"*", b"f", b"value"]);
    good.extend(encode(&[b"XREAD", b"STREAMS", b"s", b"0"]));
    for position in 0..good.len() {
        for byte in [0, b'\r', b'9', 0xff] {
            let mut bad = good.clone();
            bad[position] = byte;
            let mut client = raw(&broker);
            client.write_all(&bad).unwrap();
            client.shutdown(Shutdown::Write).unwrap();
            let _ = client.read_to_end(&mut Vec::new());
        }
    }
    wait_for_connections(&broker, 0);
    is_alive(&broker);
}

#[test]
fn a_command_may_arrive_byte_by_byte() {
    let broker = broker();
    let mut client = raw(&broker);
    for byte in encode(&[b"XADD", b"s", b"1-1", b"", b"a\r\n*1\r\n$"]) {
        client.write_all(&[byte]).unwrap();
    }
    expect(&mut client, b"$3\r\n1-1\r\n");
    client.write_all(&encode(&[b"XRANGE", b"s", b"-", b"+"])).unwrap();
    expect(
        &mut client,
        b"*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$0\r\n\r\n$8\r\na\r\n*1\r\n$\r\n",
    );
}

#[test]
fn sixteen_mebibytes_in_pieces_of_one_kibibyte() {
    let broker = broker();
    let mut client = raw(&broker);
    let value: Vec<u8> = (0..16_u32 << 20).map(|n| (n / 7) as u8).collect();
    for piece in encode(&[b"XADD", b"s", b"1-1", b"f", &value]).chunks(1024) {
        client.write_all(piece).unwrap();
    }
    expect(&mut client, b"$3\r\n1-1\r\n");
    client
        .write_all(&encode(&[b"XREAD", b"STREAMS", b"s", b"0"]))
        .unwrap();
    expect(
        &mut client,
        b"*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\nf\r\n$16777216\r\n",
    );
    expect(&mut client, &value);
    expect(&mut client, b"\r\n");
    assert!(broker.memory() > 16 << 20);
}
