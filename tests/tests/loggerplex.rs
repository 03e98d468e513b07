//! Log lines and values through a real redis-server, sent by generated clients.

use std::collections::HashMap;

use loggerplex::format::TextFormat;
use loggerplex::{Level, LogLayer, Logger, Loggerplex};
use remotecall::{RemoteCall, remote};
use tensorplex_tests::{BoundedGet, BoundedStop, Broker, DEADLINE, RedisServer, TestServer, wait_for};
use tracing_subscriber::layer::SubscriberExt;

#[test]
fn lines_of_many_workers_are_in_their_files_after_a_flush() {
    let redis = RedisServer::start();
    let dir = tempfile::tempdir().unwrap();
    let (folder, private) = (dir.path().join("logs"), dir.path().join("private"));
    let logs = Loggerplex::open(&folder, &private)
        .unwrap()
        .lines(TextFormat::default().time(None));
    let server = RemoteCall::new(logs)
        .queue(loggerplex::QUEUE)
        .durable(&private)
        .start(&redis.address())
        .unwrap();

    let first = Logger::connect(&redis.address(), "agent/0").unwrap();
    for n in 0..20 {
        let log = first.with_client_id(&format!("agent/{n}")).unwrap();
        log.section(format!("worker {n}"));
        log.debug("below the threshold");
        log.log(Level(23), "two\nlines");
        log.exception("no", &std::fmt::Error);
    }
    first.flush(DEADLINE).unwrap();
    for n in 0..20 {
        let text = std::fs::read_to_string(folder.join(format!("agent/{n}.log"))).unwrap();
        let error = format!("ERROR> no\n    | ERROR> {}\n", std::fmt::Error);
        let bar = "=".repeat(10);
        assert_eq!(
            text,
            format!("INFO> {bar} worker {n} {bar}\nINFO3> two\n    | lines\n{error}")
        );
    }
    drop(first);
    server.stop_in_time().unwrap();
}

struct Echo;

#[remote]
impl Echo {
    pub fn nothing(&self) {}

    pub fn bytes(&self, bytes: &[u8], more: Option<&[u8]>) -> Option<Vec<u8>> {
        more.map(|more| [bytes, more].concat())
    }

    pub fn values(&self, names: &[&str], by_name: &HashMap<String, f64>) -> Vec<Option<f64>> {
        names.iter().map(|name| by_name.get(*name).copied()).collect()
    }

    pub fn parse(&self, text: &str) -> Result<i64, std::num::ParseIntError> {
        text.parse()
    }
}

#[test]
fn values_of_a_generated_client_arrive_unchanged() {
    let redis = RedisServer::start();
    let server = RemoteCall::new(Echo)
        .queue("echo")
        .has_return_value(true)
        .start(&redis.address())
        .unwrap();
    let echo = EchoClient::connect(&redis.address(), "echo", "a").unwrap();
    let (nothing, none, some) = (
        echo.nothing(),
        echo.bytes(&[0, 255], None),
        echo.bytes(&[0, 255], Some(&[7])),
    );
    let by_name = HashMap::from([("x".to_owned(), 0.5)]);
    let values = echo.values(&["x", "y"], &by_name);
    let (parsed, failed) = (echo.parse("-3"), echo.parse("three"));

    nothing.get_in_time().unwrap();
    assert_eq!(none.get_in_time().unwrap(), None);
    assert_eq!(some.get_in_time().unwrap(), Some(vec![0, 255, 7]));
    assert_eq!(values.get_in_time().unwrap(), [Some(0.5), None]);
    assert_eq!(parsed.get_in_time().unwrap(), -3);
    let error = failed.get_in_time().unwrap_err().to_string();
    assert!(error.contains("ParseIntError: invalid digit"), "{error}");
    drop(echo);
    server.stop_in_time().unwrap();
}

#[test]
fn a_deleted_log_file_is_created_again_and_has_each_line_once() {
    let broker = Broker::redis();
    let mut server = TestServer::start(&broker);
    let log = Logger::connect(server.address(), "agent/0").unwrap();
    let path = server.logdir().join("logs/agent/0.log");
    let say = |text: &str| {
        log.info(text);
        log.flush(DEADLINE).unwrap();
    };
    say("a line that is deleted");
    server.stop();
    std::fs::remove_file(&path).unwrap();
    server.restart();
    say("one");
    server.kill_and_restart();
    say("two");
    server.kill_and_restart();
    say("three");
    server.stop();
    let text = std::fs::read_to_string(&path).unwrap();
    let said: Vec<_> = text
        .lines()
        .filter_map(|line| line.split_once("INFO> "))
        .map(|(_, said)| said)
        .collect();
    assert_eq!(said, ["one", "two", "three"], "{text}");
}

/// Content of `file` after a server with these options received two lines of `agent/0`.
fn written(options: &[&str], file: &str) -> String {
    let mut server = TestServer::start_with_options(&Broker::Embedded, options);
    let log = Logger::connect(server.address(), "agent/0").unwrap();
    log.debug("quiet");
    log.info3("two\nlines");
    log.flush(DEADLINE).unwrap();
    server.stop();
    std::fs::read_to_string(server.logdir().join("logs/agent").join(file)).unwrap()
}

