//! Records that a client with a spool has accepted survive its worker, with or without broker and
//! server.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use prost::Message;
use remotecall::{Client, ClientOptions, DrainOutcome, WhenFull};
use rustix::process::Signal;
use tensorplex::tfevents::RecordReader;
use tensorplex::tfevents::messages::{Datum, Event, EventPayload};
use tensorplex_tests::chaos::{Progress, value};
use tensorplex_tests::{
    BoundedOutput, Broker, DEADLINE, Process, RedisServer, TestServer, own_program, program, wait_for,
};

/// Worker of the chaos harness; it records until it is killed or its input ends.
struct Worker {
    process: Process,
    progress: tempfile::NamedTempFile,
}

impl Worker {
    fn start(address: &str, id: &str, life: u64, spool: &Path) -> Self {
        Self::start_in(&[], address, id, life, spool)
    }

    /// Starts a worker through another program, which sets limits.
    fn start_in(by: &[&str], address: &str, id: &str, life: u64, spool: &Path) -> Self {
        let progress = tempfile::NamedTempFile::new().unwrap();
        let worker = own_program("test-chaos-worker");
        let mut command = match by.split_first() {
            None => Command::new(worker),
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments).arg(worker);
                command
            }
        };
        command.args([address, id, &life.to_string()]);
        command.arg(progress.path()).arg(spool);
        command.stdin(Stdio::piped());
        Self {
            process: Process::start(&mut command),
            progress,
        }
    }

    fn progress(&self) -> Progress {
        Progress::read(self.progress.path())
    }

    /// Kills the worker when it has accepted `accepted` numbers.
    fn kill_after(mut self, accepted: u64) -> Progress {
        wait_for("the worker to accept enough", || {
            (self.progress().accepted >= accepted).then_some(())
        });
        self.process.kill();
        self.progress()
    }

    /// Ends the worker's input; the worker delivers everything and ends.
    fn end(mut self) -> Progress {
        wait_for("the worker to start", || {
            (self.progress().accepted > 0).then_some(())
        });
        drop(self.process.child().stdin.take());
        assert!(self.process.wait().success(), "it could not deliver");
        self.progress()
    }
}

fn drain(spool: &Path, options: &[&str]) -> Output {
    let mut command = Command::new(program("tensorplex"));
    command.arg("drain").arg(spool).args(options);
    let output = command.env_remove("TENSORPLEX_URL").output_in_time();
    eprintln!("drain: {}", String::from_utf8_lossy(&output.stdout));
    output
}

/// Numbers of one life under `id`, in the order of the files.
fn records(logdir: &Path, id: &str, life: u64) -> Vec<i64> {
    let mut files: Vec<_> = std::fs::read_dir(logdir.join(id))
        .map(|entries| entries.map(|entry| entry.unwrap().path()).collect())
        .unwrap_or_default();
    files.sort();
    let mut found = Vec::new();
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        let mut reader = RecordReader::new(bytes.as_slice());
        while let Some(record) = reader.next_record().unwrap() {
            let event = Event::decode(record.as_slice()).unwrap();
            let Some(EventPayload::Summary(summary)) = event.what else {
                continue;
            };
            for scalar in summary.value.iter().filter(|it| it.tag == life.to_string()) {
                let Some(Datum::SimpleValue(number)) = scalar.value else {
                    panic!("a scalar")
                };
                assert_eq!(number as u32, value(life, event.step as u64));
                found.push(event.step);
            }
        }
    }
    found
}

fn lines(logdir: &Path, id: &str, life: u64) -> Vec<i64> {
    let text = std::fs::read_to_string(logdir.join(format!("logs/{id}.log"))).unwrap_or_default();
    let words = text.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    words
        .filter(|words| words[2] == life.to_string())
        .map(|words| words[3].parse().unwrap())
        .collect()
}

