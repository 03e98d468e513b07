//! `tensorplex tail --redis`: logs of a remote server.

use std::process::{Command, Output, Stdio};

use loggerplex::Logger;
use loggerplex::reading::LogId;
use remotecall::embedded::{BrokerOptions, EmbeddedBroker};
use remotecall::{Client, RemoteCall, RemoteError, remote};
use tensorplex_tests::{
    BoundedGet, BoundedOutput, BoundedStop, Broker, BrokerAddress, DEADLINE, Messages, Process, Tail,
    TestServer, log_messages, own_program, program,
};

const ROTATE: [&str; 8] = [
    "--rotate-size",
    "4K",
    "--rotate-keep",
    "1000",
    "--time-format",
    "%FT%T%.6fZ",
    "--time-zone",
    "UTC",
];

fn tail(place: [&str; 2], args: &[&str]) -> Output {
    let mut command = Command::new(program("tensorplex"));
    command
        .arg("tail")
        .args(place)
        .args(args)
        .args(["--no-follow", "--time-zone", "UTC"]);
    command.output_in_time()
}

/// Checks that every option gives the same from the server as from the files.
fn the_same_as_the_files(broker: Broker) {
    let server = TestServer::start_with_options(&broker, &ROTATE);
    let log = Logger::connect(server.address(), "agent/0").unwrap();
    for number in 0..300 {
        log.info(format!("line {number}\nof two"));
    }
    log.with_client_id("learner").unwrap().error("bad");
    log.flush(DEADLINE).unwrap();
    std::fs::write(
        server.logdir().join("logs/od\u{1b}d\n.log"),
        "12:00:00 INFO> odd\n",
    )
    .unwrap();
    let logdir = server.logdir().to_str().unwrap();
    for args in [
        &["-n", "1000"][..],
        &[],
        &["-n", "0"],
        &["--since", "1h", "--json"],
        &["agent/*", "--grep", "line 2[0-9][0-9]", "-n", "50"],
        &["--level", "error"],
        &["nobody"],
    ] {
        let (here, there) = (
            tail(["--logdir", logdir], args),
            tail(["--redis", server.address()], args),
        );
        let code = if args == ["nobody"] { 3 } else { 0 };
        assert_eq!(here.status.code(), Some(code), "{here:?}");
        assert_eq!(here, there, "{args:?}");
        let quiet = args == ["-n", "0"] || args == ["nobody"];
        assert_eq!(here.stdout.is_empty(), quiet, "{args:?}");
    }
}

#[test]
fn a_server_shows_what_its_files_show() {
    the_same_as_the_files(Broker::Embedded);
}

#[test]
fn a_server_on_redis_shows_what_its_files_show() {
    the_same_as_the_files(Broker::redis());
}

/// Tail starts before the server, which is killed repeatedly while files rotate.
fn nothing_lost_or_doubled(broker: Broker) {
    const LINES: usize = 900;
    let mut server = TestServer::start_with_options(&broker, &ROTATE);
    server.kill();
    let mut tail = Tail::start(["--redis", server.address()]);
    tail.wait_for_stderr("does not answer");
    server.restart();
    let clients = ["a", "b/c", "d"];
    let logs = clients.map(|client| Logger::connect(server.address(), client).unwrap());
    let mut seen = Messages::new();
    for line in 0..LINES {
        for log in &logs {
            log.info(format!("line {line}\nof two {}", "x".repeat(line % 50)));
        }
        if line % 100 == 99 {
            // Half of the lines are awaited; the others are in flight, to the server or to tail,
            // during the kill.
            for (client, messages) in tail.messages(clients.len() * 50) {
                seen.entry(client).or_default().extend(messages);
            }
            server.kill_and_restart();
        }
    }
    let left = clients.len() * LINES - seen.values().map(Vec::len).sum::<usize>();
    for (client, messages) in tail.messages(left) {
        seen.entry(client).or_default().extend(messages);
    }
    let line = |line: usize| format!("line {line}\nof two {}", "x".repeat(line % 50));
    let expect: Vec<String> = (0..LINES).map(line).collect();
    assert!(seen.keys().eq(&clients));
    for (client, messages) in &seen {
        assert_eq!(messages, &expect, "{client}");
    }

    server.kill();
    // The server is down again: tail says so again, and shows later lines.
    let says = |tail: &Tail, words| tail.stderr().matches(words).count();
    tensorplex_tests::wait_for("the second word", || {
        (says(&tail, "does not answer") == 2).then_some(())
    });
    server.restart();
    logs[0].info("after all");
    assert_eq!(tail.messages(1)["a"], ["after all"]);
    assert_eq!(
        (says(&tail, "answers again"), tail.stderr().lines().count()),
        (2, 4),
        "{}",
        tail.stderr()
    );
    let (more, status) = tail.end();
    assert_eq!((more, status.code()), (vec![], Some(0)));
    server.stop();
}

