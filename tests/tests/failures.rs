//! Failures of calls: each one is an answer to the future.

use std::time::Duration;

use futures::executor::block_on;
use futures::future::join_all;
use redis::Value;
use remotecall::{CallError, NotQueued, OneWay, RemoteCall, RemoteError, ServerHandle, remote};
use tensorplex_tests::{BoundedGet, BoundedStop, DEADLINE, TestBroker, in_time, on_both_brokers, wait_for};

/// Object whose methods fail in every way.
#[derive(Default)]
struct Trouble {
    count: u64,
}

#[remote]
impl Trouble {
    /// Returns the number of calls so far.
    pub fn count(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    pub fn nothing(&self) -> Option<u64> {
        None
    }

    pub fn raise(&self, text: &str) -> Result<i64, std::num::ParseIntError> {
        text.parse()
    }

    pub fn raise_any(&self) -> Result<(), Box<dyn std::error::Error>> {
        Err("no luck".into())
    }

    pub fn panic(&self) {
        panic!("on purpose");
    }

    pub fn large(&mut self, bytes: usize) -> String {
        self.count += 1;
        "x".repeat(bytes)
    }

    pub fn take(&self, _bytes: &[u8]) {}
}

const QUEUE: &str = "trouble";
const STREAM: &str = "rc:{trouble.0}:in";

fn serve(broker: &TestBroker) -> ServerHandle {
    let server = RemoteCall::new(Trouble::default()).queue(QUEUE);
    server.start(&broker.address()).unwrap()
}

fn connect(broker: &TestBroker) -> TroubleClient {
    TroubleClient::connect(&broker.address(), QUEUE, "agent/1").unwrap()
}

#[track_caller]
fn error<T: std::fmt::Debug>(result: Result<T, RemoteError>) -> CallError {
    match result {
        Err(RemoteError::Call(error)) => error,
        other => panic!("{other:?}"),
    }
}

fn each_failure_is_reported_and_the_server_continues(broker: TestBroker) {
    let (server, client) = (serve(&broker), connect(&broker));
    let raised = |kind: &str, message: &str| CallError::Raised {
        kind: kind.to_owned(),
        message: message.to_owned(),
        traceback: None,
    };
    assert_eq!(
        error(client.raise("x").get_in_time()),
        raised("ParseIntError", "invalid digit found in string")
    );
    assert_eq!(
        error(client.raise_any().get_in_time()),
        raised("Box<dyn Error>", "no luck")
    );
    assert_eq!(
        error(client.panic().get_in_time()),
        CallError::Panicked("on purpose".to_owned())
    );
    let raw = client.client();
    assert_eq!(
        error(raw.call::<_, ()>("none", &[(); 0]).get_in_time()),
        CallError::UnknownMethod("none".to_owned())
    );
    let says = |args: &[&str], expect: &str| {
        let text = error(raw.call::<_, ()>("large", args).get_in_time()).to_string();
        assert!(text.starts_with(expect), "{text}");
    };
    says(&["x"], "argument bytes: expected usize, got text");
    says(&[], "argument bytes: missing");
    says(&["x", "y"], "argument #2: 2 positional arguments were given");
    assert_eq!(
        error(client.large(9 << 20).get_in_time()),
        CallError::TooLarge {
            size: (9 << 20) + 5,
            limit: 8 << 20
        }
    );
    assert!(matches!(
        client.take(&vec![0; 17 << 20]).get_in_time(),
        Err(RemoteError::NotQueued(NotQueued::TooLarge { .. }))
    ));
    let other = raw.call::<_, String>("count", &[(); 0]).get_in_time();
    assert!(matches!(other, Err(RemoteError::BadResult(_))), "{other:?}");
    assert_eq!(client.count().get_in_time(), Ok(3));
    let waiting = connect(&broker);
    server.stop_in_time().unwrap();
    let future = waiting.count();
    waiting.client().close(Duration::ZERO).unwrap_err();
    assert_eq!(future.get_in_time(), Err(RemoteError::Closed));
    assert_eq!(waiting.count().get_in_time(), Err(NotQueued::Closed.into()));
}

fn calls_to_a_server_without_return_values_end_with_an_error(broker: TestBroker) {
    let server = RemoteCall::new(Trouble::default()).queue(QUEUE);
    let server = server.has_return_value(false).start(&broker.address()).unwrap();
    let client = connect(&broker);
    assert_eq!(error(client.count().get_in_time()), CallError::NoReturnValues);
    let quiet: TroubleClient<OneWay> = client.one_way();
    quiet.count();
    quiet.flush(DEADLINE).unwrap();
    let stats = server.stop_in_time().unwrap();
    assert_eq!((stats.calls, stats.refused["return value wanted"]), (2, 1));
}

fn a_timeout_is_not_a_result_of_none(broker: TestBroker) {
    let client = connect(&broker);
    let future = client.nothing();
    assert_eq!(future.get_timeout(Duration::from_millis(10)), Ok(None));
    let server = serve(&broker);
    assert_eq!(future.get_timeout(DEADLINE), Ok(Some(None)));
    server.stop_in_time().unwrap();
}

fn a_call_is_not_run_after_its_deadline(broker: TestBroker) {
    let client = connect(&broker);
    let late = client.with_deadline(Duration::from_millis(1)).count();
    let in_time = client.with_deadline(DEADLINE).count();
    let id = wait_for("the frame", || newest(&broker));
    wait_for("the deadline to pass by the broker's clock", || {
        (clock_ms(&broker) > id + 1).then_some(())
    });
    let server = serve(&broker);
    let late = error(late.get_in_time());
    assert!(
        matches!(late, CallError::DeadlineExceeded { deadline_ms: 1, after_ms } if after_ms > 1),
        "{late}"
    );
    assert_eq!(in_time.get_in_time(), Ok(1), "the other one did not run");
    server.stop_in_time().unwrap();
}

/// Time in the id of the newest entry, if there is one.
fn newest(broker: &TestBroker) -> Option<u64> {
    type Entries = Vec<(String, Vec<(String, Vec<u8>)>)>;
    let mut command = redis::cmd("XRANGE");
    let entries: Entries = command
        .arg(STREAM)
        .arg("-")
        .arg("+")
        .query(&mut broker.connection())
        .unwrap();
    entries.last()?.0.split_once('-')?.0.parse().ok()
}

fn clock_ms(broker: &TestBroker) -> u64 {
    let (seconds, micros): (u64, u64) = redis::cmd("TIME").query(&mut broker.connection()).unwrap();
    seconds * 1000 + micros / 1000
}

fn thousands_of_futures_share_two_connections(broker: TestBroker) {
    let server = serve(&broker);
    let connections = || match &broker {
        TestBroker::Embedded(_, embedded) => embedded.as_ref().unwrap().connections(),
        TestBroker::Redis(redis) => match redis.command(&["CLIENT", "LIST"]) {
            // The list contains the connection that asks for it.
            Value::BulkString(list) => list.iter().filter(|&&byte| byte == b'\n').count() - 1,
            Value::VerbatimString { text, .. } => text.lines().count() - 1,
            other => panic!("{other:?}"),
        },
    };
    wait_for("the server's reader", || (connections() >= 2).then_some(()));
    let before = connections();
    let client = connect(&broker);
    let futures: Vec<_> = (0..5_000).map(|_| client.count()).collect();
    let results: Result<Vec<u64>, _> = in_time("all futures", move || block_on(join_all(futures)))
        .into_iter()
        .collect();
    assert_eq!(results.unwrap(), (1..=5_000).collect::<Vec<_>>());
    assert_eq!(connections(), before + 2, "one to send, one to hear replies");
    server.stop_in_time().unwrap();
}

/// The reply stream is deleted before the server answers, so every reply is lost. The reply cache
/// holds 64 MiB.
fn a_lost_reply_is_fetched_again_or_reported_as_expired(broker: TestBroker) {
    const RESULT: usize = (8 << 20) - 5;
    let client = connect(&broker);
    let futures: Vec<_> = (0..9).map(|_| client.large(RESULT)).collect();
    wait_for("the frame", || newest(&broker));
    let replies = wait_for("the reply stream", || {
        let keys: Vec<String> = redis::cmd("KEYS")
            .arg("rc:{r.*")
            .query(&mut broker.connection())
            .ok()?;
        keys.into_iter().next()
    });
    broker.command(&["DEL", &replies]);
    let server = serve(&broker);
    let mut futures = futures.into_iter();
    assert_eq!(
        error(futures.next().unwrap().get_in_time()),
        CallError::ResultExpired
    );
    for future in futures {
        assert_eq!(future.get_in_time().map(|text| text.len()), Ok(RESULT));
    }
    assert_eq!(client.count().get_in_time(), Ok(10), "nothing ran twice");
    server.stop_in_time().unwrap();
}

fn an_ended_client_leaves_only_keys_that_expire(broker: TestBroker) {
    let server = serve(&broker);
    let client = connect(&broker);
    assert_eq!(client.count().get_in_time(), Ok(1));
    let keys: Vec<String> = redis::cmd("KEYS")
        .arg("*")
        .query(&mut broker.connection())
        .unwrap();
    let stay: Vec<_> = keys
        .iter()
        .filter(|key| broker.command(&["PTTL", key]) == Value::Int(-1))
        .collect();
    // Only keys of the queue never expire, whatever the number of clients, and the stream is empty.
    assert!(
        stay.iter()
            .all(|key| *key == STREAM || *key == "rc:{trouble.0}:ack"),
        "{stay:?}"
    );
    assert_eq!(broker.command(&["XLEN", STREAM]), Value::Int(0));
    assert_eq!(keys.len(), 4, "{keys:?}");
    server.stop_in_time().unwrap();
}

on_both_brokers! {
    each_failure_is_reported_and_the_server_continues,
    calls_to_a_server_without_return_values_end_with_an_error,
    a_timeout_is_not_a_result_of_none,
    a_call_is_not_run_after_its_deadline,
    thousands_of_futures_share_two_connections,
    a_lost_reply_is_fetched_again_or_reported_as_expired,
    an_ended_client_leaves_only_keys_that_expire,
}
