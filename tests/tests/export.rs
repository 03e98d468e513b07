//! `tensorplex export` and `inspect`: scalars and records of a log directory for other programs.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tensorplex::local::RunWriter;
use tensorplex::tfevents::messages::{Event, EventPayload};
use tensorplex::tfevents::{MAX_PAYLOAD, MaskedCrc};
use tensorplex_tests::event_file::{self, EventFile, double, simple_value, single, tensor};
use tensorplex_tests::{BoundedOutput, Tmux, dump, program, wait_for};

fn run(args: &[&str], dir: &Path) -> Output {
    let mut command = Command::new(program("tensorplex"));
    command.args(args).current_dir(dir).output_in_time()
}

#[track_caller]
fn export(dir: &Path, args: &[&str]) -> String {
    let output = run(&[&["export", "."], args].concat(), dir);
    assert_eq!(
        (output.status.code(), String::from_utf8_lossy(&output.stderr)),
        (Some(0), "".into())
    );
    String::from_utf8(output.stdout).unwrap()
}

/// Two runs by other writers.
fn of_others() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut file = EventFile::new();
    file.value(1, simple_value("loss", 0.1))
        .value(2, simple_value("loss", f32::NAN));
    file.value(1, tensor("exact", Some("scalars"), double(0.1)));
    file.value(2, tensor("exact", None, double(f64::NEG_INFINITY)));
    file.value(3, tensor("a \"b\", c", Some("scalars"), single(1e30)));
    file.value(3, tensor("note", Some("text"), event_file::text("no number")));
    file.save(&dir.path().join("agent/0/my.tfevents"));
    EventFile::new()
        .scalars("loss", 0..2)
        .save(&dir.path().join("events.tfevents.1"));
    dir
}

#[test]
fn csv_has_every_scalar_with_the_fewest_digits() {
    let dir = of_others();
    let expect = "\
run,tag,step,wall_time,value
.,loss,0,1700000000.0,0.0
.,loss,1,1700000001.0,0.5
agent/0,loss,1,1700000001.0,0.1
agent/0,loss,2,1700000002.0,NaN
agent/0,exact,1,1700000001.0,0.1
agent/0,exact,2,1700000002.0,-Infinity
agent/0,\"a \"\"b\"\", c\",3,1700000003.0,1e30
";
    assert_eq!(export(dir.path(), &[]), expect);
}

#[test]
fn patterns_choose_runs_and_tags() {
    let dir = of_others();
    let lines = export(
        dir.path(),
        &[
            "--run", "agent/*", "--tag", "l*", "--tag", "?xact", "--format", "jsonl",
        ],
    );
    let points: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(points.len(), 4);
    assert_eq!(
        points[1],
        json!({"run": "agent/0", "tag": "loss", "step": 2, "wall_time": 1_700_000_002.0, "value": "NaN"})
    );
    assert_eq!(points[3]["value"], "-Infinity");
    assert!(points.iter().all(|point| point["tag"] != "a \"b\", c"));
}

#[test]
fn json_has_the_form_of_the_original() {
    let dir = of_others();
    let document: Value = serde_json::from_str(&export(dir.path(), &["--format", "json"])).unwrap();
    let expect = json!({
        ".": {"loss": [[1_700_000_000.0, 0, 0.0], [1_700_000_001.0, 1, 0.5]]},
        "agent/0": {
            "a \"b\", c": [[1_700_000_003.0, 3, 1e30]],
            "exact": [[1_700_000_001.0, 1, 0.1], [1_700_000_002.0, 2, "-Infinity"]],
            "loss": [[1_700_000_001.0, 1, 0.1], [1_700_000_002.0, 2, "NaN"]],
        },
    });
    assert_eq!(document, expect);
}

#[test]
fn parquet_goes_to_a_file_or_a_pipe() {
    let dir = of_others();
    let piped = run(&["export", ".", "--format", "parquet"], dir.path()).stdout;
    assert!(
        piped.starts_with(b"PAR1") && piped.ends_with(b"PAR1"),
        "{piped:?}"
    );
    let args = [
        "export",
        ".",
        "--format",
        "parquet",
        "--output",
        "scalars.parquet",
    ];
    assert_eq!(run(&args, dir.path()).status.code(), Some(0));
    assert_eq!(std::fs::read(dir.path().join("scalars.parquet")).unwrap(), piped);
}

#[test]
fn parquet_is_not_written_to_a_terminal() {
    let dir = of_others();
    let command = format!(
        "'{}' export '{}' --format parquet",
        program("tensorplex").display(),
        dir.path().display()
    );
    let terminal = Tmux::start(100, 20, &command);
    wait_for("the end", || {
        terminal.screen(false).contains("ended with 2").then_some(())
    });
    assert!(
        terminal.screen(false).contains("not written to a terminal"),
        "{}",
        terminal.screen(false)
    );
}

#[test]
fn an_empty_directory_is_an_empty_document() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(
        export(dir.path(), &["--format", "json"])
            .split_whitespace()
            .collect::<String>(),
        "{}"
    );
    assert_eq!(export(dir.path(), &[]).lines().count(), 1);
}

/// Steps and values by tag, as TensorBoard shows them.
fn shown(seen: &Value, reader: &str) -> BTreeMap<String, Value> {
    let tags = seen[reader]["."].as_object().unwrap();
    let points = |series: &Value| -> Value {
        let points = series["points"].as_array().unwrap().iter();
        points.map(|point| json!([point[0], point[1]])).collect()
    };
    tags.iter()
        .map(|(tag, series)| (tag.clone(), points(series)))
        .collect()
}