#[test]
fn options_of_the_server_change_its_log_files() {
    let none = ["--time-format", "none"];
    let (debug, hide) = (["--log-level", "debug"], ["--hide-level"]);
    assert_eq!(written(&none, "0.log"), "INFO3> two\n    | lines\n");
    assert_eq!(
        written(&[&none[..], &debug, &hide].concat(), "0.log"),
        "quiet\ntwo\n    | lines\n"
    );
    let zone = ["--time-zone", "Asia/Kathmandu", "--time-format", "%:z"];
    let preamble = ["--log-preamble", "{client_id} [{asctime}] "];
    assert_eq!(
        written(&[&zone[..], &preamble].concat(), "0.log"),
        "agent/0 [+05:45] INFO3> two\n    | lines\n"
    );
    let json = written(&["--log-format", "json"], "0.jsonl");
    assert!(
        json.ends_with("\"level\":\"INFO3\",\"levelno\":23,\"message\":\"two\\nlines\"}\n"),
        "{json}"
    );
}

/// Messages of a log file, without time and level.
fn said(text: &str) -> Vec<&str> {
    let said = |line| str::split_once(line, "INFO> ").map(|(_, said)| said);
    text.lines().filter_map(said).collect()
}

#[test]
fn rotated_files_have_each_line_once_whenever_the_server_is_killed() {
    let broker = Broker::redis();
    let options = ["--rotate-size", "1K", "--rotate-keep", "1000"];
    let mut server = TestServer::start_with_options(&broker, &options);
    let log = Logger::connect(server.address(), "agent/0").unwrap();
    let lines: Vec<String> = (0..2000).map(|n| format!("line {n}")).collect();
    for (n, line) in lines.iter().enumerate() {
        log.info(line);
        if n % 500 == 250 {
            server.kill_and_restart();
        } else if n % 100 == 0 {
            log.flush(DEADLINE).unwrap();
        }
    }
    log.flush(DEADLINE).unwrap();
    server.kill_and_restart();
    server.stop();

    let dir = server.logdir().join("logs/agent");
    let mut files: Vec<(u64, String)> = std::fs::read_dir(&dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .map(|name| (name.rsplit('-').next().unwrap().parse().unwrap_or(u64::MAX), name))
        .collect();
    files.sort();
    assert!(files.len() > 30, "{files:?}");
    let texts = files
        .iter()
        .map(|(_, name)| std::fs::read_to_string(dir.join(name)).unwrap());
    let all: String = texts.inspect(|text| assert!(text.len() <= 1024)).collect();
    assert_eq!(said(&all), lines);
}

#[test]
fn a_log_file_moved_by_logrotate_is_created_again_after_sighup() {
    let broker = Broker::redis();
    let mut server = TestServer::start(&broker);
    let log = Logger::connect(server.address(), "agent/0").unwrap();
    let path = server.logdir().join("logs/agent/0.log");
    let moved = path.with_extension("log.1");
    let mut lines = Vec::new();
    let mut say = || {
        lines.push(format!("line {}", lines.len()));
        log.info(lines.last().unwrap());
        log.flush(DEADLINE).unwrap();
    };
    say();
    std::fs::rename(&path, &moved).unwrap();
    say();
    assert!(!path.exists(), "the file was opened again without SIGHUP");
    server.hang_up();
    wait_for("the new file", || {
        say();
        path.exists().then_some(())
    });
    server.kill_and_restart();
    say();
    server.stop();
    let read = |path| std::fs::read_to_string(path).unwrap();
    assert_eq!(said(&(read(&moved) + &read(&path))), lines);
}

#[test]
fn messages_of_fifty_writers_to_one_file_are_whole_and_in_order() {
    const WRITERS: usize = 50;
    const MESSAGES: usize = 20;
    let mut server = TestServer::start(&Broker::Embedded);
    // Up to 64 KB, in up to 40 lines.
    let body = |writer: usize, n: usize| {
        let line = format!("{writer}.{n} ").repeat(1 + (writer * 31 + n * 97) % 200);
        vec![line; 1 + (writer * 7 + n) % 40].join("\n")
    };
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let address = server.address();
            scope.spawn(move || {
                let log = Logger::connect(address, "shared").unwrap();
                for n in 0..MESSAGES {
                    log.info(body(writer, n));
                }
                log.flush(DEADLINE).unwrap();
            });
        }
    });
    server.stop();
    let text = std::fs::read_to_string(server.logdir().join("logs/shared.log")).unwrap();
    let mut next = [0; WRITERS];
    let joined = text.replace("\n    | ", "\r");
    for message in said(&joined) {
        let writer: usize = message.split('.').next().unwrap().parse().unwrap();
        assert_eq!(message.replace('\r', "\n"), body(writer, next[writer]));
        next[writer] += 1;
    }
    assert_eq!(next, [MESSAGES; WRITERS]);
}

#[test]
fn events_of_a_tracing_program_are_in_its_file_once_across_a_restart() {
    let broker = Broker::redis();
    let mut server = TestServer::start(&broker);
    let log = Logger::connect(server.address(), "agent/0").unwrap();
    let subscriber = tracing_subscriber::registry().with(LogLayer::new(log.clone()));
    tracing::subscriber::with_default(subscriber, || {
        for epoch in 0..3 {
            let _span = tracing::info_span!("epoch", n = epoch).entered();
            for step in 0..100 {
                tracing::info!(step, "trained");
            }
            server.kill_and_restart();
        }
    });
    log.flush(DEADLINE).unwrap();
    server.stop();
    let text = std::fs::read_to_string(server.logdir().join("logs/agent/0.log")).unwrap();
    let expect: Vec<String> = (0..300)
        .map(|n| format!("epoch{{n={}}}: trained step={}", n / 100, n % 100))
        .collect();
    assert_eq!(said(&text), expect);
}
