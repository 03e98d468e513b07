//! Memory is bounded: the send window of a worker, the stream in Redis, and the server.

use std::path::Path;
use std::sync::mpsc::channel;
use std::time::Duration;

use prost::Message;
use remotecall::{Client, ClientOptions, NotQueued, RemoteError, RemoteFuture, WhenFull};
use rustix::process::Signal;
use tensorplex::tfevents::RecordReader;
use tensorplex::tfevents::messages::{Event, EventPayload};
use tensorplex_tests::{Broker, DEADLINE, RawFrame, RedisServer, Rng, TestServer, wait_for};

const MIB: usize = 1 << 20;

fn connect(address: &str, options: ClientOptions) -> Client {
    Client::connect_with(address, "tensorplex", "agent/0", options).unwrap()
}

/// Text that compression does not shorten.
fn noise(length: usize) -> String {
    let mut rng = Rng::new(1);
    (0..length)
        .map(|_| (b' ' + rng.below(95) as u8) as char)
        .collect()
}

/// Steps of the summaries in a run's event files, in order.
fn steps(run: &Path) -> Vec<i64> {
    let mut files: Vec<_> = std::fs::read_dir(run)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let mut steps = Vec::new();
    for file in files {
        let bytes = std::fs::read(file).unwrap();
        let mut reader = RecordReader::new(bytes.as_slice());
        while let Some(record) = reader.next_record().unwrap() {
            let event = Event::decode(record.as_slice()).unwrap();
            if let Some(EventPayload::Summary(_)) = event.what {
                steps.push(event.step);
            }
        }
    }
    steps
}

fn used_memory(redis: &mut redis::Connection) -> usize {
    let info: String = redis::cmd("INFO").arg("memory").query(redis).unwrap();
    let line = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
    line.and_then(|bytes| bytes.trim().parse().ok()).unwrap()
}

/// A producer keeps half of its window in the broker, 16 MiB at most, and does not send it again
/// after a reconnect.
#[test]
fn redis_holds_half_a_window_per_producer_while_the_server_is_paused() {
    const PRODUCERS: usize = 8;
    const WINDOW: usize = 4 * MIB;
    const FRAME: usize = 256 << 10;
    let redis = RedisServer::start();
    let mut ask = redis.connection();
    let broker = Broker::Redis(redis);
    let mut server = TestServer::start(&broker);
    server.signal(Signal::STOP);
    let before = used_memory(&mut ask);
    let options = ClientOptions {
        window: WINDOW,
        ..ClientOptions::default()
    };
    let clients: Vec<_> = (0..PRODUCERS)
        .map(|_| connect(server.address(), options.clone()))
        .collect();
    // Every text of a frame differs from the others, because equal ones would be compressed.
    let noise = noise(3 * WINDOW);
    let fill = || {
        for client in &clients {
            for at in (0..noise.len()).step_by(64 << 10) {
                client.send("nope", &(&noise[at..at + (64 << 10)],));
            }
        }
    };
    fill();
    assert!(clients.iter().all(|client| client.stats().dropped.newest > 0));
    wait_for("the pipes to be full", || {
        (used_memory(&mut ask) - before > PRODUCERS * (WINDOW / 2 - FRAME)).then_some(())
    });
    for _ in 0..3 {
        let killed: usize = redis::cmd("CLIENT")
            .arg(["KILL", "TYPE", "normal", "SKIPME", "yes"].as_slice())
            .query(&mut ask)
            .unwrap();
        fill();
        wait_for("new connections", || {
            let list: String = redis::cmd("CLIENT").arg("LIST").query(&mut ask).unwrap();
            (list.lines().count() > PRODUCERS && killed >= PRODUCERS).then_some(())
        });
        let held = used_memory(&mut ask) - before;
        // Redis adds an overhead per entry, and its own buffers.
        let most = PRODUCERS * (WINDOW / 2 + FRAME) * 5 / 4 + 8 * MIB;
        assert!(held < most, "{held} bytes, at most {most} are expected");
    }
    server.signal(Signal::CONT);
    for client in clients {
        // Close reports the dropped calls; none is outstanding.
        assert_eq!(client.close(DEADLINE).unwrap_err().outstanding, 0);
    }
    server.stop();
}

