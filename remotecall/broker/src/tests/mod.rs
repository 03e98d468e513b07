//! Tests of the broker: comparison with a real Redis, hostile clients, limits, units.

mod blocking;
mod compare;
mod differential;
mod hostile;
mod introductions;
mod limits;
mod pipelines;
mod real_redis;
mod units;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::{BrokerOptions, EmbeddedBroker};

/// Timeout of a test for an event that should happen at once.
const TIMEOUT: Duration = Duration::from_secs(20);

fn options() -> BrokerOptions {
    BrokerOptions::new(([127, 0, 0, 1], 0).into())
}

fn broker() -> EmbeddedBroker {
    EmbeddedBroker::start(options()).unwrap()
}

/// Client of the Redis library.
fn connect(broker: &EmbeddedBroker) -> redis::Connection {
    let client = redis::Client::open(format!("redis://{}", broker.address())).unwrap();
    let connection = client.get_connection().unwrap();
    connection.set_read_timeout(Some(TIMEOUT)).unwrap();
    connection
}

/// Plain socket, which can send any bytes.
fn raw(broker: &EmbeddedBroker) -> TcpStream {
    let socket = TcpStream::connect(broker.address()).unwrap();
    socket.set_read_timeout(Some(TIMEOUT)).unwrap();
    socket.set_nodelay(true).unwrap();
    socket
}

/// Encodes a command in RESP2.
fn encode(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// Reads as many bytes as `expected` has, and compares them.
#[track_caller]
fn expect(socket: &mut TcpStream, expected: &[u8]) {
    let mut got = vec![0; expected.len()];
    socket.read_exact(&mut got).unwrap();
    assert!(
        got == expected,
        "got {:?}, expected {:?}",
        String::from_utf8_lossy(&got),
        String::from_utf8_lossy(expected)
    );
}

/// Sends bytes, and returns everything that the broker sends before it closes the connection.
fn replies_until_closed(broker: &EmbeddedBroker, bytes: &[u8]) -> String {
    let mut socket = raw(broker);
    socket.write_all(bytes).unwrap();
    let mut replies = Vec::new();
    socket.read_to_end(&mut replies).unwrap();
    String::from_utf8_lossy(&replies).into_owned()
}

/// Waits until `count` connections are open.
fn wait_for_connections(broker: &EmbeddedBroker, count: usize) {
    let deadline = std::time::Instant::now() + TIMEOUT;
    while broker.connections() != count {
        assert!(
            std::time::Instant::now() < deadline,
            "{} connections",
            broker.connections()
        );
        std::thread::yield_now();
    }
}

/// Waits until `count` reads are blocked.
fn wait_for_blocked(broker: &EmbeddedBroker, count: usize) {
    let deadline = std::time::Instant::now() + TIMEOUT;
    while broker.shared.store().waiting() != count {
        assert!(std::time::Instant::now() < deadline, "not {count} blocked reads");
        std::thread::yield_now();
    }
}
