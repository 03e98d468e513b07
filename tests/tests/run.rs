//! `tensorplex run`: captures a program's output into its log.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use tensorplex_tests::{BoundedOutput, Broker, Lines, Process, TestServer, in_time, program, wait_for};

fn command(address: &str, script: &str) -> Command {
    let mut command = Command::new(program("tensorplex"));
    command.args(["run", "--redis", address, "--client-id", "agent/0", "--"]);
    command.args(["sh", "-c", script]);
    command
}

/// Lines of the log, without their time.
fn logged(server: &TestServer) -> Vec<String> {
    let text = std::fs::read_to_string(server.logdir().join("logs/agent/0.log")).unwrap();
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.map(|(_, rest)| rest.to_owned()).collect()
}

/// Runs a script; returns its output, and the log lines between start and end.
fn run(script: &str, how_it_ends: &str) -> (Output, Vec<String>) {
    let mut server = TestServer::start(&Broker::Embedded);
    let output = command(server.address(), script).output_in_time();
    server.stop();
    let mut lines = logged(&server);
    assert!(lines.remove(0).starts_with("INFO> started: sh -c "), "{lines:?}");
    let end = lines.pop().unwrap();
    assert!(end.contains(&format!("> ended: {how_it_ends} after ")), "{end}");
    assert!(end.contains("peak memory ") && end.ends_with("iB"), "{end}");
    (output, lines)
}

#[test]
fn output_is_passed_through_and_logged() {
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
fn the_exit_code_tells_the_signal_that_ended_the_program() {
    let (output, _) = run("kill -KILL $$", "signal SIGKILL");
    assert_eq!(output.status.code(), Some(128 + 9));
}

#[test]
fn signals_are_forwarded() {
    let mut server = TestServer::start(&Broker::Embedded);
    let script = "trap 'echo caught; exit 7' TERM; echo ready; while :; do sleep 0.01; done";
    let mut run = command(server.address(), script);
    let mut run = Process::start(run.stdin(Stdio::null()).stdout(Stdio::piped()));
    let output = Lines::of(run.child().stdout.take().unwrap());
    assert_eq!(output.next("the program to be ready"), "ready");
    assert_eq!(run.terminate().code(), Some(7));
    server.stop();
    let lines = logged(&server);
    assert!(lines.contains(&"INFO> caught".to_owned()), "{lines:?}");
}

#[test]
fn a_program_with_a_closed_output_pipe_ends_by_sigpipe() {
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
    let output = command.args(["sh", "-c", "echo done; exit 4"]).output_in_time();
    assert_eq!(
        (output.status.code(), &output.stdout[..]),
        (Some(4), &b"done\n"[..])
    );
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("tensorplex run: "), "{error}");
}

#[test]
fn a_program_that_cannot_start_has_its_own_exit_code() {
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
        command.output_in_time().status.code()
    };
    assert_eq!(run("/nowhere/program"), Some(127));
    assert_eq!(run("/"), Some(126));
}

/// A background process keeps its output, and is logged until it ends.
#[test]
fn background_processes_can_print_after_the_end() {
    let mut server = TestServer::start(&Broker::Embedded);
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let go = path("go");
    let script = format!(
        "(while ! [ -e {go} ]; do sleep 0.01; done; echo later; echo last; touch {alive}) & echo left",
        go = go.display(),
        alive = path("alive").display(),
    );
    let output = File::create(path("output")).unwrap();
    let mut run = command(server.address(), &script);
    let mut run = Process::start(run.stdin(Stdio::null()).stdout(output));
    assert_eq!(run.wait().code(), Some(0));
    File::create(&go).unwrap();
    wait_for("the background process to print", || {
        path("alive").exists().then_some(())
    });
    wait_for("its output in the log", || {
        let last = logged(&server).pop();
        (last.as_deref() == Some("INFO> last")).then_some(())
    });
    server.stop();
    let lines = logged(&server);
    assert_eq!((lines.len(), &lines[1][..]), (5, "INFO> left"), "{lines:?}");
    assert!(lines[2].starts_with("INFO> ended: exit code 0"), "{lines:?}");
    assert_eq!(lines[3..], ["INFO> later", "INFO> last"]);
    assert_eq!(
        std::fs::read_to_string(path("output")).unwrap(),
        "left\nlater\nlast\n"
    );
}

