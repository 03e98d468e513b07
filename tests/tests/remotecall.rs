//! Calls through a broker run once and in order, whichever process is killed.

use std::path::Path;
use std::time::{Duration, Instant};

use remotecall::{
    Args, CallContext, CallError, Client, Durable, FileId, FileSet, NewFile, Remote, RemoteCall, RemoteError,
    ServerHandle,
};
use rustix::process::Signal;
use tensorplex_tests::{
    BoundedGet, BoundedStop, DEADLINE, RedisServer, TestBroker, on_both_brokers, wait_for,
};

/// Object that appends numbers to one file per client, and counts them.
struct Numbers {
    files: FileSet,
    count: u64,
}

impl Numbers {
    fn open(dir: &Path) -> Self {
        let private = dir.join(".private");
        std::fs::create_dir_all(&private).unwrap();
        Self {
            files: FileSet::open(dir, Some(&private.join("files"))).unwrap(),
            count: 0,
        }
    }

    fn file(&mut self, client: &str) -> FileId {
        self.files.add(client, NewFile::Append(client.to_owned()))
    }
}

impl Remote for Numbers {
    fn method(&self, name: &str) -> Option<usize> {
        ["put", "count", "fail"].iter().position(|known| *known == name)
    }

    fn call(
        &mut self,
        cx: &CallContext<'_>,
        method: usize,
        args: &Args<'_>,
        result: &mut Vec<u8>,
    ) -> Result<(), CallError> {
        match method {
            0 => {
                let n: u64 = args.required(0, "n")?;
                let id = self.file(cx.client_id.as_str());
                self.files
                    .pending(id)
                    .extend_from_slice(format!("{n}\n").as_bytes());
                self.count += 1;
            }
            1 => {}
            _ => return Err(CallError::raised(&std::fmt::Error)),
        }
        rmp_encode(result, self.count)
    }
}

fn rmp_encode(result: &mut Vec<u8>, n: u64) -> Result<(), CallError> {
    remotecall::rmp_serde::encode::write(result, &n).map_err(|error| CallError::raised(&error))
}

impl Durable for Numbers {
    fn commit(&mut self) -> std::io::Result<()> {
        self.files.commit()
    }

    fn checkpoint(&mut self) -> std::io::Result<Vec<u8>> {
        self.files.sync()?;
        let mut state = self.count.to_le_bytes().to_vec();
        state.extend(self.files.state());
        Ok(state)
    }

    fn restore(&mut self, state: &[u8]) -> std::io::Result<()> {
        let (count, files) = state
            .split_first_chunk::<8>()
            .ok_or(std::io::ErrorKind::InvalidData)?;
        self.count = u64::from_le_bytes(*count);
        self.files.restore(files)
    }
}

fn serve(address: &str, dir: &Path) -> ServerHandle {
    RemoteCall::new(Numbers::open(dir))
        .durable(&dir.join(".private"))
        .start(address)
        .unwrap()
}

fn connect(address: &str) -> Client {
    Client::connect(address, "remotecall", "agent/1").unwrap()
}

fn lines(dir: &Path) -> Vec<u64> {
    let text = std::fs::read_to_string(dir.join("agent/1")).unwrap_or_default();
    text.lines().map(|line| line.parse().unwrap()).collect()
}

fn calls_arrive_once_and_in_order(broker: TestBroker) {
    let dir = tempfile::tempdir().unwrap();
    let server = serve(&broker.address(), dir.path());
    let client = connect(&broker.address());
    for n in 0..50_000u64 {
        client.send("put", &(n,));
    }
    client.flush(DEADLINE).unwrap();
    assert_eq!(lines(dir.path()), (0..50_000).collect::<Vec<_>>());
    assert_eq!(client.call::<_, u64>("count", &[(); 0]).get_in_time(), Ok(50_000));
    assert_eq!(client.stats().rewinds, 0);
    server.stop_in_time().unwrap();
}

fn futures_end_with_a_value_or_an_error(broker: TestBroker) {
    let dir = tempfile::tempdir().unwrap();
    let server = serve(&broker.address(), dir.path());
    let client = connect(&broker.address());
    let many: Vec<_> = (0..1_000u64)
        .map(|n| client.call::<_, u64>("put", &(n,)))
        .collect();
    for (n, future) in many.into_iter().enumerate() {
        assert_eq!(future.get_in_time(), Ok(n as u64 + 1));
    }
    let error = |result: Result<u64, RemoteError>| result.unwrap_err().to_string();
    assert_eq!(
        error(client.call("fail", &[(); 0]).get_in_time()),
        "Error: an error occurred when formatting an argument"
    );
    assert!(error(client.call("put", &("text",)).get_in_time()).starts_with("argument n: "));
    assert!(error(client.call("put", &[(); 0]).get_in_time()).contains("missing"));
    assert!(error(client.call("none", &[(); 0]).get_in_time()).contains("unknown method"));
    let text = client
        .call::<_, String>("count", &[(); 0])
        .get_in_time()
        .unwrap_err();
    assert!(matches!(text, RemoteError::BadResult(_)), "{text}");
    client.call::<_, u64>("count", &[(); 0]).discard();
    assert_eq!(client.check("put", &[1u64], &NoNames {}).get_in_time(), Ok(()));
    assert!(client.check("put", &["x"], &NoNames {}).get_in_time().is_err());
    server.stop_in_time().unwrap();
}

