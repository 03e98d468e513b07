//! `tensorplex run`: a program whose output is also a log.

use std::io::Read;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use tensorplex_tests::{Broker, Process, TestServer, program, wait_for};

fn command(address: &str, script: &str) -> Command {
    let mut command = Command::new(program("tensorplex"));
    command.args(["run", "--redis", address, "--client-id", "agent/0", "--"]);
    command.args(["sh", "-c", script]);
    command
}

/// The lines of the log, without time.
fn logged(server: &TestServer) -> Vec<String> {
    let text = std::fs::read_to_string(server.logdir().join("logs/agent/0.log")).unwrap();
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.map(|(_, rest)| rest.to_owned()).collect()
}

/// Runs a script, and gives what came out and what was logged between its start and its end.
fn run(script: &str, how_it_ends: &str) -> (Output, Vec<String>) {
    let mut server = TestServer::start(&Broker::Embedded);
    let output = command(server.address(), script).output().unwrap();
    server.stop();
    let mut lines = logged(&server);
    assert!(lines.remove(0).starts_with("INFO> started: sh -c "), "{lines:?}");
    let end = lines.pop().unwrap();
    assert!(end.contains(&format!("> ended: {how_it_ends} after ")), "{end}");
    assert!(end.contains("peak memory ") && end.ends_with("iB"), "{end}");
    (output, lines)
}

#[test]
fn output_goes_where_it_would_go_and_into_the_log() {
    let script = "printf 'one\\ntw'; sleep 0.1; printf 'o\\r50%%\\r100%%\\n\\033[31mred\\033[0m'; exit 3";
    let (output, lines) = run(script, "exit code 3");
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(output.stdout, b"one\ntwo\r50%\r100%\n\x1b[31mred\x1b[0m");
    assert_eq!(lines, ["INFO> one", "INFO> 100%", "INFO> red"]);
    let (output, lines) = run("echo bad >&2", "exit code 0");
    assert!(output.status.success() && output.stdout.is_empty());
    assert_eq!(output.stderr, b"bad\n");
    assert_eq!(lines, ["INFO> bad"]);
}

#[test]
fn a_program_that_a_signal_ends_gives_its_number() {
    let (output, _) = run("kill -KILL $$", "signal SIGKILL");
    assert_eq!(output.status.code(), Some(128 + 9));
}

#[test]
fn a_signal_is_passed_on() {
    let mut server = TestServer::start(&Broker::Embedded);
    let script = "trap 'echo caught; exit 7' TERM; echo ready; while :; do sleep 0.01; done";
    let mut run = command(server.address(), script);
    let mut run = Process::start(run.stdin(Stdio::null()).stdout(Stdio::piped()));
    let mut output = run.child().stdout.take().unwrap();
    let mut first = [0; 6];
    output.read_exact(&mut first).unwrap();
    assert_eq!(run.terminate().code(), Some(7));
    server.stop();
    let lines = logged(&server);
    assert!(lines.contains(&"INFO> caught".to_owned()), "{lines:?}");
}

#[test]
fn a_program_whose_reader_has_gone_ends_as_it_would_without_us() {
    let mut server = TestServer::start(&Broker::Embedded);
    let mut run = command(server.address(), "exec yes");
    let mut run = Process::start(run.stdout(Stdio::piped()));
    drop(run.child().stdout.take());
    assert_eq!(run.wait().code(), Some(128 + 13));
    server.stop();
}

#[test]
fn without_a_server_the_program_runs_to_its_end() {
    let mut command = Command::new(program("tensorplex"));
    command.args([
        "run",
        "--redis",
        "127.0.0.1:1",
        "--client-id",
        "a",
        "--timeout",
        "10ms",
        "--",
    ]);
    let output = command.args(["sh", "-c", "echo done; exit 4"]).output().unwrap();
    assert_eq!(
        (output.status.code(), &output.stdout[..]),
        (Some(4), &b"done\n"[..])
    );
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("tensorplex run: "), "{error}");
}

#[test]
fn a_program_that_cannot_start_is_told_apart() {
    let run = |program_name: &str| {
        let mut command = Command::new(program("tensorplex"));
        command.args([
            "run",
            "--redis",
            "127.0.0.1:1",
            "--client-id",
            "a",
            "--",
            program_name,
        ]);
        command.output().unwrap().status.code()
    };
    assert_eq!(run("/nowhere/program"), Some(127));
    assert_eq!(run("/"), Some(126));
}

#[test]
fn what_a_program_leaves_behind_does_not_hold_us() {
    let start = Instant::now();
    let (output, lines) = run("sleep 60 & echo left", "exit code 0");
    assert!(
        start.elapsed() < Duration::from_secs(30),
        "it waited for the sleeper"
    );
    assert!(output.status.success());
    assert_eq!(lines, ["INFO> left"]);
}

#[test]
fn a_hundred_megabytes_are_all_logged() {
    let script = "head -c 100000000 /dev/zero | tr '\\0' x | fold -w 9999; echo";
    let (output, lines) = run(script, "exit code 0");
    assert_eq!(output.stdout.len() as u64, 100_000_000 + 10_002);
    let length: usize = lines.iter().map(|line| line.len() - "INFO> ".len()).sum();
    assert_eq!(length, 100_000_000);
}

#[test]
fn a_program_sees_a_terminal_where_there_is_one() {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let mut server = TestServer::start(&Broker::Embedded);
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let path = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
    let terminal = std::fs::File::options()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    let mut run = command(
        server.address(),
        "test -t 1 && test -t 2 && echo terminal; echo both >&2",
    );
    run.stdin(Stdio::null()).stdout(terminal.try_clone().unwrap());
    let mut run = Process::start(run.stderr(terminal));
    assert!(run.wait().success());
    let mut seen = vec![0; 100];
    let read = rustix::io::read(&ours, &mut seen).unwrap();
    assert_eq!(&seen[..read], b"terminal\r\nboth\r\n");
    server.stop();
    let lines = wait_for("both lines", || {
        Some(logged(&server)).filter(|lines| lines.len() == 4)
    });
    assert_eq!(lines[1..3], ["INFO> terminal", "INFO> both"]);
}
