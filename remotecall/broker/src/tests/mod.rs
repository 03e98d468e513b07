//! The broker against a real Redis, against hostile clients, and against its own promises.

mod blocking;
mod compare;
mod differential;
mod hostile;
mod limits;
mod real_redis;
mod small_talk;
mod throughput;
mod units;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::{BrokerOptions, EmbeddedBroker};

/// Longest wait of a test for something that should happen at once.
const PATIENCE: Duration = Duration::from_secs(20);

fn options() -> BrokerOptions {
    BrokerOptions {
        listen: ([127, 0, 0, 1], 0).into(),
        ..BrokerOptions::default()
    }
}

fn broker() -> EmbeddedBroker {
    EmbeddedBroker::start(options()).unwrap()
}

/// A client as users have it.
fn connect(broker: &EmbeddedBroker) -> redis::Connection {
    let client = redis::Client::open(format!("redis://{}", broker.address())).unwrap();
    let connection = client.get_connection().unwrap();
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    connection
}

/// A client that may send anything.
fn raw(broker: &EmbeddedBroker) -> TcpStream {
    let socket = TcpStream::connect(broker.address()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.set_nodelay(true).unwrap();
    socket
}

/// A command as it travels.
fn encode(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// Reads exactly what is expected next.
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

/// Sends bytes and returns all that comes back until the broker closes.
fn last_words(broker: &EmbeddedBroker, bytes: &[u8]) -> String {
    let mut socket = raw(broker);
    socket.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// Waits until the broker serves so many connections.
fn wait_for_connections(broker: &EmbeddedBroker, count: usize) {
    let deadline = std::time::Instant::now() + PATIENCE;
    while broker.connections() != count {
        assert!(
            std::time::Instant::now() < deadline,
            "{} connections",
            broker.connections()
        );
        std::thread::yield_now();
    }
}

/// Waits until so many reads are blocked.
fn wait_for_blocked(broker: &EmbeddedBroker, count: usize) {
    let deadline = std::time::Instant::now() + PATIENCE;
    while broker.shared.store().waiting() != count {
        assert!(std::time::Instant::now() < deadline, "not {count} blocked reads");
        std::thread::yield_now();
    }
}