/// Checks that every accepted number is present once and in order; numbers in submission may be
/// present.
#[track_caller]
fn all_there(logdir: &Path, id: &str, life: u64, progress: Progress) {
    for (kind, list) in [
        ("record", records(logdir, id, life)),
        ("line", lines(logdir, id, life)),
    ] {
        let expected: Vec<i64> = (0..list.len() as i64).collect();
        assert_eq!(list, expected, "{kind}s of life {life}");
        let count = list.len() as u64;
        assert!(
            (progress.accepted..=progress.submitted).contains(&count),
            "{count} {kind}s of life {life}, {progress:?}"
        );
    }
}

fn is_empty(dir: &Path) -> bool {
    std::fs::read_dir(dir).unwrap().next().is_none()
}

fn on_both(test: fn(&Broker)) {
    test(&Broker::Redis(RedisServer::start()));
    test(&Broker::Embedded);
}

#[test]
fn the_next_worker_delivers_the_recovered_spool_first() {
    on_both(|broker| {
        let (mut server, spool) = (TestServer::start(broker), tempfile::tempdir().unwrap());
        let address = server.address().to_owned();
        // The server is up, then down (with an embedded broker), then paused.
        let first = Worker::start(&address, "agent/0", 0, spool.path()).kill_after(100);
        server.kill();
        let second = Worker::start(&address, "agent/0", 1, spool.path()).kill_after(100);
        server.restart();
        server.signal(Signal::STOP);
        let third = Worker::start(&address, "agent/0", 2, spool.path()).kill_after(100);
        server.signal(Signal::CONT);
        let last = Worker::start(&address, "agent/0", 3, spool.path()).end();
        for (life, progress) in (0..).zip([first, second, third, last]) {
            all_there(server.logdir(), "agent/0", life, progress);
        }
        // Lives follow each other in the log, because a worker delivers the recovered spool first.
        let log = std::fs::read_to_string(server.logdir().join("logs/agent/0.log")).unwrap();
        let lives: Vec<&str> = log.lines().map(|line| line.split(' ').nth(2).unwrap()).collect();
        assert!(lives.is_sorted(), "{lives:?}");
        assert!(is_empty(spool.path()), "everything is acknowledged");
        server.stop();
    });
}

#[test]
fn drain_delivers_spools_without_a_worker() {
    on_both(|broker| {
        let (mut server, spool) = (TestServer::start(broker), tempfile::tempdir().unwrap());
        let address = server.address().to_owned();
        server.kill();
        let ids = ["agent/0", "agent/1"];
        let progress_files: Vec<Progress> = (0..)
            .zip(ids)
            .map(|(life, id)| Worker::start(&address, id, life, spool.path()).kill_after(50))
            .collect();
        // Without a server nothing is lost, and the exit code says so.
        let failed = drain(spool.path(), &["--timeout", "200ms"]);
        assert_eq!(failed.status.code(), Some(1));
        assert!(!is_empty(spool.path()));
        server.restart();
        let drained = drain(spool.path(), &[]);
        assert_eq!(drained.status.code(), Some(0));
        let said = String::from_utf8_lossy(&drained.stdout).into_owned();
        assert_eq!(
            said.lines()
                .filter(|line| line.contains("calls delivered"))
                .count(),
            4,
            "{said}"
        );
        for (life, (id, progress)) in (0..).zip(ids.into_iter().zip(progress_files)) {
            all_there(server.logdir(), id, life, progress);
        }
        assert!(is_empty(spool.path()));
        assert_eq!(
            drain(spool.path(), &[]).status.code(),
            Some(0),
            "there is nothing left"
        );
        assert_eq!(drain(&spool.path().join("no"), &[]).status.code(), Some(2));
        server.stop();
    });
}

