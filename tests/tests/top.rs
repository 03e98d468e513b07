//! `tensorplex top` in a real terminal, and its output for scripts.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tensorplex::Writer;
use tensorplex_tests::{BoundedOutput, Broker, TestServer, Tmux, program, wait_for};

const FLUSH: Duration = Duration::from_secs(30);

fn log(server: &TestServer, client: &str, values: &[f64]) {
    let recorder = Writer::connect(server.address(), client).unwrap();
    for (step, value) in (0..).zip(values) {
        recorder.scalar("loss", *value, step);
        recorder.scalar("reward", step as f64, step);
    }
    recorder.flush(FLUSH).unwrap();
}

fn top(server: &TestServer) -> Command {
    let mut command = Command::new(program("tensorplex"));
    command
        .args(["top", "--redis", server.address(), "--logdir"])
        .arg(server.logdir());
    command
}

#[test]
fn a_terminal_shows_runs_values_and_the_backlog() {
    let mut server = TestServer::start(&Broker::Embedded);
    log(&server, "agent/0", &[1.0, 0.5, 0.25]);
    let command = format!(
        "'{}' top --redis {} --logdir '{}' --tag loss --tag reward",
        program("tensorplex").display(),
        server.address(),
        server.logdir().display()
    );
    let terminal = Tmux::start(110, 20, &command);
    let shows = |words: &[&str]| {
        wait_for(&format!("{words:?} on the screen"), || {
            let screen = terminal.screen(false);
            words.iter().all(|word| screen.contains(word)).then_some(())
        });
    };
    shows(&[
        "1 run, 0 silent",
        "agent/0",
        "loss",
        "0.25000  █▃▁",
        "reward",
        "2.0000  ▁▅█",
        "tensorplex 0 waiting",
    ]);
    log(&server, "agent/1", &[0.5; 30]);
    shows(&["2 runs, 0 silent", "agent/1", "29"]);
    terminal.resize(40, 7);
    wait_for("a screen that fits", || {
        let screen = terminal.screen(false);
        (screen.contains("and 1 run more") && screen.lines().all(|line| line.chars().count() <= 40))
            .then_some(())
    });
    terminal.resize(110, 20);
    server.kill();
    shows(&["agent/1", "no broker: "]);
    terminal.press("q");
    shows(&["ended with 0"]);
    assert!(
        !terminal.screen(false).contains("agent/1"),
        "the screen is not what it was before"
    );
}

#[test]
fn scripts_get_one_object() {
    let mut server = TestServer::start(&Broker::Embedded);
    log(&server, "agent/0", &[1.0, f64::NAN]);
    let output = top(&server)
        .args(["--json", "--tag", "*", "--silent-after", "0s"])
        .output_in_time();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let seen: Value = serde_json::from_slice(&output.stdout).unwrap();
    let run = &seen["runs"][0];
    assert_eq!(
        (&run["run"], &run["last_step"], &run["silent"]),
        (&"agent/0".into(), &1.into(), &true.into())
    );
    assert_eq!(run["tags"]["loss"]["value"], "NaN");
    assert_eq!(seen["broker"]["tensorplex"]["frames"], 0);
    assert!(seen["broker"]["loggerplex"]["server"].is_string(), "{seen}");
    server.stop();

    let output = top(&server).output_in_time();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("agent/0") && !text.contains('\x1b'), "{text}");
    let output = top(&server).args(["--logdir", "nowhere"]).output_in_time();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn frames_that_wait_without_a_server_are_shown() {
    let redis = tensorplex_tests::RedisServer::start();
    let dir = tempfile::tempdir().unwrap();
    let recorder = Writer::connect(&redis.address(), "agent/0").unwrap();
    recorder.scalar("loss", 0.5, 0);
    wait_for("the frame in the backlog", || {
        let mut command = Command::new(program("tensorplex"));
        command
            .args(["top", "--json", "--redis", &redis.address(), "--logdir"])
            .arg(dir.path());
        let seen: Value = serde_json::from_slice(&command.output_in_time().stdout).unwrap();
        let queue = &seen["broker"]["tensorplex"];
        (queue["frames"] == 1 && queue["age_s"].as_f64() > Some(0.0) && queue["server"].is_null())
            .then_some(())
    });
}