#[test]
fn tail_follows_a_server_that_starts_late_and_is_killed() {
    nothing_lost_or_doubled(Broker::Embedded);
}

#[test]
fn tail_follows_a_server_on_redis_that_starts_late_and_is_killed() {
    nothing_lost_or_doubled(Broker::redis());
}

/// Fifty processes that log lines of all sizes.
fn fifty_processes(lines: usize, place: impl Fn(&TestServer) -> [String; 2]) {
    const PROCESSES: u64 = 50;
    let options = [
        "--time-format",
        "%FT%T%.9fZ",
        "--time-zone",
        "UTC",
        "--rotate-size",
        "1M",
        "--rotate-keep",
        "99",
    ];
    let mut server = TestServer::start_with_options(&Broker::Embedded, &options);
    let mut tail = Tail::start(place(&server));
    let worker = |number: u64| {
        let mut command = Command::new(own_program("test-log-worker"));
        command
            .arg(server.address())
            .args([number.to_string(), lines.to_string()]);
        Process::start(&mut command)
    };
    let workers: Vec<Process> = (0..PROCESSES).map(worker).collect();
    let seen = tail.messages(PROCESSES as usize * lines);
    for mut worker in workers {
        assert!(worker.wait().success());
    }
    assert_eq!(seen.len(), PROCESSES as usize);
    for number in 0..PROCESSES {
        let messages = &seen[&format!("agent/{number}")];
        assert!(
            messages.iter().cloned().eq(log_messages(number, lines)),
            "agent/{number}"
        );
    }
    let (more, status) = tail.end();
    assert_eq!((more.len(), status.code()), (0, Some(0)));

    // A new tail shows all lines in the order of time.
    let [option, value] = place(&server);
    let all = self::tail([&option, &value], &["-n", "1000000", "--json"]);
    let times: Vec<String> = String::from_utf8(all.stdout).unwrap().lines().map(time).collect();
    assert_eq!(times.len(), PROCESSES as usize * lines);
    assert!(times.is_sorted());
    server.stop();
}

fn time(line: &str) -> String {
    let entry: serde_json::Value = serde_json::from_str(line).unwrap();
    entry["time"].as_str().unwrap().to_owned()
}

fn in_the_files(server: &TestServer) -> [String; 2] {
    [
        "--logdir".to_owned(),
        server.logdir().to_str().unwrap().to_owned(),
    ]
}

#[test]
fn lines_of_fifty_processes_are_followed_in_the_files() {
    fifty_processes(150, in_the_files);
}

/// The logs have three gigabytes.
#[test]
#[ignore = "minutes, and 16 GiB of memory: cargo test --workspace --test system two_thousand_lines -- --ignored"]
fn two_thousand_lines_of_each_of_fifty_processes_are_followed_in_the_files() {
    fifty_processes(2_000, in_the_files);
}

#[test]
fn lines_of_fifty_processes_are_followed_through_the_server() {
    fifty_processes(50, |server| ["--redis".to_owned(), server.address().to_owned()]);
}

struct Old;

