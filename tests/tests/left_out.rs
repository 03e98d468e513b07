//! One entry that cannot be read does not end a tool: it is left out and named.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tensorplex::local::RunWriter;
use tensorplex_tests::{BoundedOutput, program};

/// Exit code of a tool that left something out.
const LEFT_OUT: Option<i32> = Some(3);

fn run(args: &[&str], logdir: &Path) -> Output {
    let mut command = Command::new(program("tensorplex"));
    command.args(args).arg(logdir).output_in_time()
}

fn write_run(dir: &Path) {
    let mut writer = RunWriter::create(dir).unwrap();
    writer.add_scalar("loss", 0.5, Some(1), None).unwrap();
    writer.flush().unwrap();
}

/// A log directory with two runs, and entries that cannot be read, also by root.
fn logdir() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for name in ["agent/2", "agent/10"] {
        write_run(&dir.path().join(name));
    }
    symlink("nowhere", dir.path().join("dangling")).unwrap();
    symlink("itself", dir.path().join("itself")).unwrap();
    std::fs::create_dir_all(dir.path().join("deep").join("a/".repeat(70))).unwrap();
    // It opens, and reading it fails.
    std::fs::create_dir(dir.path().join("odd")).unwrap();
    symlink("/proc/self/mem", dir.path().join("odd/a.tfevents")).unwrap();
    dir
}

#[track_caller]
fn names_all(output: &Output, names: &[&str]) {
    assert_eq!(output.status.code(), LEFT_OUT, "{output:?}");
    let errors = String::from_utf8_lossy(&output.stderr);
    for name in names {
        let is_named = errors
            .lines()
            .any(|line| line.contains("left out ") && line.contains(name));
        assert!(is_named, "{name}: {errors}");
    }
}

#[test]
fn export_and_doctor_do_the_rest() {
    let dir = logdir();
    let entries = ["/dangling: ", "/itself: ", "/deep/a/", "/odd"];
    for format in ["csv", "jsonl", "json", "parquet"] {
        let output = run(&["export", "--format", format], dir.path());
        names_all(&output, &entries);
        if format == "csv" {
            let text = String::from_utf8(output.stdout).unwrap();
            let runs: Vec<&str> = text.lines().filter_map(|line| line.split(',').next()).collect();
            assert_eq!(runs, ["run", "agent/2", "agent/10"]);
        } else if format == "json" {
            let seen: Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(seen.as_object().unwrap().len(), 2, "{seen}");
        }
    }
    // Doctor reads no further than the length of a file, and that of this one is 0.
    std::fs::remove_dir_all(dir.path().join("odd")).unwrap();
    let entries = &entries[..3];
    names_all(&run(&["doctor"], dir.path()), entries);

    let copy = tempfile::tempdir().unwrap();
    let copy = copy.path().join("copy");
    let mut command = Command::new(program("tensorplex"));
    command.arg("doctor").arg(dir.path()).arg("--repair").arg(&copy);
    names_all(&command.output_in_time(), entries);
    let output = run(&["export"], &copy);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 3);
}

#[test]
fn top_shows_the_rest() {
    let dir = logdir();
    let output = run(
        &["top", "--json", "--redis", "127.0.0.1:1", "--logdir"],
        dir.path(),
    );
    names_all(&output, &["/dangling: ", "/itself: ", "/deep/a/"]);
    let seen: Value = serde_json::from_slice(&output.stdout).unwrap();
    let names: Vec<&str> = seen["runs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| run["run"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["agent/2", "agent/10"]);
}

#[test]
fn a_pattern_that_matches_no_run_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    write_run(&dir.path().join("agent/2"));
    write_run(&dir.path().join("agent/10"));
    let output = run(&["export", "--run", "agnt*", "--run", "agent/2"], dir.path());
    assert_eq!(output.status.code(), LEFT_OUT);
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "tensorplex export: no run matches \"agnt*\"; there are agent/2, agent/10\n"
    );
    let output = run(&["export", "--tag", "los", "--run", "agent/2"], dir.path());
    assert_eq!(output.status.code(), LEFT_OUT);
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "tensorplex export: no tag matches \"los\"; there is loss\n"
    );
    let args = ["top", "--run", "agnt*", "--redis", "127.0.0.1:1", "--logdir"];
    let output = run(&args, dir.path());
    assert_eq!(output.status.code(), LEFT_OUT);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        errors.contains("no run matches \"agnt*\"; there are agent/2, agent/10"),
        "{errors}"
    );
}

#[test]
fn a_file_is_no_log_directory() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for args in [
        &["export"][..],
        &["doctor"],
        &["top", "--redis", "127.0.0.1:1", "--logdir"],
    ] {
        let output = run(args, file.path());
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            errors.contains("is not a directory: name the log directory"),
            "{errors}"
        );
    }
    let output = Command::new(program("tensorplex-server"))
        .args(["--listen", "127.0.0.1:0", "--logdir"])
        .arg(file.path())
        .output_in_time();
    assert!(!output.status.success());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        errors.contains("is a file: --logdir names the directory"),
        "{errors}"
    );
}
