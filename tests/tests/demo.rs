//! The demo: it runs, and TensorBoard shows its curves, histograms and texts.

use std::path::Path;
use std::process::Command;

use tensorplex_tests::{BoundedOutput, RedisServer, Summary, dashboards, example, summary};

const STEPS: u64 = 50;

fn run(options: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(example("demo"));
    command.args(["--workers", "4", "--pace", "1", "--steps", &STEPS.to_string()]);
    command.arg("--logdir").arg(dir.path()).args(options);
    let output = command.output_in_time();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "the demo ended with {}: {errors}",
        output.status
    );
    let printed = String::from_utf8(output.stdout).unwrap();
    for part in [
        "4 of 4 workers done".to_owned(),
        "4 event files".to_owned(),
        "4 log files".to_owned(),
        format!("tensorboard --logdir {}", dir.path().display()),
    ] {
        assert!(printed.contains(&part), "{part}: {printed}");
    }
    dir
}

/// Asserts that both readers show every run, tag and step.
#[track_caller]
fn check_readers(seen: &Summary) {
    let bandit = [
        ("about/text_summary", "text", 1),
        ("bandit/arms", "histograms", STEPS / 10),
        ("bandit/regret", "scalars", STEPS),
        ("bandit/reward", "scalars", STEPS),
    ];
    let regression = [
        ("about/text_summary", "text", 1),
        ("regression/test_accuracy", "scalars", STEPS),
        ("regression/test_loss", "scalars", STEPS),
        ("regression/train_loss", "scalars", STEPS),
        ("regression/weights", "histograms", STEPS / 10),
    ];
    for runs in [&seen.rust, &seen.python] {
        let names: Vec<&String> = runs.keys().collect();
        assert_eq!(
            names,
            ["bandit/00", "bandit/01", "regression/00", "regression/01"]
        );
        for (run, tags) in runs {
            let series: Vec<_> = tags
                .iter()
                .map(|(tag, series)| (tag.as_str(), series.plugin.as_str(), series.count))
                .collect();
            let expected = if run.starts_with("bandit") {
                &bandit[..]
            } else {
                &regression
            };
            assert_eq!(series, expected, "{run}");
            assert!(tags.values().all(|series| series.increasing), "{run}");
        }
    }
}

fn check_log_files(logdir: &Path) {
    for id in ["bandit/00", "bandit/01", "regression/00", "regression/01"] {
        let text = std::fs::read_to_string(logdir.join(format!("logs/{id}.log"))).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{id}: {text}");
        assert!(
            lines[0].ends_with("INFO> ========== training =========="),
            "{text}"
        );
        assert!(lines[1].contains("INFO> step 0: "), "{text}");
        assert!(lines[2].ends_with(&format!("after {STEPS} steps")), "{text}");
    }
}

#[test]
fn tensorboard_shows_the_demo_in_a_browser() {
    let dir = run(&[]);
    check_readers(&summary(dir.path()));
    check_log_files(dir.path());
    dashboards(&[
        "check",
        dir.path().to_str().unwrap(),
        "--scalars",
        "bandit/reward",
        "regression/test_loss",
        "--histograms",
        "bandit/arms",
        "regression/weights",
        "--text",
        "UCB1",
        "logistic regression",
    ]);
}

#[test]
fn the_demo_runs_through_redis() {
    let redis = RedisServer::start();
    let dir = run(&["--redis", &redis.address()]);
    check_readers(&summary(dir.path()));
    check_log_files(dir.path());
}