#[derive(serde::Serialize)]
struct NoNames {}

fn a_future_times_out_and_can_still_be_waited_for(broker: TestBroker) {
    let dir = tempfile::tempdir().unwrap();
    let client = connect(&broker.address());
    let future = client.call::<_, u64>("put", &(1u64,));
    assert_eq!(future.get_timeout(Duration::from_millis(20)), Ok(None));
    let server = serve(&broker.address(), dir.path());
    assert_eq!(future.get_timeout(DEADLINE), Ok(Some(1)));
    assert_eq!(future.get_timeout(DEADLINE), Err(RemoteError::Taken));
    server.stop_in_time().unwrap();
}

fn a_worker_without_a_server_continues_and_delivers_when_one_starts(mut broker: TestBroker) {
    let dir = tempfile::tempdir().unwrap();
    broker.kill();
    let client = connect(&broker.address());
    for n in 0..1_000u64 {
        client.send("put", &(n,));
    }
    let late = client.flush(Duration::from_millis(50)).unwrap_err();
    assert_eq!((late.outstanding, late.dropped), (1_000, 0));
    broker.restart();
    let late = client.flush(Duration::from_millis(200)).unwrap_err();
    assert_eq!(late.outstanding, 1_000);
    let server = serve(&broker.address(), dir.path());
    client.flush(DEADLINE).unwrap();
    assert_eq!(lines(dir.path()), (0..1_000).collect::<Vec<_>>());
    server.stop_in_time().unwrap();
}

fn an_emptied_broker_loses_and_duplicates_nothing(mut broker: TestBroker) {
    let dir = tempfile::tempdir().unwrap();
    let server = serve(&broker.address(), dir.path());
    let client = connect(&broker.address());
    let mut n = 0u64;
    for _ in 0..5 {
        for _ in 0..20_000 {
            client.send("put", &(n,));
            n += 1;
        }
        broker.kill_and_restart();
    }
    client.flush(DEADLINE).unwrap();
    assert_eq!(lines(dir.path()), (0..n).collect::<Vec<_>>());
    server.stop_in_time().unwrap();
}

fn a_server_that_returns_finds_each_frame_once(broker: TestBroker) {
    let dir = tempfile::tempdir().unwrap();
    let client = connect(&broker.address());
    client.send("put", &(0u64,));
    wait_for("the frame", || {
        (broker.command(&["XLEN", "rc:{remotecall.0}:in"]) == redis::Value::Int(1)).then_some(())
    });
    // Longer than the stall timeout of the sender.
    client.flush(Duration::from_secs(4)).unwrap_err();
    assert_eq!(
        broker.command(&["XLEN", "rc:{remotecall.0}:in"]),
        redis::Value::Int(1)
    );
    assert_eq!(client.stats().rewinds, 0);
    broker.command(&["FLUSHALL"]);
    let server = serve(&broker.address(), dir.path());
    client.flush(DEADLINE).unwrap();
    assert_eq!(lines(dir.path()), [0]);
    server.stop_in_time().unwrap();
}

fn a_restarted_server_has_its_state(broker: TestBroker) {
    let dir = tempfile::tempdir().unwrap();
    let client = connect(&broker.address());
    for round in 0..3u64 {
        let server = serve(&broker.address(), dir.path());
        for n in 0..100 {
            client.send("put", &(round * 100 + n,));
        }
        client.flush(DEADLINE).unwrap();
        assert_eq!(
            client.call::<_, u64>("count", &[(); 0]).get_in_time(),
            Ok((round + 1) * 100)
        );
        server.stop_in_time().unwrap();
    }
    assert_eq!(lines(dir.path()), (0..300).collect::<Vec<_>>());
}

