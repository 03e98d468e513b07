//! Hostile input in the broker: ids that lead out of the directory, garbage, keys of another type.
//! The server refuses and counts all of it, logs each cause once, goes on, and accepts valid
//! records.

use std::collections::BTreeSet;
use std::path::Path;

use redis::ConnectionLike;
use tensorplex::Writer;
use tensorplex_tests::{Broker, DEADLINE, RawFrame, TestServer, summary, wait_for};

const INPUT: &str = "rc:{tensorplex.0}:in";
const ACKS: &str = "rc:{tensorplex.0}:ack";
const LEASE: &str = "rc:{tensorplex.0}:lease";
const WRONG_TYPE: &str = "key of a wrong type";

fn hostile_ids() -> Vec<String> {
    let mut ids: Vec<String> = [
        "",
        ".",
        "..",
        "../x",
        "a/../../x",
        "/etc/x",
        "a//b",
        "a/",
        "a\0b",
        "a\nINFO forged",
        "a\x1b[2J",
        "a\u{9b}2J",
        "a\u{202e}b",
        "a\\b",
        "C:x",
        "~",
        "🦀",
        ".tensorplex/x",
        ".hidden",
    ]
    .map(str::to_owned)
    .into();
    ids.push("x".repeat(4096));
    ids.push("x/".repeat(2047) + "x");
    ids
}

fn connect(server: &TestServer) -> redis::Connection {
    let address = server.address();
    let url = match address.contains("://") {
        true => address.to_owned(),
        false => format!("redis://{address}"),
    };
    let client = redis::Client::open(url).unwrap();
    let connection = client.get_connection_with_timeout(DEADLINE).unwrap();
    connection.set_read_timeout(Some(DEADLINE)).unwrap();
    connection
}

fn run(connection: &mut impl ConnectionLike, words: &[&str]) {
    let mut command = redis::cmd(words[0]);
    for word in &words[1..] {
        command.arg(*word);
    }
    command
        .exec(connection)
        .unwrap_or_else(|error| panic!("{words:?}: {error}"));
}

/// Checks that a valid record is still visible after a flush.
#[track_caller]
fn a_good_client_is_served(server: &TestServer, step: i64) {
    let log = Writer::connect(server.address(), "good/0").unwrap();
    log.scalar("loss", 0.5, step);
    log.flush(DEADLINE).unwrap();
}

/// Checks that the server warned of each cause, and that the log has no control sequences.
#[track_caller]
fn check_log(server: &TestServer, causes: &[&str]) {
    let log = server.log();
    let obeyed = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    assert!(!log.contains(obeyed), "{log:?}");
    // A hash of acks that somebody deletes looks like a broker that lost its data.
    let is_refusal = |line: &&str| !line.contains(" INFO ") && !line.contains("went back to an older state");
    let lines: Vec<_> = log.lines().filter(is_refusal).collect();
    for cause in causes {
        let cause = format!("cause=\"{cause}\"");
        let told = lines.iter().filter(|line| line.contains(&cause)).count();
        assert_eq!(told, 1, "{cause}: {log}");
    }
    assert_eq!(lines.len(), causes.len(), "{log}");
}

/// Waits until the server has logged this number of refusals.
#[track_caller]
fn check_count(server: &TestServer, refused: usize) {
    wait_for(&format!("refused={refused} in the server's log"), || {
        let log = server.log();
        let last = log.lines().rev().find_map(|line| line.split_once(" refused="))?;
        (last.1.parse() == Ok(refused)).then_some(())
    });
}

/// All files, relative to `dir`.
fn files(dir: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    walk(dir, "", &mut found);
    found
}

fn walk(dir: &Path, prefix: &str, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().into_string().unwrap());
        match entry.file_type().unwrap().is_dir() {
            true => {
                found.insert(format!("{name}/"));
                walk(&entry.path(), &format!("{name}/"), found);
            }
            false => drop(found.insert(name)),
        }
    }
}

/// Checks that the log directory has exactly these files of clients, and its parent nothing else.
#[track_caller]
fn check_files(server: &TestServer, clients: &[&str]) {
    let private = ["runs/", "runs/.tensorplex/", "runs/logs/"].map(str::to_owned);
    let mut expected = BTreeSet::from(private);
    expected.extend(clients.iter().map(|&name| name.to_owned()));
    let mut found = BTreeSet::new();
    for name in files(server.outside()) {
        let is_private = ["tensorplex/", "loggerplex/"]
            .iter()
            .any(|queue| name.starts_with(&format!("runs/.tensorplex/{queue}")));
        if is_private {
            continue;
        }
        // The name of an event file contains time and host.
        found.insert(match name.split_once("events.out.tfevents") {
            Some((run, _)) => format!("{run}events"),
            None => name,
        });
    }
    assert_eq!(found, expected);
    assert!(!Path::new("/etc/x").exists());
}