/// Schedulers and service managers signal the program as well as `tensorplex run`.
#[test]
fn a_signal_to_the_process_group_reaches_the_program_once() {
    let mut server = TestServer::start(&Broker::Embedded);
    let script = "trap 'echo caught' TERM; trap 'echo end; exit' USR2; echo ready; \
                  while :; do sleep 0.01; done";
    for _ in 0..5 {
        let mut run = command(server.address(), script);
        let mut run = Process::start(run.stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0));
        let pid = Pid::from_raw(i32::try_from(run.child().id()).unwrap()).unwrap();
        let output = Lines::of(run.child().stdout.take().unwrap());
        assert_eq!(output.next("the program to be ready"), "ready");
        kill_process_group(pid, Signal::TERM).unwrap();
        assert_eq!(output.next("the signal to the group"), "caught");
        // Signals are forwarded in order, so no other one is on its way after this one.
        kill_process(pid, Signal::USR2).unwrap();
        assert_eq!(output.next("the signal to run alone"), "end");
        assert_eq!(run.wait().code(), Some(0));
    }
    server.stop();
}

#[test]
fn the_program_finds_the_server() {
    let mut server = TestServer::start(&Broker::Embedded);
    let output = command(server.address(), "echo $TENSORPLEX_URL").output_in_time();
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), server.address());
    server.stop();
}

#[test]
fn a_traceback_is_an_error_and_standard_error_has_its_level() {
    let script =
        "echo out; printf 'Traceback (most recent call last):\\n  File\\nValueError: x\\nbad\\n' >&2";
    let (_, lines) = run(script, "exit code 0");
    let mut expect = [
        "INFO> out",
        "ERROR> Traceback (most recent call last):",
        "ERROR>   File",
        "ERROR> ValueError: x",
        "INFO> bad",
    ];
    let sorted = |mut lines: Vec<String>| {
        lines.sort();
        lines
    };
    expect.sort_unstable();
    assert_eq!(sorted(lines), expect);

    let mut server = TestServer::start(&Broker::Embedded);
    let mut command = Command::new(program("tensorplex"));
    command.args(["run", "--redis", server.address(), "--client-id", "agent/0"]);
    command.args(["--stderr-level", "warning", "--", "sh", "-c", "exec 2>&1; echo a"]);
    command.output_in_time();
    let mut command = Command::new(program("tensorplex"));
    command.args(["run", "--redis", server.address(), "--client-id", "agent/0"]);
    command.args(["--stderr-level", "warning", "--", "sh", "-c", "echo b >&2"]);
    command.output_in_time();
    server.stop();
    let lines = logged(&server);
    assert!(lines.contains(&"INFO> a".to_owned()), "{lines:?}");
    assert!(lines.contains(&"WARNING> b".to_owned()), "{lines:?}");
}

#[test]
fn a_long_line_is_broken_between_characters() {
    let (_, lines) = run("yes 日 | head -n 70000 | tr -d '\\n'", "exit code 0");
    let text: String = lines.iter().map(|line| &line["INFO> ".len()..]).collect();
    assert_eq!((lines.len(), text == "日".repeat(70_000)), (4, true));
}

#[test]
fn a_hundred_megabytes_are_all_logged() {
    let script = "head -c 100000000 /dev/zero | tr '\\0' x | fold -w 9999; echo";
    let (output, lines) = run(script, "exit code 0");
    assert_eq!(output.stdout.len() as u64, 100_000_000 + 10_002);
    let length: usize = lines.iter().map(|line| line.len() - "INFO> ".len()).sum();
    assert_eq!(length, 100_000_000);
}

/// Both ends of a pseudo-terminal: the test's and the program's.
fn terminal() -> (OwnedFd, File) {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let path = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
    (ours, File::options().read(true).write(true).open(path).unwrap())
}

fn seen(terminal: &OwnedFd) -> String {
    let terminal = terminal.try_clone().unwrap();
    in_time("output on the terminal", move || {
        let mut seen = vec![0; 100];
        let read = rustix::io::read(terminal, &mut seen).unwrap();
        String::from_utf8(seen[..read].to_vec()).unwrap()
    })
}