fn a_queue_has_one_server(broker: TestBroker) {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = serve(&broker.address(), dir.path());
    let client = connect(&broker.address());
    client.send("put", &(1u64,));
    client.flush(DEADLINE).unwrap();
    let second = serve(&broker.address(), other.path());
    wait_for("the second server to give up", || {
        second.has_ended().then_some(())
    });
    let error = second.stop_in_time().unwrap_err().to_string();
    assert!(error.contains("one server"), "{error}");
    let Err(error) = RemoteCall::new(Numbers::open(dir.path()))
        .durable(&dir.path().join(".private"))
        .start(&broker.address())
    else {
        panic!("two servers in one directory");
    };
    assert!(error.to_string().contains("in use by another server"), "{error}");
    client.send("put", &(2u64,));
    client.flush(DEADLINE).unwrap();
    server.stop_in_time().unwrap();
}

fn garbage_and_wrong_types_do_not_stop_the_server(broker: TestBroker) {
    let dir = tempfile::tempdir().unwrap();
    broker.command(&["SET", "rc:{remotecall.0}:in", "not a stream"]);
    broker.command(&["SET", "rc:{remotecall.0}:ack", "not a hash"]);
    broker.command(&["HSET", "rc:{remotecall.0}:lease", "not", "a string"]);
    let server = serve(&broker.address(), dir.path());
    let client = connect(&broker.address());
    client.send("put", &(1u64,));
    client.flush(DEADLINE).unwrap();
    broker.command(&["XADD", "rc:{remotecall.0}:in", "*", "f", "garbage"]);
    broker.command(&["XADD", "rc:{remotecall.0}:in", "*", "other", "field"]);
    client.send("put", &(2u64,));
    client.flush(DEADLINE).unwrap();
    assert_eq!(lines(dir.path()), [1, 2]);
    let refused = server.stats().refused;
    assert_eq!(
        (refused["not a frame"], refused["entry without a frame"]),
        (1, 1),
        "{refused:?}"
    );
    assert_eq!(
        broker.command(&["XLEN", "rc:{remotecall.0}:in"]),
        redis::Value::Int(0)
    );
    server.stop_in_time().unwrap();
}

fn a_full_window_drops_and_counts_or_waits(mut broker: TestBroker) {
    use remotecall::{ClientOptions, WhenFull};
    let dir = tempfile::tempdir().unwrap();
    broker.kill();
    let options = ClientOptions {
        window: 10_000,
        ..ClientOptions::default()
    };
    let drops = Client::connect_with(&broker.address(), "remotecall", "agent/1", options.clone()).unwrap();
    for n in 0..10_000u64 {
        drops.send("put", &(n,));
    }
    let stats = drops.stats();
    let dropped = stats.dropped.total();
    assert_eq!((stats.taken + dropped, dropped), (10_000, stats.dropped.newest));
    assert!(stats.taken > 500 && dropped > 500, "{stats:?}");
    broker.restart();
    let server = serve(&broker.address(), dir.path());
    let flushed = drops.flush(DEADLINE).unwrap_err();
    assert_eq!((flushed.outstanding, flushed.dropped), (0, dropped));
    drops.flush(DEADLINE).unwrap();
    assert_eq!(lines(dir.path()), (0..stats.taken).collect::<Vec<_>>());
    let options = ClientOptions {
        when_full: WhenFull::Block(DEADLINE),
        ..options
    };
    let waits = Client::connect_with(&broker.address(), "remotecall", "agent/1", options).unwrap();
    for n in stats.taken..20_000 {
        waits.send("put", &(n,));
    }
    waits.close(DEADLINE).unwrap();
    assert_eq!(waits.stats().dropped.total(), 0);
    assert_eq!(lines(dir.path()), (0..20_000).collect::<Vec<_>>());
    server.stop_in_time().unwrap();
}

fn a_broker_that_dies_when_all_is_sent_is_found_again(mut broker: TestBroker) {
    let dir = tempfile::tempdir().unwrap();
    let client = connect(&broker.address());
    client.send("put", &(1u64,));
    let key = "rc:{remotecall.0}:in";
    wait_for("the frame", || {
        (broker.command(&["XLEN", key]) == redis::Value::Int(1)).then_some(())
    });
    broker.kill_and_restart();
    let server = serve(&broker.address(), dir.path());
    client.flush(DEADLINE).unwrap();
    assert_eq!(lines(dir.path()), [1]);
    server.stop_in_time().unwrap();
}

