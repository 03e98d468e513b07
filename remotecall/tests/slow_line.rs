//! Slow lines: no timeout makes the client send a frame again while bytes of the frame still move.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use remotecall::embedded::{BrokerOptions, EmbeddedBroker};
use remotecall::{Client, RemoteCall, remote};

/// Size of one chunk in bytes, and the delay after it: 64 KiB per second.
const CHUNK: (usize, Duration) = (4 << 10, Duration::from_millis(62));
/// Number of calls, and the size of each in bytes.
const CALLS: (u64, usize) = (12, 50_000);

struct Sum(u64);

#[remote]
impl Sum {
    pub fn put(&mut self, bytes: &[u8]) {
        self.0 += bytes.len() as u64;
    }

    pub fn total(&self) -> u64 {
        self.0
    }
}

/// Proxy to `broker`: it forwards and counts the client's bytes at the speed of the line, and
/// forwards the broker's bytes at once. Returns its address and the count.
fn slow_line(broker: SocketAddr) -> (SocketAddr, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let sent = Arc::new(AtomicU64::new(0));
    let count = sent.clone();
    std::thread::spawn(move || {
        for near in listener.incoming() {
            let (mut near, mut far) = (near.unwrap(), TcpStream::connect(broker).unwrap());
            let (mut back, mut back_far) = (near.try_clone().unwrap(), far.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut back_far, &mut back));
            let count = count.clone();
            std::thread::spawn(move || {
                let mut chunk = vec![0; CHUNK.0];
                while let Ok(length @ 1..) = near.read(&mut chunk) {
                    std::thread::sleep(CHUNK.1);
                    count.fetch_add(length as u64, Relaxed);
                    if far.write_all(&chunk[..length]).is_err() {
                        break;
                    }
                }
                let _ = far.shutdown(std::net::Shutdown::Both);
            });
        }
    });
    (address, sent)
}

/// Incompressible bytes, from a linear congruential generator.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..length).map(|_| next()).collect()
}

#[test]
fn a_slow_line_carries_each_frame_once() {
    let broker = EmbeddedBroker::start(BrokerOptions::new(([127, 0, 0, 1], 0).into())).unwrap();
    let server = RemoteCall::new(Sum(0))
        .queue("q")
        .has_return_value(true)
        .start(&broker.own_address())
        .unwrap();
    let (line, sent) = slow_line(broker.address());
    let client = SumClient::new(Client::connect(&line.to_string(), "q", "c").unwrap());
    for seed in 0..CALLS.0 {
        client.one_way().put(&noise(seed, CALLS.1));
    }
    client.flush(Duration::from_secs(120)).unwrap();
    let payload = CALLS.0 * CALLS.1 as u64;
    assert_eq!(client.client().stats().rewinds, 0);
    let sent = sent.load(Relaxed);
    assert!(sent < payload + payload / 10, "{sent} bytes for {payload}");
    let direct = SumClient::connect(&broker.own_address(), "q", "d").unwrap();
    assert_eq!(direct.total().get(), Ok(payload));
    drop(server);
}
