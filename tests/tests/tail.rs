//! `tensorplex tail` merges the logs of many clients.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use loggerplex::{Logger, words};
use serde_json::Value;
use tensorplex_tests::{BoundedOutput, Broker, Lines, Process, Tail, TestServer, Tmux, program, wait_for};

fn tail(logdir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(program("tensorplex"));
    command.arg("tail").arg("--logdir").arg(logdir).args(args);
    command
}

fn once(logdir: &Path, args: &[&str]) -> Output {
    tail(logdir, args)
        .args(["--no-follow", "--time-zone", "UTC"])
        .output_in_time()
}

#[track_caller]
fn check(logdir: &Path, args: &[&str], expect: &str) {
    let output = once(logdir, args);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expect);
}

/// Text logs of two clients, and a JSON log of a third.
fn logs() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join("logs").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write(
        "agent/0.log",
        "2018-03-09T12:00:00Z INFO> first\n2018-03-09T12:00:03Z ERROR> two\n    | lines\n",
    );
    write(
        "learner.log",
        "2018-03-09T12:00:01Z DEBUG> quiet\n2018-03-09T12:00:04Z no level\n",
    );
    let json =
        r#"{"time":"2018-03-09T12:00:02.5Z","level":"INFO","levelno":20,"message":"from json\u001b[2J"}"#;
    write("agent/1.jsonl", &format!("{json}\n"));
    dir
}

#[test]
fn the_last_entries_of_all_are_merged_by_time() {
    let dir = logs();
    let expect = "\
agent/0  2018-03-09T12:00:00Z INFO> first
learner  2018-03-09T12:00:01Z DEBUG> quiet
agent/1  12:00:02 INFO> from json\\u{1b}[2J
agent/0  2018-03-09T12:00:03Z ERROR> two
agent/0  lines
learner  2018-03-09T12:00:04Z no level
";
    check(dir.path(), &[], expect);
    let last: Vec<&str> = expect.lines().collect();
    check(dir.path(), &["-n", "2"], &format!("{}\n", last[3..].join("\n")));
    check(dir.path(), &["-n", "0"], "");
}

/// A clock that steps back does not change the order in which a client logged.
#[test]
fn the_order_of_a_client_stays_when_its_clock_steps_back() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("logs")).unwrap();
    let lines = |minutes: &[(u32, u32)]| -> String {
        let line =
            |&(minute, second): &(u32, u32)| format!("2018-03-09T12:{minute:02}:{second:02}Z INFO> x\n");
        minutes.iter().map(line).collect()
    };
    let stepped = lines(&[(5, 0), (5, 1), (5, 2), (4, 0), (4, 1), (4, 2), (5, 3)]);
    std::fs::write(dir.path().join("logs/a.log"), &stepped).unwrap();
    std::fs::write(dir.path().join("logs/b.log"), lines(&[(4, 30)])).unwrap();
    let seen = String::from_utf8(once(dir.path(), &[]).stdout).unwrap();
    let of_a: String = seen
        .lines()
        .filter_map(|line| line.strip_prefix("a  "))
        .map(|line| format!("{line}\n"))
        .collect();
    assert_eq!(of_a, stepped);
    assert!(seen.starts_with("b  "), "{seen}");
}

#[test]
fn a_pattern_that_matches_no_client_is_reported() {
    let dir = logs();
    let output = once(dir.path(), &["agnt/*", "learner"]);
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 2);
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "tensorplex tail: no client matches \"agnt/*\"; there are agent/0, agent/1, learner\n"
    );
    let mut follow = tail(dir.path(), &["late"]);
    let mut follow = Process::start(follow.stderr(Stdio::piped()).stdout(Stdio::piped()));
    let errors = Lines::of(follow.child().stderr.take().unwrap());
    let output = Lines::of(follow.child().stdout.take().unwrap());
    assert!(errors.next("the report").contains("no client matches \"late\""));
    assert!(errors.next("the wait").contains("waiting for clients that match"));
    std::fs::write(
        dir.path().join("logs/late.log"),
        "2018-03-09T12:00:00Z INFO> here\n",
    )
    .unwrap();
    assert!(output.next("the late client").ends_with("INFO> here"));
    assert_eq!(follow.terminate().code(), Some(0));
}

#[test]
fn what_cannot_be_read_is_left_out_and_named() {
    let dir = logs();
    let all = once(dir.path(), &[]).stdout;
    std::os::unix::fs::symlink("nowhere", dir.path().join("logs/dangling.log")).unwrap();
    // It opens, and cannot be read, also by root.
    std::fs::create_dir(dir.path().join("logs/odd")).unwrap();
    std::os::unix::fs::symlink("/proc/self/mem", dir.path().join("logs/odd/a.log")).unwrap();
    let output = once(dir.path(), &[]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert_eq!(output.stdout, all);
    let errors = String::from_utf8_lossy(&output.stderr);
    for path in ["logs/dangling.log", "logs/odd/a.log"] {
        assert!(errors.contains(path), "{errors}");
    }
}

#[test]
fn a_file_is_no_log_directory() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let output = once(file.path(), &[]);
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("is not a directory"), "{error}");
}