fn a_duplicate_frame_after_a_checkpoint_is_dropped(broker: TestBroker) {
    let dir = tempfile::tempdir().unwrap();
    let client = connect(&broker.address());
    client.send("put", &(1u64,));
    let key = "rc:{remotecall.0}:in";
    let mut connection = broker.connection();
    let frame = wait_for("the frame", || {
        type Entries = Vec<(String, Vec<(String, Vec<u8>)>)>;
        let mut command = redis::cmd("XRANGE");
        let entries: Entries = command.arg(key).arg("-").arg("+").query(&mut connection).ok()?;
        Some(entries.first()?.1.first()?.1.clone())
    });
    let server = serve(&broker.address(), dir.path());
    client.flush(DEADLINE).unwrap();
    server.stop_in_time().unwrap();
    let mut again = redis::cmd("XADD");
    again.arg(key).arg("*").arg("f").arg(frame).arg("a").arg(0);
    again.exec(&mut connection).unwrap();
    let server = serve(&broker.address(), dir.path());
    client.send("put", &(2u64,));
    client.flush(DEADLINE).unwrap();
    assert_eq!(server.stop_in_time().unwrap().duplicates, 1);
    assert_eq!(lines(dir.path()), [1, 2]);
}

fn a_worker_continues_with_a_server_on_another_directory(broker: TestBroker) {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let client = connect(&broker.address());
    for (n, dir) in [(1u64, first.path()), (2, second.path())] {
        let server = serve(&broker.address(), dir);
        client.send("put", &(n,));
        client.flush(DEADLINE).unwrap();
        server.stop_in_time().unwrap();
        assert_eq!(lines(dir), [n]);
    }
}

/// The id of an entry comes from the broker's clock.
fn a_server_reads_on_after_its_broker_is_emptied_and_the_clock_steps_back(broker: TestBroker) {
    let dir = tempfile::tempdir().unwrap();
    let server = serve(&broker.address(), dir.path());
    let client = connect(&broker.address());
    broker.advance_ids("rc:{remotecall.0}:in");
    client.send("put", &(1u64,));
    client.flush(DEADLINE).unwrap();
    broker.command(&["FLUSHALL"]);
    client.send("put", &(2u64,));
    client.flush(DEADLINE).unwrap();
    assert_eq!(lines(dir.path()), [1, 2]);
    server.stop_in_time().unwrap();
}

fn replies_are_found_after_the_broker_is_emptied_and_its_clock_steps_back(broker: TestBroker) {
    let dir = tempfile::tempdir().unwrap();
    let server = serve(&broker.address(), dir.path());
    let client = connect(&broker.address());
    let put = |n: u64| client.call::<_, u64>("put", &(n,)).get_timeout(DEADLINE);
    assert_eq!(put(1), Ok(Some(1)));
    let replies: Vec<String> = redis::cmd("KEYS")
        .arg("rc:{r.*")
        .query(&mut broker.connection())
        .unwrap();
    broker.advance_ids(&replies[0]);
    assert_eq!(put(2), Ok(Some(2)));
    broker.command(&["FLUSHALL"]);
    assert_eq!(put(3), Ok(Some(3)));
    server.stop_in_time().unwrap();
}

on_both_brokers! {
    replies_are_found_after_the_broker_is_emptied_and_its_clock_steps_back,
    a_server_reads_on_after_its_broker_is_emptied_and_the_clock_steps_back,
    calls_arrive_once_and_in_order,
    futures_end_with_a_value_or_an_error,
    a_future_times_out_and_can_still_be_waited_for,
    a_worker_without_a_server_continues_and_delivers_when_one_starts,
    an_emptied_broker_loses_and_duplicates_nothing,
    a_server_that_returns_finds_each_frame_once,
    a_restarted_server_has_its_state,
    a_queue_has_one_server,
    garbage_and_wrong_types_do_not_stop_the_server,
    a_full_window_drops_and_counts_or_waits,
    a_broker_that_dies_when_all_is_sent_is_found_again,
    a_duplicate_frame_after_a_checkpoint_is_dropped,
    a_worker_continues_with_a_server_on_another_directory,
}

/// A waiting caller does the I/O inline; a broker that does not answer must not hold it beyond its
/// timeout.
#[test]
fn a_caller_times_out_when_the_broker_hangs() {
    const TIME: Duration = Duration::from_secs(1);
    let mut redis = RedisServer::start();
    let dir = tempfile::tempdir().unwrap();
    let server = serve(&redis.address(), dir.path());
    let client = connect(&redis.address());
    let count = || client.call::<_, u64>("count", &[(); 0]);
    for _ in 0..100 {
        assert_eq!(count().get_timeout(DEADLINE), Ok(Some(0)));
    }
    redis.signal(Signal::STOP);
    let (future, since) = (count(), Instant::now());
    assert_eq!(future.get_timeout(TIME), Ok(None));
    // The client's threads wait 5 s for an answer of the broker.
    assert!(since.elapsed() < 3 * TIME, "{:?}", since.elapsed());
    redis.signal(Signal::CONT);
    assert_eq!(future.get_timeout(DEADLINE), Ok(Some(0)));
    server.stop_in_time().unwrap();
}
