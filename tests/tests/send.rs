//! `tensorplex send` as a process, the client for every language that can print a line.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tensorplex_tests::{BoundedOutput, Broker, RedisServer, TestServer, dump, program};

/// Sends `lines` to `address`.
fn send(address: &str, options: &[&str], lines: &[&str]) -> Output {
    let mut command = Command::new(program("tensorplex"));
    command.args(["send", "--redis", address]).args(options);
    command.env_remove("RUST_LOG").stdin(Stdio::piped());
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    for line in lines {
        writeln!(input, "{line}").unwrap();
    }
    drop(input);
    child.output_in_time()
}

fn errors(output: &Output) -> Vec<String> {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[track_caller]
fn all_went_well(output: &Output) {
    assert_eq!((output.status.code(), errors(output)), (Some(0), vec![]));
}

/// Steps and values of a series in which both readers agree.
#[track_caller]
fn points(seen: &Value, run: &str, tag: &str) -> Value {
    let points = &seen["rust"][run][tag]["points"];
    assert_eq!(points, &seen["python"][run][tag]["points"], "{run} {tag}");
    let points = points
        .as_array()
        .unwrap_or_else(|| panic!("no {tag} in {run}: {seen}"));
    points.iter().map(|point| json!([point[0], point[1]])).collect()
}

fn sent_records_are_visible_when_send_ends(broker: &Broker) {
    let server = TestServer::start(broker);
    let output = send(
        server.address(),
        &["--client-id", "agent/0"],
        &[
            r#"{"method": "add_scalar", "args": ["loss", 0.5, 10]}"#,
            "",
            r#"{"method": "add_scalar", "kwargs": {"tag": "loss", "scalar_value": 0.25, "global_step": 11, "walltime": 1700000000.1234567}}"#,
            r#"{"method": "add_scalar", "args": ["no step"], "kwargs": {"scalar_value": 1}}"#,
            r#"{"method": "add_scalars", "args": [{"x": 1, "y": 2.5}, 3], "client_id": "agent/1"}"#,
            r#"{"method": "add_text", "args": ["note", "grüße"], "client_id": "agent/1"}"#,
            r#"{"method": "add_histogram", "args": ["h", [1, 2.5]], "client_id": "agent/1"}"#,
        ],
    );
    all_went_well(&output);

    let seen = dump(server.logdir());
    assert_eq!(seen["rust"].as_object().unwrap().len(), 2, "{seen}");
    assert_eq!(points(&seen, "agent/0", "loss"), json!([[10, 0.5], [11, 0.25]]));
    assert_eq!(points(&seen, "agent/0", "no step"), json!([[0, 1.0]]));
    assert_eq!(
        seen["rust"]["agent/0"]["loss"]["points"][1][2],
        1700000000.1234567
    );
    assert_eq!(points(&seen, "agent/1", "x"), json!([[3, 1.0]]));
    assert_eq!(points(&seen, "agent/1", "y"), json!([[3, 2.5]]));
    assert_eq!(
        points(&seen, "agent/1", "note/text_summary"),
        json!([[0, ["grüße"]]])
    );
    assert_eq!(points(&seen, "agent/1", "h").as_array().unwrap().len(), 1);
}

#[test]
fn sent_records_are_visible_when_send_ends_through_redis() {
    sent_records_are_visible_when_send_ends(&Broker::redis());
}

#[test]
fn sent_records_are_visible_when_send_ends_through_the_embedded_broker() {
    sent_records_are_visible_when_send_ends(&Broker::Embedded);
}

#[test]
fn log_lines_go_to_the_queue_loggerplex() {
    let server = TestServer::start(&Broker::Embedded);
    let lines = [
        r#"{"method": "info", "args": ["started"]}"#,
        r#"{"method": "log", "kwargs": {"message": "x", "level": 23}, "client_id": "agent/1"}"#,
        r#"{"method": "section", "args": ["epoch"], "kwargs": {"repeat": 4}}"#,
    ];
    all_went_well(&send(server.address(), &["--queue", "loggerplex"], &lines));
    let text = |id: &str| {
        let text = std::fs::read_to_string(server.logdir().join("logs").join(id)).unwrap();
        // The time is the first word.
        text.lines()
            .map(|line| line.split_once(' ').unwrap().1.to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(text("send.log"), ["INFO> started", "INFO> == epoch =="]);
    assert_eq!(text("agent/1.log"), ["INFO3> x"]);
}

#[test]
fn an_invalid_line_is_reported_and_the_others_are_sent() {
    let server = TestServer::start(&Broker::Embedded);
    let bad = [
        ("no JSON at all", "expected"),
        (r#"{"method": "add_scalar""#, "EOF"),
        (r#"{"args": []}"#, "missing field `method`"),
        (r#"{"method": "add_scalar", "arg": []}"#, "unknown field `arg`"),
        (
            r#"{"method": "no_such", "args": []}"#,
            "unknown method \"no_such\"",
        ),
        (
            r#"{"method": "add_scalar", "args": ["loss", "high"]}"#,
            "argument scalar_value",
        ),
        (
            r#"{"method": "add_scalar", "args": ["loss"]}"#,
            "argument scalar_value",
        ),
        (
            r#"{"method": "add_scalar", "args": ["loss", 1], "kwargs": {"step": 1}}"#,
            "argument step",
        ),
        (
            r#"{"method": "add_scalar", "args": ["loss", 1], "client_id": "../x"}"#,
            "starts with a dot",
        ),
        (
            r#"{"method": "add_scalar", "args": ["loss", 1], "client_id": "logs/x"}"#,
            "reserved",
        ),
        (r#"{"method": "add_scalar", "args": ["", 1]}"#, "the tag is empty"),
    ];
    // Valid lines have even numbers.
    let good: Vec<_> = (0..bad.len())
        .map(|n| format!(r#"{{"method": "add_scalar", "args": ["loss", {n}, {n}]}}"#))
        .collect();
    let lines: Vec<&str> = bad
        .iter()
        .zip(&good)
        .flat_map(|((bad, _), good)| [*bad, good])
        .collect();
    let output = send(server.address(), &[], &lines);

    assert_eq!(output.status.code(), Some(1));
    let errors = errors(&output);
    assert_eq!(errors.len(), bad.len(), "{errors:#?}");
    for (n, (line, why)) in bad.into_iter().enumerate() {
        let start = format!("tensorplex send: line {}: ", 2 * n + 1);
        let found = errors
            .iter()
            .find(|error| error.starts_with(&start))
            .unwrap_or_else(|| panic!("{line}: {errors:#?}"));
        assert!(found.contains(why), "{line}: {found}");
    }
    let expected: Value = (0..good.len()).map(|n| json!([n, n as f64])).collect();
    assert_eq!(points(&dump(server.logdir()), "send", "loss"), expected);
}

#[test]
fn a_line_that_is_not_utf_8_is_reported() {
    let server = TestServer::start(&Broker::Embedded);
    let mut command = Command::new(program("tensorplex"));
    command.args(["send", "--redis", server.address()]);
    let mut child = command
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input
        .write_all(b"\xff\xfe\n{\"method\": \"add_scalar\", \"args\": [\"a\", 1]}\n")
        .unwrap();
    drop(input);
    let output = child.output_in_time();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(errors(&output), ["tensorplex send: line 1: not UTF-8"]);
    assert!(server.logdir().join("send").is_dir());
}

/// Lines as Python's json, jq, `tensorplex export` and PowerShell write them.
#[test]
fn lines_of_other_programs_are_sent() {
    let server = TestServer::start(&Broker::Embedded);
    let output = send(
        server.address(),
        &[],
        &[
            "\u{feff}{\"method\": \"add_scalar\", \"args\": [\"loss\", NaN, 1]}\r",
            "\r",
            r#"{"method": "add_scalar", "args": ["loss", -Infinity, 2.0]}"#,
            r#"{"method": "add_scalar", "args": ["loss", "NaN", 3.0]}"#,
            r#"{"method": "add_scalar", "args": ["loss", "Infinity"], "kwargs": {"global_step": 1e3}}"#,
            r#"{"method": "add_scalars", "args": [{"x": Infinity, "y": "-Infinity"}, 4.0]}"#,
            r#"{"method": "add_text", "args": ["NaN", "NaN", 5]}"#,
        ],
    );
    all_went_well(&output);
    let seen = dump(server.logdir());
    let steps = |tag: &str| -> Vec<Value> {
        let points = points(&seen, "send", tag);
        points
            .as_array()
            .unwrap()
            .iter()
            .map(|point| point[0].clone())
            .collect()
    };
    assert_eq!(steps("loss"), [1, 2, 3, 1000]);
    assert_eq!((steps("x"), steps("y")), (vec![json!(4)], vec![json!(4)]));
    assert_eq!(points(&seen, "send", "NaN/text_summary"), json!([[5, ["NaN"]]]));

    let output = Command::new(program("tensorplex"))
        .args(["export", "--format", "jsonl"])
        .arg(server.logdir())
        .output_in_time();
    let text = String::from_utf8(output.stdout).unwrap();
    let values: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|line| line["tag"] == "loss")
        .map(|line| line["value"].clone())
        .collect();
    assert_eq!(values, ["NaN", "-Infinity", "NaN", "Infinity"]);
}

#[test]
fn utf_16_is_refused_with_the_way_out() {
    let mut command = Command::new(program("tensorplex"));
    command.args(["send", "--redis", "127.0.0.1:1"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let line = "\u{feff}{\"method\": \"add_scalar\"}\r\n";
    let bytes: Vec<u8> = line.encode_utf16().flat_map(u16::to_le_bytes).collect();
    child.stdin.take().unwrap().write_all(&bytes).unwrap();
    let output = child.output_in_time();
    assert_eq!(output.status.code(), Some(1));
    let errors = errors(&output);
    assert!(
        errors.len() == 1 && errors[0].contains("UTF-16; send UTF-8"),
        "{errors:?}"
    );
}

/// Neither a closed port nor a broker without a server acknowledges a line.
#[test]
fn without_a_server_send_times_out_and_counts_outstanding_lines() {
    let redis = RedisServer::start();
    let nobody = tempfile::tempdir().unwrap();
    let nobody = format!("unix://{}", nobody.path().join("redis.sock").display());
    for address in [redis.address(), nobody] {
        let line = r#"{"method": "add_scalar", "args": ["loss", 0.5]}"#;
        let output = send(&address, &["--timeout", "300ms"], &[line; 3]);
        assert_eq!(output.status.code(), Some(1), "{address}");
        let expected = "tensorplex send: 3 lines not acknowledged in time, and may still arrive";
        assert!(errors(&output).contains(&expected.to_owned()), "{output:?}");
    }
}

#[test]
fn an_invalid_address_or_client_id_is_refused() {
    for (address, options, why) in [
        ("", &[][..], "invalid broker address"),
        ("http://localhost:1", &[], "invalid broker address"),
        ("localhost:1", &["--client-id", "a//b"], "empty part"),
        ("localhost:1", &["--queue", "a b"], "queue"),
    ] {
        let output = send(address, options, &[]);
        assert_eq!(output.status.code(), Some(1));
        let errors = errors(&output);
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].contains(why), "{errors:?}");
    }
}

#[test]
fn the_help_shows_how() {
    let output = Command::new(program("tensorplex"))
        .args(["send", "--help"])
        .output_in_time();
    let text = String::from_utf8(output.stdout).unwrap();
    for part in [
        "tensorplex send --client-id agent/0",
        r#"{"method": "add_scalar", "args": ["loss", 0.5, 10]}"#,
        "--timeout",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}
