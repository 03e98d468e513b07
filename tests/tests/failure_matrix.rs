//! Rows of the failure matrix in docs/reference/guarantees.md that no other file tests.

use std::io::Write;
use std::process::{Command, Stdio};

use remotecall::{RemoteCall, remote};
use tensorplex::Writer;
use tensorplex_tests::{
    BoundedGet, BoundedStop, Broker, DEADLINE, Lines, Process, RedisServer, TestServer, own_program, summary,
};

/// Checks that both readers show each of `steps` steps of `agent` once.
#[track_caller]
fn check_steps(server: &TestServer, steps: i64) {
    let seen = summary(server.logdir());
    for runs in [&seen.rust, &seen.python] {
        let series = &runs["agent"]["loss"];
        let found = (series.count, series.first, series.last, series.increasing);
        assert_eq!(found, (steps as u64, Some(0), Some(steps - 1), true));
    }
}

fn record(log: &Writer, steps: std::ops::Range<i64>) {
    for step in steps {
        log.scalar("loss", 0.5, step);
        // One frame per record, so that the server trims each one alone.
        if step % 10 == 0 {
            log.flush(DEADLINE).unwrap();
        }
    }
    log.flush(DEADLINE).unwrap();
}

fn redis_of(broker: &mut Broker) -> &mut RedisServer {
    let Broker::Redis(redis) = broker else {
        unreachable!("a Redis was asked for")
    };
    redis
}

/// Trimmed entries are back, and acknowledgements are lower than before.
#[test]
fn a_redis_that_returns_to_an_older_snapshot_loses_and_duplicates_nothing() {
    let mut broker = Broker::redis();
    let mut server = TestServer::start(&broker);
    let log = Writer::connect(server.address(), "agent").unwrap();
    record(&log, 0..100);
    // The frames in the snapshot are not in the log directory yet.
    server.signal(rustix::process::Signal::STOP);
    for step in 100..150 {
        log.scalar("loss", 0.5, step);
    }
    let redis = redis_of(&mut broker);
    let entries = || redis.command(&["XLEN", "rc:{tensorplex.0}:in"]);
    tensorplex_tests::wait_for("frames in Redis", || {
        (entries() != redis::Value::Int(0)).then_some(())
    });
    redis.command(&["SAVE"]);
    server.signal(rustix::process::Signal::CONT);
    record(&log, 150..200);
    let redis = redis_of(&mut broker);
    redis.kill();
    redis.restart();
    record(&log, 200..300);
    server.stop();
    check_steps(&server, 300);
}

/// After a successful `flush` the records survive the kill of every process.
fn flushed_records_survive_the_kill_of_every_process(mut broker: Broker) {
    let mut server = TestServer::start(&broker);
    let mut worker = Process::start(
        Command::new(own_program("test-recorder"))
            .args([server.address(), "agent", "5000"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped()),
    );
    let lines = Lines::of(worker.child().stdout.take().unwrap());
    worker
        .child()
        .stdin
        .as_mut()
        .unwrap()
        .write_all(b"flush\n")
        .unwrap();
    while lines.next("the flush of the worker") != "flushed" {}
    worker.kill();
    if let Broker::Redis(redis) = &mut broker {
        redis.kill();
        redis.remove_snapshot();
        redis.restart();
    }
    server.kill_and_restart();
    server.stop();
    check_steps(&server, 5000);
}

#[test]
fn flushed_records_survive_the_kill_of_every_process_through_redis() {
    flushed_records_survive_the_kill_of_every_process(Broker::redis());
}

#[test]
fn flushed_records_survive_the_kill_of_every_process_through_the_embedded_broker() {
    flushed_records_survive_the_kill_of_every_process(Broker::Embedded);
}

struct Counter(u64);

#[remote]
impl Counter {
    /// Adds, and returns the sum.
    pub fn add(&mut self, n: u64) -> u64 {
        self.0 += n;
        self.0
    }
}

/// State without a journal is lost with the process; calls that were not acknowledged run in the
/// next one.
#[test]
fn an_object_without_a_journal_is_lost_with_its_process_and_calls_continue() {
    let redis = RedisServer::start();
    let start = || RemoteCall::new(Counter(0)).start(&redis.address()).unwrap();
    let client = CounterClient::connect(&redis.address(), "remotecall", "c").unwrap();
    let first = start();
    assert_eq!(client.add(5).get_in_time(), Ok(5));
    first.stop_in_time().unwrap();
    let waiting = client.add(2);
    let second = start();
    assert_eq!(waiting.get_in_time(), Ok(2));
    second.stop_in_time().unwrap();
}