#[test]
fn entries_are_chosen_by_client_level_time_and_text() {
    let dir = logs();
    check(
        dir.path(),
        &["agent/*", "--level", "error"],
        "agent/0  2018-03-09T12:00:03Z ERROR> two\nagent/0  lines\n",
    );
    check(
        dir.path(),
        &["--grep", "^(first|qu.*)$"],
        "agent/0  2018-03-09T12:00:00Z INFO> first\nlearner  2018-03-09T12:00:01Z DEBUG> quiet\n",
    );
    check(dir.path(), &["--since", "1h"], "");
    let now = chrono_now();
    std::fs::write(dir.path().join("logs/new.log"), format!("{now} INFO> now\n")).unwrap();
    check(
        dir.path(),
        &["--since", "1h"],
        &format!("new      {now} INFO> now\n").replace("new      ", "new  "),
    );
}

/// Current time in the form of a log file, by GNU date, which saves a dependency.
fn chrono_now() -> String {
    let output = Command::new("date").args(["-u", "+%FT%TZ"]).output_in_time();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn json_has_one_object_per_entry() {
    let dir = logs();
    let output = once(dir.path(), &["--json"]);
    let entries: Vec<Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(entries.len(), 5);
    assert_eq!(entries[3]["message"], "two\nlines");
    assert_eq!(entries[3]["level"], "ERROR");
    assert_eq!(entries[2]["time"], "2018-03-09T12:00:02.500000000Z");
    assert_eq!(entries[4]["level"], Value::Null);
}

#[test]
fn unreadable_logs_and_invalid_options_are_errors() {
    let dir = logs();
    let output = once(&dir.path().join("nowhere"), &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("nowhere/logs: "),
        "{output:?}"
    );
    for bad in [["--grep", "("], ["--level", "loud"], ["--since", "soon"]] {
        assert_eq!(once(dir.path(), &bad).status.code(), Some(2), "{bad:?}");
    }
}

/// Clients appear during the run and files rotate every few lines: each line is shown once, in
/// order per client.
#[test]
fn new_clients_and_rotated_files_are_followed() {
    const CLIENTS: usize = 50;
    const LINES: usize = 400;
    let options = [
        "--rotate-size",
        "4K",
        "--rotate-keep",
        "1000",
        "--time-format",
        "%FT%T%.6fZ",
        "--time-zone",
        "UTC",
    ];
    let mut server = TestServer::start_with_options(&Broker::Embedded, &options);
    // The workers may have written before the first scan.
    let mut tail = Tail::start([OsStr::new("--logdir"), server.logdir().as_os_str()]);

    let address = server.address().to_owned();
    let workers: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let address = address.clone();
            std::thread::spawn(move || {
                let log = Logger::connect(&address, &format!("agent/{number}")).unwrap();
                for line in 0..LINES {
                    log.info(words!("line", line, "\nof two"));
                    if line % 100 == 0 {
                        log.flush(Duration::from_secs(30)).unwrap();
                    }
                }
                log.flush(Duration::from_secs(30)).unwrap();
            })
        })
        .collect();

    let seen = tail.messages(CLIENTS * LINES);
    workers.into_iter().for_each(|worker| worker.join().unwrap());
    assert_eq!(seen.len(), CLIENTS);
    let expect: Vec<String> = (0..LINES).map(|line| format!("line {line} \nof two")).collect();
    for (client, messages) in seen {
        assert_eq!(messages, expect, "{client}");
    }
    let (more, status) = tail.end();
    assert_eq!((more, status.code()), (vec![], Some(0)));

    // A new tail shows all lines, also those of rotated files, in the order of time.
    let output = once(server.logdir(), &["--json", "-n", "1000000"]);
    let times: Vec<String> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| {
            serde_json::from_str::<Value>(line).unwrap()["time"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(times.len(), CLIENTS * LINES);
    assert!(times.is_sorted());
    server.stop();
}

#[test]
fn a_terminal_shows_each_client_in_its_colour() {
    let dir = logs();
    let command = |before: &str| {
        let program = program("tensorplex");
        format!(
            "{before} '{}' tail --logdir '{}'",
            program.display(),
            dir.path().display()
        )
    };
    let terminal = Tmux::start(100, 20, &command(""));
    wait_for("the last entry", || {
        terminal.screen(false).contains("no level").then_some(())
    });
    let screen = terminal.screen(true);
    let colours: BTreeSet<&str> = screen
        .lines()
        .filter_map(|line| line.strip_prefix("\x1b[")?.split_once('m'))
        .map(|(colour, _)| colour)
        .collect();
    assert!(colours.len() >= 2, "{screen:?}");
    // A client that appears later.
    std::fs::write(dir.path().join("logs/newcomer.log"), "12:00:00 INFO> hello\n").unwrap();
    wait_for("the new client", || {
        terminal
            .screen(false)
            .contains("newcomer  12:00:00 INFO> hello")
            .then_some(())
    });
    terminal.press("C-c");
    wait_for("the end", || {
        terminal.screen(false).contains("ended with 0").then_some(())
    });

    let plain = Tmux::start(100, 20, &command("NO_COLOR=1"));
    wait_for("the last entry", || {
        plain.screen(false).contains("no level").then_some(())
    });
    assert!(!plain.screen(true).contains('\x1b'), "{:?}", plain.screen(true));
}