/// The server has all frames, Redis has lost the acknowledgements, and the spool still has the
/// frames.
#[test]
fn frames_delivered_without_acknowledgement_are_not_duplicated() {
    let mut redis = RedisServer::start();
    let broker = Broker::Redis(redis);
    let (mut server, spool) = (TestServer::start(&broker), tempfile::tempdir().unwrap());
    let address = server.address().to_owned();
    let copy = tempfile::tempdir().unwrap();
    let worker = Worker::start(&address, "agent/0", 0, spool.path());
    wait_for("a confirmed record", || {
        (worker.progress().records > 20).then_some(())
    });
    let progress = worker.kill_after(100);
    // The copy is delivered a second time below.
    let copied = Command::new("cp")
        .arg("-r")
        .arg(spool.path())
        .arg(copy.path().join("spool"))
        .output_in_time();
    assert!(copied.status.success(), "{copied:?}");
    assert_eq!(drain(spool.path(), &[]).status.code(), Some(0));
    server.kill();
    let Broker::Redis(back) = broker else {
        unreachable!()
    };
    redis = back;
    redis.kill_and_restart();
    server.restart();
    assert_eq!(drain(&copy.path().join("spool"), &[]).status.code(), Some(0));
    all_there(server.logdir(), "agent/0", 0, progress);
    server.stop();
}

#[test]
fn two_processes_share_a_directory_and_each_has_a_spool_of_its_own() {
    let (mut server, spool) = (TestServer::start(&Broker::Embedded), tempfile::tempdir().unwrap());
    let address = server.address().to_owned();
    server.kill();
    let first = Worker::start(&address, "agent/0", 0, spool.path());
    wait_for("the first worker", || {
        (first.progress().accepted > 10).then_some(())
    });
    let second = Worker::start(&address, "agent/0", 1, spool.path());
    wait_for("the second worker", || {
        (second.progress().accepted > 10).then_some(())
    });
    assert_eq!(
        std::fs::read_dir(spool.path()).unwrap().count(),
        4,
        "two queues each"
    );
    // Running workers keep their spools.
    let living = drain(spool.path(), &["--timeout", "100ms"]);
    assert_eq!(living.status.code(), Some(0));
    assert_eq!(
        String::from_utf8_lossy(&living.stdout).matches("in use").count(),
        4
    );
    let first = first.kill_after(50);
    server.restart();
    let third = Worker::start(&address, "agent/0", 2, spool.path());
    let (second, third) = (second.end(), third.end());
    for (life, progress) in (0..).zip([first, second, third]) {
        all_there(server.logdir(), "agent/0", life, progress);
    }
    assert!(is_empty(spool.path()));
    server.stop();
}

/// The file size is limited to 8 blocks of 512 bytes. SIGXFSZ is ignored, so that a write fails as
/// on a full disk.
#[test]
fn on_a_full_disk_the_worker_continues_and_spooled_calls_are_delivered() {
    let (mut server, spool) = (TestServer::start(&Broker::Embedded), tempfile::tempdir().unwrap());
    let address = server.address().to_owned();
    server.kill();
    let limited = ["sh", "-c", "trap '' XFSZ; ulimit -f 8; exec \"$@\"", "sh"];
    let worker = Worker::start_in(&limited, &address, "agent/0", 0, spool.path());
    let progress = worker.kill_after(200);
    server.restart();
    assert_eq!(drain(spool.path(), &[]).status.code(), Some(0));
    let there = records(server.logdir(), "agent/0", 0);
    assert_eq!(there, (0..there.len() as i64).collect::<Vec<_>>());
    assert!(
        !there.is_empty() && (there.len() as u64) < progress.accepted,
        "{}",
        there.len()
    );
    server.stop();
}

#[test]
fn a_call_that_cannot_be_spooled_is_delivered() {
    let (mut server, spool) = (TestServer::start(&Broker::Embedded), tempfile::tempdir().unwrap());
    let options = ClientOptions {
        spool: Some(spool.path().to_owned()),
        ..ClientOptions::default()
    };
    let client = Client::connect_with(server.address(), "tensorplex", "agent/0", options).unwrap();
    // A missing directory fails writes as a full disk does.
    std::fs::remove_dir_all(spool.path()).unwrap();
    client.send("add_scalar", &("loss", 0.5, Some(1)));
    assert_eq!((client.stats().taken, client.stats().unspooled), (1, 1));
    client.flush(DEADLINE).unwrap();
    client.close(DEADLINE).unwrap();
    server.stop();
}