#[test]
fn a_run_that_was_rewound_is_exported_as_tensorboard_shows_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = RunWriter::create(dir.path()).unwrap();
    for step in 0..10 {
        writer
            .add_scalar("loss", f64::from(step), Some(step.into()), None)
            .unwrap();
    }
    writer.rewind(5).unwrap();
    for step in 5..7 {
        writer.add_scalar("loss", 0.5, Some(step), None).unwrap();
    }
    writer.flush().unwrap();

    let run = run(&["export", ".", "--format", "jsonl"], dir.path());
    assert!(String::from_utf8_lossy(&run.stderr).contains("left out 5 superseded points"));
    let mut exported: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for line in String::from_utf8(run.stdout).unwrap().lines() {
        let point: Value = serde_json::from_str(line).unwrap();
        let tag = point["tag"].as_str().unwrap().to_owned();
        exported
            .entry(tag)
            .or_default()
            .push(json!([point["step"], point["value"]]));
    }
    let exported: BTreeMap<_, Value> = exported
        .into_iter()
        .map(|(tag, points)| (tag, points.into()))
        .collect();
    assert_eq!(exported, shown(&dump(dir.path()), "rust"));

    let all = export_all(dir.path());
    assert_eq!(all.lines().count(), 1 + 10 + 1 + 2);
}

fn export_all(dir: &Path) -> String {
    export(dir, &["--purged"])
}

#[test]
fn damaged_records_are_left_out_and_reported() {
    let dir = tempfile::tempdir().unwrap();
    let mut file = EventFile::new();
    let at = file.scalars("loss", 0..2).0.len();
    file.scalars("loss", 2..4).0[at + 14] ^= 1;
    file.bytes(&[0; 100]);
    file.save(&dir.path().join("a.tfevents"));
    let output = run(&["export", "."], dir.path());
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(
        errors.contains(&format!("record at byte {at} is damaged")),
        "{errors}"
    );
    assert!(errors.contains("2 damaged records"), "{errors}");
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 1 + 3);

    let output = run(&["export", "nowhere"], dir.path());
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .starts_with("tensorplex export: nowhere: ")
    );
}

/// The limit on the address space fails the test when the program allocates by an unchecked length.
#[test]
fn a_hostile_record_costs_memory_of_its_own_length_only() {
    let dir = tempfile::tempdir().unwrap();
    let mut file = EventFile::new();
    // Values of zero bytes, each of which would become a struct of 200 bytes.
    let values = [0x0a, 0].repeat(3 << 19);
    let length = values.len() as u32;
    let mut summary = vec![0x2a];
    prost::encode_length_delimiter(length as usize, &mut summary).unwrap();
    summary.extend(values);
    framed(&mut file, &summary);
    file.scalars("loss", 0..3).save(&dir.path().join("a.tfevents"));
    let tensorplex = program("tensorplex");
    for command in [
        "export .",
        "export . --format json",
        "inspect a.tfevents > /dev/null",
        "doctor .",
    ] {
        let script = format!("ulimit -v 300000; exec '{}' {command}", tensorplex.display());
        let output = Command::new("sh")
            .args(["-c", &script])
            .current_dir(dir.path())
            .output_in_time();
        assert!(
            matches!(output.status.code(), Some(0 | 1)),
            "{command}: {output:?}"
        );
    }
}

fn framed(file: &mut EventFile, payload: &[u8]) {
    let length = (payload.len() as u64).to_le_bytes();
    file.bytes(&length).bytes(&MaskedCrc::of(&length).to_le_bytes());
    file.bytes(payload).bytes(&MaskedCrc::of(payload).to_le_bytes());
}

#[test]
fn inspect_shows_every_record_and_the_tags() {
    let dir = tempfile::tempdir().unwrap();
    let mut file = EventFile::new();
    file.start(0).scalars("loss\x1b[2J", 1..3);
    file.value(3, tensor("note", Some("text"), event_file::text("hello")));
    let whole = file.0.len();
    file.bytes(&[1, 2, 3]).save(&dir.path().join("a.tfevents"));

    let output = run(&["inspect", "a.tfevents"], dir.path());
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    for part in [
        "file version brain.Event:2",
        "session start",
        "loss\\u{1b}[2J = 0.5",
        "note = string [1] \"hello\"   [plugin text, data class 0]",
        "5 records, 0 damaged",
        &format!("the record at byte {whole} is unfinished"),
        "2 values, steps 1 to 2",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }

    let output = run(&["inspect", "--json", "a.tfevents"], dir.path());
    let lines: Vec<Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 6);
    assert_eq!(lines[2]["values"][0]["value"], 0.5);
    assert_eq!(
        lines[5]["tags"]["loss\x1b[2J"],
        json!({"kind": "scalar", "values": 2, "first_step": 1, "last_step": 2})
    );
    assert_eq!(lines[5]["unfinished_at"], whole);
}

#[test]
fn inspect_distinguishes_damage_from_an_unfinished_record() {
    let dir = tempfile::tempdir().unwrap();
    let mut file = EventFile::new();
    let length = (MAX_PAYLOAD as u64 + 1).to_le_bytes();
    let event = prost::Message::encode_to_vec(&Event {
        what: Some(EventPayload::FileVersion("x".into())),
        ..Event::default()
    });
    framed(&mut file, &event);
    framed(&mut file, &[0x0b]);
    file.bytes(&length).bytes(&MaskedCrc::of(&length).to_le_bytes());
    file.save(&dir.path().join("a.tfevents"));
    let output = run(&["inspect", "a.tfevents"], dir.path());
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("is no event: a field has the impossible key 11"),
        "{text}"
    );
    assert!(
        text.contains("claims 67108865 bytes: at most 67108864 are allowed"),
        "{text}"
    );
    assert_eq!(run(&["inspect", "nowhere"], dir.path()).status.code(), Some(2));
}