#[test]
fn a_program_gets_a_terminal_if_run_has_one() {
    let mut server = TestServer::start(&Broker::Embedded);
    let (ours, terminal) = terminal();
    let mut run = command(
        server.address(),
        "test -t 1 && test -t 2 && echo terminal; echo both >&2",
    );
    run.stdin(Stdio::null()).stdout(terminal.try_clone().unwrap());
    let mut run = Process::start(run.stderr(terminal));
    assert!(run.wait().success());
    assert_eq!(seen(&ours), "terminal\r\nboth\r\n");
    server.stop();
    let lines = wait_for("both lines", || {
        Some(logged(&server)).filter(|lines| lines.len() == 4)
    });
    assert_eq!(lines[1..3], ["INFO> terminal", "INFO> both"]);
}

#[test]
fn two_terminals_stay_separate() {
    let server = TestServer::start(&Broker::Embedded);
    let ((out, to_out), (err, to_err)) = (terminal(), terminal());
    let mut run = command(server.address(), "echo out; echo err >&2; test -t 1 && test -t 2");
    let mut run = Process::start(run.stdin(Stdio::null()).stdout(to_out).stderr(to_err));
    assert!(run.wait().success());
    assert_eq!((seen(&out), seen(&err)), ("out\r\n".into(), "err\r\n".into()));
}

#[test]
fn terminal_size_changes_are_forwarded() {
    let server = TestServer::start(&Broker::Embedded);
    let (ours, terminal) = terminal();
    let size = |rows| rustix::termios::Winsize {
        ws_row: rows,
        ws_col: 100,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    rustix::termios::tcsetwinsize(&ours, size(20)).unwrap();
    let script = "trap 'stty size <&1; exit' WINCH; stty size <&1; while :; do sleep 0.01; done";
    let mut run = command(server.address(), script);
    run.stdin(terminal.try_clone().unwrap()).stdout(terminal);
    let mut run = Process::start(&mut run);
    assert_eq!(seen(&ours), "20 100\r\n");
    rustix::termios::tcsetwinsize(&ours, size(50)).unwrap();
    // A shell would signal the foreground process group.
    run.signal(rustix::process::Signal::WINCH);
    assert_eq!(seen(&ours), "50 100\r\n");
    assert!(run.wait().success());
}

#[test]
fn children_that_write_at_the_same_time_have_whole_lines() {
    let child = "n=0; while [ $n -lt 2000 ]; do n=$((n+1)); echo $i $n; done";
    let script = &format!("for i in 1 2 3 4; do ({child}) & done; wait");
    let (output, lines) = run(script, "exit code 0");
    let out = String::from_utf8(output.stdout).unwrap();
    assert_eq!(lines.len(), 8000);
    for child in ["1 ", "2 ", "3 ", "4 "] {
        let of_child = |line: &&str| line.starts_with(child);
        let wanted: Vec<String> = (1..=2000).map(|n| format!("{child}{n}")).collect();
        assert!(out.lines().filter(of_child).eq(&wanted), "on the terminal");
        let logged = lines.iter().map(|line| line.trim_start_matches("INFO> "));
        assert!(logged.filter(of_child).eq(&wanted), "in the log");
    }
}

fn lines_are_there_once_across_a_restart(broker: &Broker) {
    const LINES: u32 = 300_000;
    let mut server = TestServer::start(broker);
    let script = format!("seq {}; read go; seq {} {LINES}", LINES / 2, LINES / 2 + 1);
    let mut run = command(server.address(), &script);
    let mut run = Process::start(run.stdin(Stdio::piped()).stdout(Stdio::null()));
    server.kill_and_restart();
    run.child().stdin.take().unwrap().write_all(b"go\n").unwrap();
    server.kill_and_restart();
    assert!(run.wait().success());
    server.stop();
    let lines = logged(&server);
    let wanted: Vec<String> = (1..=LINES).map(|n| format!("INFO> {n}")).collect();
    assert!(lines[1..lines.len() - 1] == wanted, "{} lines", lines.len());
}

#[test]
fn lines_are_there_once_across_a_restart_through_redis() {
    lines_are_there_once_across_a_restart(&Broker::redis());
}

#[test]
fn lines_are_there_once_across_a_restart_through_the_embedded_broker() {
    lines_are_there_once_across_a_restart(&Broker::Embedded);
}
