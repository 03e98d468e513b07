//! The examples run with a real Redis and with an embedded broker, and produce the files that they
//! promise.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tensorplex_tests::{BoundedOutput, TestBroker, dump, example, on_both_brokers, plugins};

/// Example that needs a broker; without Redis it embeds one.
fn through(name: &str, broker: &TestBroker) -> Command {
    let mut command = Command::new(example(name));
    match broker {
        TestBroker::Redis(redis) => command.env("REDIS", redis.address()),
        TestBroker::Embedded(..) => command.env_remove("REDIS"),
    };
    command
}

/// Runs an example on a new directory; returns its output.
fn run(name: &str, logdir: &Path, broker: &TestBroker) -> String {
    let mut command = through(name, broker);
    let output = command.arg(logdir).env_remove("RUST_LOG").output_in_time();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.success(),
        "{name} ended with {}: {errors}",
        output.status
    );
    assert_eq!(errors, "", "{name}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs an example; returns the points in which both readers agree.
fn shown(name: &str, broker: &TestBroker) -> Value {
    let dir = tempfile::tempdir().unwrap();
    let printed = run(name, dir.path(), broker);
    assert_eq!(
        printed,
        format!("tensorboard --logdir {}\n", dir.path().display())
    );
    let mut seen = dump(dir.path());
    assert_eq!(seen["rust"], seen["python"], "{name}");
    seen["rust"].take()
}

fn keys(map: &Value) -> Vec<&str> {
    map.as_object().unwrap().keys().map(String::as_str).collect()
}

/// Steps and values of scalars.
fn values(series: &Value) -> Vec<(i64, f64)> {
    let points = series["points"].as_array().unwrap().iter();
    points
        .map(|point| (point[0].as_i64().unwrap(), point[1].as_f64().unwrap()))
        .collect()
}

fn quickstart_leaves_a_curve_histograms_and_a_text(broker: TestBroker) {
    let seen = shown("quickstart", &broker);
    assert_eq!(keys(&seen), ["agent/17"]);
    let run = &seen["agent/17"];
    assert_eq!(keys(run), ["about/text_summary", "loss", "x"]);
    assert_eq!(
        run["about/text_summary"]["points"][0][1][0],
        "gradient descent on **x²**"
    );
    let loss = values(&run["loss"]);
    assert_eq!((loss.len(), loss[0]), (100, (0, 9.0)));
    assert!(
        loss.windows(2)
            .all(|two| two[1].0 == two[0].0 + 1 && two[1].1 < two[0].1)
    );
    assert_eq!(run["x"]["plugin"], "histograms");
    assert_eq!(run["x"]["points"].as_array().unwrap().len(), 100);
}

fn gallery_fills_every_dashboard(broker: TestBroker) {
    let dir = tempfile::tempdir().unwrap();
    run("gallery", dir.path(), &broker);
    let (seen, answers) = (dump(dir.path()), plugins(dir.path()));
    for reader in ["rust", "python"] {
        let run = seen[reader]["gallery"].as_object().unwrap();
        let shown: BTreeSet<&str> = run
            .values()
            .map(|series| series["plugin"].as_str().unwrap())
            .collect();
        let expected = "audio custom_scalars graphs histograms hparams images mesh pr_curves scalars text";
        assert_eq!(shown, expected.split(' ').collect(), "{reader} reader");
        let answer = &answers[reader];
        assert_eq!(
            answer["projector"]["gallery"][0]["shape"],
            serde_json::json!([10, 5])
        );
        assert_eq!(
            answer["custom_scalars"]["lines"]["curve/.*"]
                .as_object()
                .unwrap()
                .len(),
            2
        );
        assert_eq!(answer["hparams"][0]["hparams"]["model"], "small");
        assert_eq!(answer["hparams"][0]["status"], "STATUS_SUCCESS");
    }
}

fn many_workers_leaves_a_run_for_each(broker: TestBroker) {
    let seen = shown("many_workers", &broker);
    let runs: Vec<_> = (0..8).map(|n| format!("worker/{n}")).collect();
    assert_eq!(keys(&seen), runs);
    for run in &runs {
        assert_eq!(keys(&seen[run]), ["error"]);
        let error = values(&seen[run]["error"]);
        assert_eq!(error.len(), 10);
        assert!(error[9].1 < 1e-9, "{error:?}");
    }
}

fn groups_put_clients_into_runs_and_charts(broker: TestBroker) {
    let seen = shown("groups", &broker);
    let mut pairs = BTreeSet::new();
    for run in keys(&seen) {
        for tag in keys(&seen[run]) {
            assert_eq!(values(&seen[run][tag]).len(), 50, "{run} {tag}");
            pairs.insert((run.to_owned(), tag.to_owned()));
        }
    }
    let mut expected = BTreeSet::new();
    let mut expect = |run: &str, tag: &str| expected.insert((run.to_owned(), tag.to_owned()));
    expect("learner", "actor/loss");
    expect("learner", "critic/loss");
    for n in 0..16 {
        let chart = if n < 8 { "0-7" } else { "8-15" };
        expect(&format!("agent/{n}"), &format!("agent/reward/{chart}"));
    }
    expect("player/red1", "player/score/red");
    expect("player/red2", "player/score/red");
    expect("player/blue1", "player/score/blue");
    assert_eq!(pairs, expected);
}

fn text_logs_shows_the_files_it_wrote(broker: TestBroker) {
    let dir = tempfile::tempdir().unwrap();
    let printed = run("text_logs", dir.path(), &broker);
    let mut expected = String::new();
    let mut lines = Vec::new();
    for id in ["agent/0", "agent/1"] {
        let path = dir.path().join(format!("logs/{id}.log"));
        let text = std::fs::read_to_string(&path).unwrap();
        expected += &format!("{}:\n{text}\n", path.display());
        lines.extend(text.lines().map(without_time));
    }
    assert_eq!(printed, expected);
    assert_eq!(
        lines,
        [
            "INFO> ========== start ==========",
            "INFO> two lines",
            "    | of one message",
            "WARNING> nothing learnt yet",
            "INFO3> loss 0.25 of step 7",
            "INFO> 12.5% of all steps done",
            "ERROR> a bad setting",
            "    | ERROR> invalid digit found in string",
            "INFO> started too",
        ]
    );
}

fn without_time(line: &str) -> String {
    let has_time = line.starts_with(|c: char| c.is_ascii_digit());
    line[if has_time { "12:34:56 ".len() } else { 0 }..].to_owned()
}

fn own_object_prints_its_results(broker: TestBroker) {
    let dir = tempfile::tempdir().unwrap();
    let printed = run("own_object", dir.path(), &broker);
    let lines: Vec<_> = printed.lines().collect();
    assert_eq!(lines.len(), 3, "{printed}");
    assert_eq!(lines[0], "10 15");
    assert!(lines[1].starts_with("Err("), "{}", lines[1]);
    assert!(lines[1].contains("100 wanted, 15 there"), "{}", lines[1]);
    assert_eq!(lines[2], "15 alice");
}

/// The example kills itself, and its next run continues from the same count.
fn durable_counter_keeps_every_printed_count(broker: TestBroker) {
    use std::os::unix::process::ExitStatusExt;

    let dir = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let output = through("durable_counter", &broker)
            .arg(dir.path())
            .output_in_time();
        assert_eq!(output.status.signal(), Some(9), "{output:?}");
        let printed = String::from_utf8(output.stdout).unwrap();
        let totals: Vec<i64> = printed.lines().map(|line| line.parse().unwrap()).collect();
        let first = round * 1000;
        assert_eq!(totals, (first + 1..=first + 1000).collect::<Vec<_>>());
    }
}

on_both_brokers! {
    gallery_fills_every_dashboard,
    quickstart_leaves_a_curve_histograms_and_a_text,
    many_workers_leaves_a_run_for_each,
    groups_put_clients_into_runs_and_charts,
    text_logs_shows_the_files_it_wrote,
    own_object_prints_its_results,
    durable_counter_keeps_every_printed_count,
}