/// The method is unknown to the server, because this test is about the calls' way and not about
/// their effect.
#[test]
fn a_gigabyte_of_one_client_passes_through_the_server() {
    let broker = Broker::redis();
    let mut server = TestServer::start(&broker);
    let options = ClientOptions {
        when_full: WhenFull::Block(DEADLINE),
        ..ClientOptions::default()
    };
    let client = connect(server.address(), options);
    let before = server.peak_memory();
    let (noise, plain) = (noise(MIB), " ".repeat(MIB));
    for n in 0..1024 {
        client.send("nope", &(if n % 8 == 0 { &noise } else { &plain },));
    }
    // The server refuses all of them, after it has read and journaled them.
    let refused = client.flush(2 * DEADLINE).unwrap_err();
    assert_eq!(
        (refused.outstanding, refused.dropped, refused.refused),
        (0, 0, 1024)
    );
    let more = server.peak_memory() - before;
    assert!(more < (128 * MIB) as u64, "{more} bytes more");
    client.close(DEADLINE).unwrap();
    server.stop();
}

/// The frames are in Redis before the server reads, so no send window limits them.
#[test]
fn the_longest_frames_of_many_producers_are_read_a_few_at_a_time() {
    let redis = RedisServer::start();
    let mut ask = redis.connection();
    let broker = Broker::Redis(redis);
    let mut server = TestServer::start(&broker);
    server.signal(Signal::STOP);
    let before = server.peak_memory();
    let text = noise(6 * MIB);
    for n in 0..16u128 {
        let mut frame = RawFrame::new(n.to_be_bytes(), 1, 0);
        frame.call("agent/0", "nope", &(&text,));
        let mut add = redis::cmd("XADD");
        add.arg("rc:{tensorplex.0}:in")
            .arg("*")
            .arg("f")
            .arg(frame.bytes());
        add.query::<String>(&mut ask).unwrap();
    }
    server.signal(Signal::CONT);
    wait_for("the stream to be empty", || {
        let left: usize = redis::cmd("XLEN")
            .arg("rc:{tensorplex.0}:in")
            .query(&mut ask)
            .unwrap();
        (left == 0).then_some(())
    });
    // Usually 74 to 80 MiB; 146 MiB when the server reads all 16 at once.
    let more = server.peak_memory() - before;
    assert!(more < (112 * MIB) as u64, "{more} bytes more");
    server.stop();
}

#[test]
fn ten_thousand_producers_cost_the_server_little() {
    let redis = RedisServer::start();
    let mut ask = redis.connection();
    let broker = Broker::Redis(redis);
    let mut server = TestServer::start(&broker);
    let before = server.peak_memory();
    let mut pipeline = redis::pipe();
    for n in 0..10_000u128 {
        let mut frame = RawFrame::new(n.to_be_bytes(), 1, 0);
        frame.call(&format!("agent/{}", n % 10), "add_scalar", &("loss", 0.5, 1));
        let add = pipeline.cmd("XADD").arg("rc:{tensorplex.0}:in").arg("*");
        add.arg("f").arg(frame.bytes()).ignore();
    }
    pipeline.query::<()>(&mut ask).unwrap();
    let last = format!("{:032x}", 9_999);
    wait_for("the last ack", || {
        let acked: Option<u64> = redis::cmd("HGET")
            .arg("rc:{tensorplex.0}:ack")
            .arg(&last)
            .query(&mut ask)
            .unwrap();
        (acked == Some(1)).then_some(())
    });
    let more = server.peak_memory() - before;
    assert!(more < (64 * MIB) as u64, "{more} bytes more");
    server.stop();
}

/// Fills a window of 1 MiB with calls that no server acknowledges.
fn filled(options: ClientOptions) -> (Client, Vec<RemoteFuture<()>>) {
    let options = ClientOptions {
        window: MIB,
        ..options
    };
    let client = connect("127.0.0.1:1", options);
    let block = noise(64 << 10);
    let futures = (0..64).map(|_| client.call("note", &(&block,))).collect();
    (client, futures)
}

#[test]
fn futures_of_dropped_calls_end_with_an_error() {
    let (client, futures) = filled(ClientOptions {
        when_full: WhenFull::DropOldest,
        ..ClientOptions::default()
    });
    let stats = client.stats();
    assert_eq!((stats.taken, stats.dropped.total()), (64, stats.dropped.oldest));
    assert!((48..64).contains(&stats.dropped.oldest), "{stats:?}");
    let replaced = RemoteError::NotQueued(NotQueued::Replaced { limit: MIB });
    let ends: Vec<_> = futures
        .iter()
        .map(|future| future.get_timeout(Duration::ZERO))
        .collect();
    let gone = stats.dropped.oldest as usize;
    assert!(ends[..gone].iter().all(|end| *end == Err(replaced.clone())));
    assert!(ends[gone..].iter().all(|end| *end == Ok(None)));
    let flushed = client.flush(Duration::ZERO).unwrap_err();
    assert_eq!(
        (flushed.outstanding, flushed.dropped),
        (64 - stats.dropped.oldest, stats.dropped.oldest)
    );
    client.close(Duration::ZERO).unwrap_err();
}