fn hostile_ids_leave_nothing_behind(broker: &Broker) {
    let mut server = TestServer::start(broker);
    let mut connection = connect(&server);
    let ids = hostile_ids();
    // Hostile and valid calls share a frame, which is sent before and after a restart.
    let mut frame = RawFrame::new([1; 16], 1, 1_500_000_000_000_000_000);
    for (step, id) in (0_i64..).zip(&ids) {
        frame.call(id, "add_scalar", &("loss", 0.5, step));
        frame.call("good/1", "add_scalar", &("loss", step as f64, step));
    }
    frame.call("logs/x", "add_scalar", &("loss", 0.5, 0));
    frame.send(&mut connection, "tensorplex");
    frame.wait_for_ack(&mut connection, "tensorplex");
    a_good_client_is_served(&server, 0);
    check_log(&server, &["bad client id", "error of the object"]);
    check_count(&server, ids.len() + 1);

    server.stop();
    let good = ["runs/good/", "runs/good/0/", "runs/good/1/"];
    let events = ["runs/good/0/events", "runs/good/1/events"];
    check_files(&server, &[&good[..], &events].concat());
    let seen = summary(server.logdir());
    for runs in [&seen.rust, &seen.python] {
        assert_eq!(runs.keys().collect::<Vec<_>>(), ["good/0", "good/1"]);
        assert_eq!(runs["good/1"]["loss"].count, ids.len() as u64);
    }
}

#[test]
fn hostile_ids_leave_nothing_behind_through_redis() {
    hostile_ids_leave_nothing_behind(&Broker::redis());
}

#[test]
fn hostile_ids_leave_nothing_behind_through_the_embedded_broker() {
    hostile_ids_leave_nothing_behind(&Broker::Embedded);
}

#[test]
fn hostile_ids_have_no_log_file() {
    let broker = Broker::redis();
    let mut server = TestServer::start(&broker);
    let mut connection = connect(&server);
    let mut frame = RawFrame::new([1; 16], 1, 1_500_000_000_000_000_000);
    for id in &hostile_ids() {
        frame.call(id, "info", &("forged",));
    }
    frame.call("a.log/x", "info", &("in the way of a file",));
    frame.call("good/0", "info", &("good",));
    frame.send(&mut connection, "loggerplex");
    frame.wait_for_ack(&mut connection, "loggerplex");
    check_log(&server, &["bad client id", "error of the object"]);
    server.stop();
    check_files(&server, &["runs/logs/good/", "runs/logs/good/0.log"]);
    let text = std::fs::read_to_string(server.logdir().join("logs/good/0.log")).unwrap();
    assert!(text.ends_with(" INFO> good\n"), "{text}");
}

/// Adds an entry to the stream.
fn add(connection: &mut impl ConnectionLike, field: &str, value: &[u8]) {
    redis::cmd("XADD")
        .arg(INPUT)
        .arg("*")
        .arg(field)
        .arg(value)
        .exec(connection)
        .unwrap();
}

fn garbage_is_counted_and_skipped(broker: &Broker) {
    let mut server = TestServer::start(broker);
    let mut connection = connect(&server);
    let mut frame = RawFrame::new([1; 16], 1, 1_500_000_000_000_000_000);
    frame.call("good/1", "add_scalar", &("loss", 0.5, 7));
    let bytes = frame.bytes();

    for _ in 0..2 {
        // 2 entries without a frame, 3 that are not a frame.
        add(&mut connection, "g", &bytes);
        add(&mut connection, "", b"");
        for text in [&b""[..], b"hello", b"\x80\x04\x95pickle \x1b[2J\n"] {
            add(&mut connection, "f", text);
        }
        // 2 frames of another version, by their magic.
        add(&mut connection, "f", &frame.bytes_with(*b"RCF1", 0x80, b""));
        add(&mut connection, "f", &frame.bytes_with(*b"RCF2", 0, b""));
        // A frame with each byte damaged once.
        for at in 5..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x40;
            add(&mut connection, "f", &damaged);
        }
        for length in 4..bytes.len() {
            add(&mut connection, "f", &bytes[..length]);
        }
    }
    a_good_client_is_served(&server, 0);
    // The undamaged frame is accepted; then follows a valid header with a body of noise.
    frame.send(&mut connection, "tensorplex");
    frame.wait_for_ack(&mut connection, "tensorplex");
    frame.seq = 2;
    for body in [&[0xff; 40][..], b"\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"] {
        add(&mut connection, "f", &frame.bytes_with(*b"RCF1", 0, body));
        frame.wait_for_ack(&mut connection, "tensorplex");
        frame.seq += 1;
    }
    // Calls with unknown methods or wrong arguments.
    let mut calls = RawFrame::new([2; 16], 1, 1_500_000_000_000_000_000);
    for _ in 0..2 {
        calls.call("good/1", "no\x1b_such", &());
        calls.call("good/1", "add_scalar", &("loss", "high"));
        calls.call("good/1", "add_scalar", &("loss", 0.25, 8, 1.5, "one too many"));
    }
    calls.call("good/1", "add_scalar", &("loss", 0.25, 8));
    calls.send(&mut connection, "tensorplex");
    calls.wait_for_ack(&mut connection, "tensorplex");
    let garbage = 2 * (2 + 3 + 2 + (bytes.len() - 5) + (bytes.len() - 4));
    check_count(&server, garbage + 2 + 6);
    server.stop();

    let causes = [
        "entry without a frame",
        "not a frame",
        "frame of an unknown version",
        "frame with a wrong checksum",
        "unreadable frame body",
        "unknown method",
        "bad argument",
    ];
    check_log(&server, &causes);
    let seen = summary(server.logdir());
    for runs in [&seen.rust, &seen.python] {
        let loss = &runs["good/1"]["loss"];
        assert_eq!((loss.count, loss.first, loss.last), (2, Some(7), Some(8)));
        assert_eq!(runs["good/0"]["loss"].count, 1);
        assert_eq!(runs.len(), 2);
    }
}

