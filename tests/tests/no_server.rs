//! Workers without a server: they start, work and end in time, and their records arrive when a
//! server comes up.

use std::io::Write;
use std::process::{ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use remotecall::CLOSE_TIMEOUT;
use rustix::process::Signal;
use tensorplex_tests::{Broker, Lines, Process, RedisServer, SmallDisk, TestServer, own_program, summary};

const COUNT: u64 = 20_000;
/// Limit for all calls: far more than they need, far less than one wait for the network per call
/// would take.
const CALLS: Duration = Duration::from_secs(5);
/// Allowance for a busy machine.
const SLACK: Duration = Duration::from_secs(5);

struct Worker {
    process: Process,
    input: ChildStdin,
    output: Lines,
    /// Standard error, with the log of the client.
    errors: Lines,
}

impl Worker {
    /// Starts a worker, and waits until it has made all calls.
    fn start(address: &str) -> Self {
        let mut command = Command::new(own_program("test-recorder"));
        command.args([address, "agent/0", &COUNT.to_string()]);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut process = Process::start(&mut command);
        let input = process.child().stdin.take().unwrap();
        let output = Lines::of(process.child().stdout.take().unwrap());
        let errors = Lines::of(process.child().stderr.take().unwrap());
        let worker = Self {
            process,
            input,
            output,
            errors,
        };
        let line = worker.output.next("the calls of the worker");
        let time: u64 = line.strip_prefix("called ").unwrap().parse().unwrap();
        assert!(
            Duration::from_millis(time) < CALLS,
            "{COUNT} calls took {time} ms"
        );
        worker
    }

    fn flush(&mut self) {
        writeln!(self.input, "flush").unwrap();
        assert_eq!(self.output.next("the flush of the worker"), "flushed");
    }

    /// Ends the worker; returns the duration and its standard error.
    fn end(self) -> (Duration, String) {
        let Self {
            mut process,
            input,
            errors,
            ..
        } = self;
        let start = Instant::now();
        drop(input);
        let status = process.wait();
        let said = errors.rest("the end of the worker's messages").join("\n");
        assert!(status.success(), "the worker ended with {status}: {said}");
        (start.elapsed(), said)
    }
}

/// Address that nobody listens on any more.
fn address_of_nobody() -> String {
    let mut server = TestServer::start(&Broker::Embedded);
    server.kill();
    server.address().to_owned()
}

#[track_caller]
fn ends_in_time(address: &str) {
    let (time, said) = Worker::start(address).end();
    assert!(time < CLOSE_TIMEOUT + SLACK, "the end took {time:?}");
    let outstanding = format!("client dropped: {COUNT} calls are not acknowledged yet");
    assert!(said.contains(&outstanding), "{said}");
}

#[test]
fn a_worker_ends_within_its_deadline_when_nobody_listens() {
    ends_in_time(&address_of_nobody());
}

#[test]
fn a_worker_ends_within_its_deadline_when_no_server_reads() {
    let Broker::Redis(redis) = Broker::redis() else {
        unreachable!()
    };
    ends_in_time(&redis.address());
}

#[test]
fn a_worker_ends_within_its_deadline_when_the_broker_answers_nothing() {
    // The system accepts the connection, and nobody reads from it.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    ends_in_time(&silent.local_addr().unwrap().to_string());
}

#[test]
fn a_worker_ends_within_its_deadline_when_redis_is_paused() {
    let mut redis = RedisServer::start();
    redis.signal(Signal::STOP);
    ends_in_time(&redis.address());
}

#[test]
fn a_worker_ends_within_its_deadline_when_the_servers_disk_is_full() {
    let disk = SmallDisk::new(1 << 20, false);
    let server = TestServer::start_on(&Broker::Embedded, &disk);
    disk.fill(0);
    ends_in_time(server.address());
}

#[track_caller]
fn check(server: &TestServer) {
    let seen = summary(server.logdir());
    for runs in [&seen.rust, &seen.python] {
        let loss = &runs["agent/0"]["loss"];
        assert_eq!(
            (loss.count, loss.last, loss.increasing),
            (COUNT, Some(COUNT as i64 - 1), true)
        );
    }
}

#[test]
fn everything_is_delivered_when_the_embedded_broker_starts() {
    let mut server = TestServer::start(&Broker::Embedded);
    server.kill();
    let mut worker = Worker::start(server.address());
    server.restart();
    worker.flush();
    check(&server);
    worker.end();
}

#[test]
fn everything_is_delivered_when_redis_and_then_the_server_start() {
    let mut broker = Broker::redis();
    let Broker::Redis(redis) = &mut broker else {
        unreachable!()
    };
    redis.kill();
    let mut worker = Worker::start(&redis.address());
    redis.restart();
    let server = TestServer::start(&broker);
    worker.flush();
    check(&server);
    worker.end();
}

#[test]
fn a_worker_and_a_server_connect_when_redis_starts_after_them() {
    let mut broker = Broker::redis();
    let Broker::Redis(redis) = &mut broker else {
        unreachable!()
    };
    redis.kill();
    let address = redis.address();
    let server = TestServer::start(&broker);
    let mut worker = Worker::start(&address);
    let Broker::Redis(redis) = &mut broker else {
        unreachable!()
    };
    redis.restart();
    worker.flush();
    check(&server);
    worker.end();
}