/// Object without the read methods, like older servers.
#[remote(client = OldClient)]
impl Old {
    pub fn info(&mut self, _message: &str) {}
}

#[test]
fn a_server_without_log_reading_is_reported() {
    let broker = EmbeddedBroker::start(BrokerOptions::new(([127, 0, 0, 1], 0).into()));
    let address = broker.as_ref().unwrap().own_address();
    let server = RemoteCall::new(Old)
        .queue(loggerplex::QUEUE)
        .start(&address)
        .unwrap();
    let output = tail(["--redis", &address], &[]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
    let says = String::from_utf8(output.stderr).unwrap();
    assert!(
        says.contains("does not know list_logs: it is older than this program"),
        "{says}"
    );
    server.stop_in_time().unwrap();
}

#[test]
fn tail_takes_one_source_and_options_override_tensorplex_url() {
    let both = tail(["--redis", "localhost:1"], &["--logdir", "runs"]);
    assert_eq!(both.status.code(), Some(2));
    let broken = tail(["--redis", "http://x"], &[]);
    assert_eq!(broken.status.code(), Some(2), "{broken:?}");

    let server = TestServer::start(&Broker::Embedded);
    let log = Logger::connect(server.address(), "a").unwrap();
    log.info("hello");
    log.flush(DEADLINE).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let lines = |args: &[&str]| {
        let mut command = Command::new(program("tensorplex"));
        command
            .args(["tail", "--no-follow"])
            .args(args)
            .stdin(Stdio::null());
        command
            .env("TENSORPLEX_URL", server.address())
            .current_dir(elsewhere.path());
        String::from_utf8(command.output_in_time().stdout)
            .unwrap()
            .lines()
            .count()
    };
    assert_eq!(lines(&[]), 1);
    assert_eq!(lines(&["--logdir", "."]), 0);
}

/// Paths and ranges that a hostile caller asks for.
#[test]
fn only_logs_can_be_read_through_the_server() {
    let server = TestServer::start_at(BrokerAddress::Embedded("127.0.0.1:0".to_owned()));
    let log = Logger::connect(server.address(), "a").unwrap();
    log.info("hello");
    log.flush(DEADLINE).unwrap();
    std::fs::write(server.outside().join("secret.log"), "secret").unwrap();
    std::fs::write(server.logdir().join("logs/secret"), "secret").unwrap();
    std::os::unix::fs::symlink(server.outside(), server.logdir().join("logs/out")).unwrap();
    std::os::unix::fs::symlink("../../secret.log", server.logdir().join("logs/link.log")).unwrap();
    let client = Client::connect(server.address(), loggerplex::QUEUE, "reader").unwrap();
    let listed: loggerplex::server::LogListing = client.call("list_logs", &(0, 0)).get_in_time().unwrap();
    let paths: Vec<&str> = listed.files.iter().map(|file| &file.path[..]).collect();
    assert_eq!(paths, ["a.log"]);
    let id = |path: &std::path::Path| LogId {
        number: std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(path).unwrap()),
        head: Vec::new(),
    };
    let read = |path: &str, id: &LogId, at: u64, max: u64| -> Result<Option<Vec<u8>>, RemoteError> {
        client.call("read_log", &(path, id, at, max)).get_in_time()
    };
    let own = id(&server.logdir().join("logs/a.log"));
    let text = read("a.log", &own, 0, u64::MAX).unwrap().unwrap();
    assert!(text.ends_with(b"INFO> hello\n"));
    assert_eq!(read("a.log", &own, u64::MAX, 1), Ok(Some(vec![])));
    let secret = id(&server.outside().join("secret.log"));
    let places = [
        "../../secret.log",
        "out/secret.log",
        "link.log",
        "secret",
        "/etc/passwd",
        "",
        "a.log/",
        ".",
    ];
    for path in places {
        assert_eq!(read(path, &secret, 0, 100), Ok(None), "{path:?}");
    }
    assert_eq!(read("a.log", &secret, 0, 100), Ok(None));
}