#[test]
fn spilled_calls_are_delivered_in_order_and_oversized_ones_counted() {
    let spool = tempfile::tempdir().unwrap();
    let options = ClientOptions {
        window: MIB,
        when_full: WhenFull::Spill,
        spool: Some(spool.path().to_owned()),
        ..ClientOptions::default()
    };
    let mut server = TestServer::start(&Broker::Embedded);
    let address = server.address().to_owned();
    server.kill();
    let client = connect(&address, options);
    let text = "x".repeat(10_000);
    for step in 0..1000 {
        client.send("add_text", &("note", &text, Some(step)));
    }
    let stats = client.stats();
    assert_eq!(
        (stats.taken, stats.dropped.total(), stats.unspooled),
        (1000, 0, 0)
    );
    // A call larger than the window fits neither memory nor spool.
    client.send("add_text", &("note", "x".repeat(2 * MIB), Some(0)));
    assert_eq!(client.stats().dropped.newest, 1);
    server.restart();
    assert_eq!(client.flush(DEADLINE).unwrap_err().outstanding, 0);
    assert_eq!(client.stats().acked, 1000);
    client.close(DEADLINE).unwrap();
    // The sender thread removes the spool last.
    let is_gone = || (std::fs::read_dir(spool.path()).unwrap().count() == 0).then_some(());
    wait_for("the spool to go", is_gone);
    server.stop();
    let steps = steps(&server.logdir().join("agent/0"));
    assert_eq!(steps, (0..1000).collect::<Vec<_>>());
}

/// A dropped frame is sent empty under its number, so that later frames are accepted, and the
/// server counts it.
#[test]
fn the_server_gets_the_newest_calls_and_the_count_of_dropped_ones() {
    let mut server = TestServer::start(&Broker::Embedded);
    let address = server.address().to_owned();
    server.kill();
    let client = connect(
        &address,
        ClientOptions {
            window: MIB,
            when_full: WhenFull::DropOldest,
            ..ClientOptions::default()
        },
    );
    let text = "x".repeat(10_000);
    for step in 0..1000 {
        client.send("add_text", &("note", &text, Some(step)));
    }
    let dropped = client.stats().dropped.oldest;
    assert!(dropped > 500, "{dropped}");
    server.restart();
    assert_eq!(client.flush(DEADLINE).unwrap_err().dropped, dropped);
    let mut watch = remotecall::BrokerWatch::new(&address).unwrap();
    wait_for("the server to tell what was dropped", || {
        (watch.look("tensorplex").ok()?.dropped == dropped).then_some(())
    });
    client.close(DEADLINE).unwrap();
    server.stop();
    let steps = steps(&server.logdir().join("agent/0"));
    assert_eq!(steps, (dropped as i64..1000).collect::<Vec<_>>());
}

/// `close` reports once, and each drop is counted under its cause.
#[test]
fn dropped_calls_are_counted_by_cause() {
    let (client, _futures) = filled(ClientOptions::default());
    client.send("note", &(" ".repeat(17 * MIB),));
    let (told, heard) = channel();
    client.send("note", &(Unencodable(told),));
    heard
        .recv_timeout(DEADLINE)
        .expect("the encoder to serialize the call");
    client.close(Duration::ZERO).unwrap_err();
    client.send("note", &(1,));
    let dropped = client.stats().dropped;
    assert_eq!(
        (dropped.too_large, dropped.unencodable, dropped.closed),
        (1, 1, 1)
    );
    assert!(
        dropped.newest > 40 && dropped.oldest + dropped.unreadable == 0,
        "{dropped:?}"
    );
    assert_eq!(
        dropped.to_string(),
        format!(
            "{} newest, 1 too large, 1 unencodable, 1 after close",
            dropped.newest
        )
    );
}

struct Unencodable(std::sync::mpsc::Sender<()>);

impl serde::Serialize for Unencodable {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        let _ = self.0.send(());
        Err(serde::ser::Error::custom("as requested"))
    }
}
