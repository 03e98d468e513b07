//! Files and frames of an older commit (`fixtures/v0`): the code of today recovers, drains, decodes
//! and reads them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use remotecall::{CallError, Client, RemoteCall, RemoteError, RemoteFuture, remote};
use serde::Deserialize;
use serde_json::{Value, json};
use tensorplex::tfevents::{EventView, PayloadView, RecordReader};
use tensorplex_tests::{
    BoundedOutput, BoundedStop, Broker, DEADLINE, Process, RedisServer, TestServer, own_program, program,
    wait_for,
};

/// Files below a directory, by their relative path.
type Tree = BTreeMap<PathBuf, Vec<u8>>;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/v0")
        .join(name)
}

fn read_json<T: for<'a> Deserialize<'a>>(name: &str) -> T {
    let text = std::fs::read_to_string(fixture(name)).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// A copy that a test may write to.
fn copy_of(name: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let source = fixture(name).join(".");
    let mut copy = Command::new("cp");
    let copied = copy.arg("-r").arg(source).arg(dir.path()).output_in_time();
    assert!(copied.status.success(), "{copied:?}");
    dir
}

/// The files that readers see: all but those in `.tensorplex`.
fn visible_files(root: &Path) -> Tree {
    let mut found = Tree::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if !path.is_dir() {
                let name = path.strip_prefix(root).unwrap().to_owned();
                found.insert(name, std::fs::read(&path).unwrap());
            } else if !path.ends_with(".tensorplex") {
                directories.push(path);
            }
        }
    }
    found
}