#[test]
fn garbage_is_counted_and_skipped_through_redis() {
    garbage_is_counted_and_skipped(&Broker::redis());
}

#[test]
fn garbage_is_counted_and_skipped_through_the_embedded_broker() {
    garbage_is_counted_and_skipped(&Broker::Embedded);
}

fn key_type(connection: &mut impl ConnectionLike, key: &str) -> String {
    redis::cmd("TYPE").arg(key).query(connection).unwrap()
}

fn keys_of_another_type_are_deleted(broker: &Broker) {
    let mut server = TestServer::start(broker);
    let mut connection = connect(&server);
    a_good_client_is_served(&server, 0);
    for (round, key) in (1..).zip([INPUT, ACKS, LEASE]) {
        run(&mut connection, &["DEL", key]);
        match key {
            LEASE => run(&mut connection, &["HSET", key, "a", "b"]),
            _ => run(&mut connection, &["SET", key, "garbage"]),
        }
        a_good_client_is_served(&server, round);
        wait_for(&format!("{key} to be as it was"), || {
            let now = key_type(&mut connection, key);
            let good = ["stream", "hash", "string"][round as usize - 1];
            (now == good).then_some(())
        });
    }
    // The client makes the key for replies, so garbage there harms that client only.
    let reply = format!("rc:{{r.{}}}:out", "07".repeat(16));
    run(&mut connection, &["SET", &reply, "garbage"]);
    let mut frame = RawFrame::new([7; 16], 1, 1_500_000_000_000_000_000);
    frame.call_at(
        1_500_000_000_000_000_000,
        1,
        "good/1",
        "add_scalar",
        &("loss", 0.5, 0),
    );
    frame.send(&mut connection, "tensorplex");
    frame.wait_for_ack(&mut connection, "tensorplex");
    a_good_client_is_served(&server, 4);

    check_count(&server, 3);
    server.stop();
    check_log(&server, &[WRONG_TYPE]);
    let seen = summary(server.logdir());
    for runs in [&seen.rust, &seen.python] {
        let loss = &runs["good/0"]["loss"];
        assert_eq!((loss.count, loss.last, loss.increasing), (5, Some(4), true));
        assert_eq!(runs["good/1"]["loss"].count, 1);
    }
}

#[test]
fn keys_of_another_type_are_deleted_through_redis() {
    keys_of_another_type_are_deleted(&Broker::redis());
}

#[test]
fn keys_of_another_type_are_deleted_through_the_embedded_broker() {
    keys_of_another_type_are_deleted(&Broker::Embedded);
}

/// All keys of the server hold garbage before it starts.
#[test]
fn a_server_starts_with_keys_of_another_type() {
    let broker = Broker::redis();
    let Broker::Redis(redis) = &broker else {
        unreachable!()
    };
    for key in [INPUT, ACKS, LEASE] {
        redis.command(&["RPUSH", key, "garbage"]);
    }
    let mut server = TestServer::start(&broker);
    a_good_client_is_served(&server, 0);
    server.stop();
    check_log(&server, &[WRONG_TYPE]);
    assert_eq!(summary(server.logdir()).rust["good/0"]["loss"].count, 1);
}