#[test]
fn a_damaged_spool_is_delivered_up_to_the_damage_and_set_aside() {
    let (mut server, spool) = (TestServer::start(&Broker::Embedded), tempfile::tempdir().unwrap());
    let options = ClientOptions {
        spool: Some(spool.path().to_owned()),
        linger: Duration::ZERO,
        ..ClientOptions::default()
    };
    let away = Client::connect_with("127.0.0.1:1", "tensorplex", "agent/0", options.clone()).unwrap();
    for step in 0..10 {
        away.send("add_scalar", &("0", f64::from(value(0, step)), Some(step as i64)));
        away.flush(Duration::ZERO).unwrap_err();
    }
    away.close(Duration::ZERO).unwrap_err();
    let dir = std::fs::read_dir(spool.path())
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let segment = dir.join(format!("{:020}.calls", 1));
    let mut bytes = std::fs::read(&segment).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let other = Client::connect_with("127.0.0.1:1", "tensorplex", "agent/0", options).unwrap();
    assert_eq!(other.stats().taken, 0, "its numbers are not gone on with");
    other.close(Duration::ZERO).unwrap();
    let mut all = Vec::new();
    let environment = remotecall::Environment::none();
    remotecall::drain(
        spool.path(),
        Some(server.address()),
        &environment,
        DEADLINE,
        &mut |drained| {
            assert!(!drained.is_done());
            let DrainOutcome::Damaged { calls, aside, .. } = &drained.outcome else {
                panic!("{drained:?}");
            };
            all.push((*calls, aside.exists()));
        },
    )
    .unwrap();
    let [(calls, true)] = all[..] else {
        panic!("{all:?}")
    };
    assert!((1..10).contains(&calls), "{calls}");
    assert_eq!(
        records(server.logdir(), "agent/0", 0),
        (0..calls as i64).collect::<Vec<_>>()
    );
    server.stop();
}

#[test]
fn spilling_requires_a_spool() {
    let options = ClientOptions {
        when_full: WhenFull::Spill,
        ..ClientOptions::default()
    };
    let error = Client::connect_with("127.0.0.1:1", "q", "c", options).unwrap_err();
    assert!(error.to_string().contains("name its directory"), "{error}");
}

#[test]
fn run_and_send_use_a_spool() {
    let (mut server, spool) = (TestServer::start(&Broker::Embedded), tempfile::tempdir().unwrap());
    let address = server.address().to_owned();
    server.kill();
    let command = |name: &str, options: &[&str]| {
        let mut command = Command::new(program("tensorplex"));
        command.args([
            name,
            "--redis",
            &address,
            "--client-id",
            "agent/0",
            "--timeout",
            "100ms",
        ]);
        command.env("TENSORPLEX_SPOOL", spool.path()).args(options);
        command
    };
    let ran = command("run", &["--", "echo", "printed"]).output_in_time();
    assert!(ran.status.success());
    let mut send = command("send", &[]).stdin(Stdio::piped()).spawn().unwrap();
    let line = format!(
        r#"{{"method": "add_scalar", "args": ["0", {}.0, 7]}}"#,
        value(0, 7)
    );
    send.stdin.take().unwrap().write_all(line.as_bytes()).unwrap();
    assert_eq!(
        send.output_in_time().status.code(),
        Some(1),
        "nobody acknowledged it"
    );
    server.restart();
    assert_eq!(drain(spool.path(), &[]).status.code(), Some(0));
    let log = std::fs::read_to_string(server.logdir().join("logs/agent/0.log")).unwrap();
    assert_eq!(log.matches("INFO> printed\n").count(), 1, "{log}");
    assert_eq!(records(server.logdir(), "agent/0", 0), [7]);
    server.stop();
}