#[track_caller]
fn assert_same_files(found: &Tree, expected: &Tree) {
    assert_eq!(
        found.keys().collect::<Vec<_>>(),
        expected.keys().collect::<Vec<_>>()
    );
    for (path, bytes) in found {
        assert!(bytes == &expected[path], "{} differs", path.display());
    }
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks_exact(2);
    digits
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// Header fields of a frame that a test needs.
fn producer_and_seq(frame: &[u8]) -> (String, u64) {
    let producer = frame[5..21].iter().map(|byte| format!("{byte:02x}")).collect();
    (producer, u64::from_le_bytes(frame[21..29].try_into().unwrap()))
}

fn send_frames(redis: &RedisServer, queue: &str, frames: &[Vec<u8>]) {
    for frame in frames {
        let mut add = redis::cmd("XADD");
        add.arg(format!("rc:{{{queue}.0}}:in"))
            .arg("*")
            .arg("f")
            .arg(frame);
        // Producers of the fixtures are at work: their older frames went to another server.
        add.arg("a").arg(producer_and_seq(frame).1 - 1);
        add.exec(&mut redis.connection()).unwrap();
    }
}

/// The field `f` of each entry of a stream.
fn entries(redis: &RedisServer, stream: &str) -> Vec<Vec<u8>> {
    let mut range = redis::cmd("XRANGE");
    range.arg(stream).arg("-").arg("+");
    let entries: Vec<(String, BTreeMap<String, Vec<u8>>)> = range.query(&mut redis.connection()).unwrap();
    let fields = entries
        .into_iter()
        .filter_map(|(_, mut fields)| fields.remove("f"));
    fields.collect()
}

fn wait_for_ack(redis: &RedisServer, queue: &str, frame: &[u8]) {
    let (producer, seq) = producer_and_seq(frame);
    wait_for("the ack of an older frame", || {
        let mut get = redis::cmd("HGET");
        get.arg(format!("rc:{{{queue}.0}}:ack")).arg(&producer);
        let acked: Option<u64> = get.query(&mut redis.connection()).unwrap();
        (acked? >= seq).then_some(())
    });
}

#[test]
fn a_log_directory_of_a_killed_older_server_is_recovered_to_the_same_bytes() {
    let logdir = copy_of("killed/logdir");
    let expected = visible_files(&fixture("killed/recovered"));
    assert_ne!(
        visible_files(logdir.path()),
        expected,
        "the fixture has nothing to recover"
    );
    let options: Vec<String> = read_json("killed/server_options.json");
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let mut server = TestServer::start_in(&Broker::Embedded, logdir.path(), &options);
    server.kill();
    assert_same_files(&visible_files(logdir.path()), &expected);
    // It also goes on from there, and saves a checkpoint of its own.
    server.restart();
    let client = Client::connect(server.address(), tensorplex::QUEUE, "agent/1").unwrap();
    client.send("add_scalar", &("loss", 0.5, Some(40)));
    client.close(DEADLINE).unwrap();
    server.stop();
    let doctor = Command::new(program("tensorplex"))
        .arg("doctor")
        .arg(logdir.path())
        .output_in_time();
    assert!(doctor.status.success(), "{doctor:?}");
}

#[test]
fn the_spool_of_an_older_worker_is_drained() {
    let spool = copy_of("spool/spool");
    let mut server = TestServer::start_with_options(&Broker::Embedded, &["--time-zone", "UTC"]);
    let drained = Command::new(program("tensorplex"))
        .arg("drain")
        .arg(spool.path())
        .args(["--redis", server.address()])
        .output_in_time();
    assert!(drained.status.success(), "{drained:?}");
    assert!(visible_files(spool.path()).is_empty(), "the spool is left");
    server.stop();
    // An event file is named after the server that made it.
    let by_directory = |tree: Tree| -> Vec<(PathBuf, Vec<u8>)> {
        let files = tree.into_iter();
        files
            .map(|(path, bytes)| (path.parent().unwrap().to_owned(), bytes))
            .collect()
    };
    assert_eq!(
        by_directory(visible_files(server.logdir())),
        by_directory(visible_files(&fixture("spool/drained")))
    );
}

#[test]
fn the_journal_of_an_older_object_is_replayed() {
    let (dir, redis) = (copy_of("counter"), RedisServer::start());
    let mut command = Command::new(own_program("test-counter"));
    command.arg("serve").arg(dir.path()).arg(redis.address());
    let _server = Process::start(command.stdout(Stdio::null()));
    let client = Client::connect(&redis.address(), "remotecall", "client/1").unwrap();
    let count: RemoteFuture<u64> = client.call("count", &[(); 0]);
    assert_eq!(count.get_timeout(DEADLINE).unwrap(), Some(300));
}

/// Frames of one shape, and the calls that they hold: method, positional and named arguments.
#[derive(Deserialize)]
struct Sent {
    name: String,
    frames: Vec<String>,
    calls: Vec<(String, Vec<Value>, BTreeMap<String, Value>)>,
}

/// Collects the calls that reach it; an argument that is left out is null.
#[derive(Default)]
struct Collector(Vec<(String, Vec<Value>)>);

#[remote]
impl Collector {
    #[allow(clippy::many_single_char_names)]
    pub fn note(
        &mut self,
        a: Value,
        #[default(Value::Null)] b: Value,
        #[default(Value::Null)] c: Value,
        #[default(Value::Null)] d: Value,
        #[default(Value::Null)] e: Value,
        #[default(Value::Null)] f: Value,
    ) {
        self.0.push(("note".to_owned(), vec![a, b, c, d, e, f]));
    }

    pub fn other(&mut self, #[default(Value::Null)] a: Value, #[default(Value::Null)] b: Value) {
        self.0.push(("other".to_owned(), vec![a, b]));
    }

    /// Returns the calls so far, and forgets them.
    pub fn take(&mut self) -> Vec<(String, Vec<Value>)> {
        std::mem::take(&mut self.0)
    }
}

/// The arguments as [`Collector`] collects them.
fn by_position(
    (method, mut args, named): (String, Vec<Value>, BTreeMap<String, Value>),
) -> (String, Vec<Value>) {
    let count = if method == "note" { 6 } else { 2 };
    args.resize(count, Value::Null);
    for (name, value) in named {
        let position = usize::from(name.as_bytes()[0] - b'a');
        args[position] = value;
    }
    (method, args)
}

#[test]
fn older_frames_decode_to_the_calls_that_were_made() {
    let redis = RedisServer::start();
    let server = RemoteCall::new(Collector::default()).queue("fixture");
    let server = server.start(&redis.address()).unwrap();
    let client = CollectorClient::connect(&redis.address(), "fixture", "test/1").unwrap();
    for sent in read_json::<Vec<Sent>>("frames.json") {
        let frames: Vec<Vec<u8>> = sent.frames.iter().map(|frame| unhex(frame)).collect();
        send_frames(&redis, "fixture", &frames);
        wait_for_ack(&redis, "fixture", frames.last().unwrap());
        let found = client.take().get_timeout(DEADLINE).unwrap().expect("an answer");
        let expected: Vec<_> = sent.calls.into_iter().map(by_position).collect();
        assert_eq!(found, expected, "{}", sent.name);
    }
    server.stop_in_time().unwrap();
}

/// Calls with futures, and how an older server answered them.
#[derive(Deserialize)]
struct Answered {
    calls: Vec<String>,
    frames: Vec<String>,
    replies: String,
}

/// Splits replies into (frame, index, status, value).
fn split_replies(mut bytes: &[u8]) -> Vec<(u64, u32, u8, Vec<u8>)> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let (header, rest) = bytes.split_at(17);
        let seq = u64::from_le_bytes(header[..8].try_into().unwrap());
        let index = u32::from_le_bytes(header[8..12].try_into().unwrap());
        let length = u32::from_le_bytes(header[13..].try_into().unwrap()) as usize;
        let (value, rest) = rest.split_at(length);
        found.push((seq, index, header[12], value.to_vec()));
        bytes = rest;
    }
    found
}

#[test]
fn a_server_answers_older_frames_with_the_same_bytes() {
    let (redis, answered) = (RedisServer::start(), read_json::<Answered>("replies.json"));
    let frames: Vec<Vec<u8>> = answered.frames.iter().map(|frame| unhex(frame)).collect();
    let (producer, _) = producer_and_seq(&frames[0]);
    let replies = format!("rc:{{r.{producer}}}:out");
    redis.command(&["XADD", &replies, "*", "f", ""]);
    send_frames(&redis, "peer", &frames);
    let mut command = Command::new(own_program("test-peer"));
    command.args(["serve", &redis.address(), "peer"]);
    let _server = Process::start(command.stderr(Stdio::null()));
    wait_for_ack(&redis, "peer", frames.last().unwrap());
    let found = entries(&redis, &replies).concat();
    let (found, expected) = (split_replies(&found), split_replies(&unhex(&answered.replies)));
    assert_eq!(found.len(), answered.calls.len());
    // The last two say in words what is wrong with an argument, and how late the call came.
    let fixed = found.len() - 2;
    assert_eq!(found[..fixed], expected[..fixed]);
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!((found.0, found.1, found.2), (expected.0, expected.1, expected.2));
    }
}

#[test]
fn a_client_decodes_the_replies_of_an_older_server() {
    let (redis, answered) = (RedisServer::start(), read_json::<Answered>("replies.json"));
    let client = Client::connect(&redis.address(), "peer", "agent/1").unwrap();
    let mut futures: Vec<RemoteFuture<Value>> = Vec::new();
    for (number, method) in (1..).zip(&answered.calls) {
        futures.push(client.call(method, &(1,)));
        wait_for("a frame for each call", || {
            let length: u64 = redis::cmd("XLEN")
                .arg("rc:{peer.0}:in")
                .query(&mut redis.connection())
                .unwrap();
            (length == number).then_some(())
        });
    }
    let (producer, _) = producer_and_seq(&entries(&redis, "rc:{peer.0}:in")[0]);
    redis::cmd("XADD")
        .arg(format!("rc:{{r.{producer}}}:out"))
        .arg(&["*", "f"])
        .arg(unhex(&answered.replies))
        .exec(&mut redis.connection())
        .unwrap();
    redis::cmd("HSET")
        .arg("rc:{peer.0}:ack")
        .arg(&producer)
        .arg(answered.calls.len())
        .exec(&mut redis.connection())
        .unwrap();
    let mut results = futures
        .into_iter()
        .map(|future| future.get_timeout(DEADLINE).transpose().expect("an answer"));
    let mut next = || results.next().unwrap();
    let raised = |result| match result {
        Err(RemoteError::Call(error)) => error,
        other => panic!("{other:?}"),
    };
    assert_eq!(next(), Ok(json!(5)));
    assert_eq!(next(), Ok(json!(45)));
    assert_eq!(
        next(),
        Ok(json!({"got": [1u64 << 40, 0.5, "é2", [true, null], {"k": [1, -2]}]}))
    );
    assert!(matches!(raised(next()), CallError::Raised { kind, .. } if kind.contains("ParseIntError")));
    assert_eq!(next(), Ok(json!(17)));
    assert!(matches!(raised(next()), CallError::Panicked(text) if text == "on purpose"));
    assert!(matches!(raised(next()), CallError::UnknownMethod(name) if name == "unknown"));
    assert!(matches!(raised(next()), CallError::BadArgument { .. }));
    assert!(matches!(raised(next()), CallError::DeadlineExceeded { .. }));
}

/// Tag and step of every value in the event files of one directory.
fn values_in(dir: &Path) -> Vec<(String, i64)> {
    let files = visible_files(dir).into_iter();
    let files = files.filter(|(path, _)| path.parent() == Some(Path::new("")));
    let mut found = Vec::new();
    for (_, bytes) in files {
        let mut reader = RecordReader::new(bytes.as_slice());
        while let Some(record) = reader.next_record().unwrap() {
            let event = EventView::parse(&record).unwrap();
            if let PayloadView::Summary(summary) = event.content {
                let tags = summary.values().map(|value| value.unwrap().tag.to_owned());
                found.extend(tags.map(|tag| (tag, event.step)));
            }
        }
    }
    found
}

#[test]
fn older_event_files_of_every_kind_of_record_are_read() {
    type Kinds = BTreeMap<String, BTreeMap<String, Vec<(String, String, i64)>>>;
    let kinds: Kinds = read_json("records/expected.json");
    for (kind, runs) in &kinds {
        for (run, values) in runs {
            let expected: Vec<(String, i64)> =
                values.iter().map(|(tag, _, step)| (tag.clone(), *step)).collect();
            assert_eq!(
                values_in(&fixture("records").join(kind).join(run)),
                expected,
                "{kind}"
            );
        }
    }
    let run = |command: &str| {
        let mut tensorplex = Command::new(program("tensorplex"));
        let output = tensorplex.arg(command).arg(fixture("records")).output_in_time();
        assert!(output.status.success(), "{output:?}");
        output.stdout
    };
    let exported = std::fs::read(fixture("records/exported.csv")).unwrap();
    assert!(run("export") == exported, "tensorplex export differs");
    run("doctor");
}
