//! `tensorplex doctor` on planted faults: it finds each one, and both readers of TensorBoard show
//! the data in the repaired copy.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tensorplex::local::RunWriter;
use tensorplex::tfevents::messages::{
    DataClass, DataType, Datum, EventPayload, HistogramProto, SummaryMetadata, TensorProto, Value as Stored,
};
use tensorplex::tfevents::{MAX_PAYLOAD, MaskedCrc};
use tensorplex_tests::event_file::{EventFile, START, double, shape, simple_value, single, tensor, text};
use tensorplex_tests::{BoundedOutput, dump, program};

fn doctor(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(program("tensorplex"));
    command
        .args(["doctor", "."])
        .args(args)
        .current_dir(dir)
        .output_in_time()
}

/// Names of the faults in `dir`, by run.
fn faults(dir: &Path) -> Vec<(String, String)> {
    let output = doctor(dir, &["--json"]);
    let found: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    let findings = found["findings"].as_array().unwrap();
    assert_eq!(
        output.status.code(),
        Some(i32::from(!findings.is_empty())),
        "{output:?}"
    );
    let word = |finding: &Value, name: &str| finding[name].as_str().unwrap().to_owned();
    findings
        .iter()
        .map(|finding| (word(finding, "run"), word(finding, "fault")))
        .collect()
}

/// Points by run and tag, without wall times.
type Points = BTreeMap<String, BTreeMap<String, Vec<Value>>>;

fn points(seen: &Value) -> Points {
    let runs = seen.as_object().unwrap().iter();
    let of_run = |tags: &Value| {
        let tags = tags.as_object().unwrap().iter();
        tags.map(|(tag, series)| {
            let points = series["points"].as_array().unwrap().iter();
            (
                tag.clone(),
                points.map(|point| json!([point[0], point[1]])).collect(),
            )
        })
        .collect()
    };
    runs.map(|(run, tags)| (run.clone(), of_run(tags))).collect()
}

/// Points that both readers show in the repaired copy, which has no further faults.
#[track_caller]
fn mended(dir: &Path) -> Points {
    let copy = tempfile::tempdir().unwrap();
    let copy = copy.path().join("mended");
    let before = everything(dir);
    let output = doctor(dir, &["--repair", copy.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(everything(dir), before, "the original was changed");
    let seen = dump(&copy);
    let (rust, python) = (points(&seen["rust"]), points(&seen["python"]));
    assert_eq!(rust, python, "the readers disagree");
    assert_eq!(faults(&copy), [], "faults are left");
    rust
}

/// Content of every file.
fn everything(dir: &Path) -> BTreeMap<std::path::PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => drop(found.insert(path.clone(), std::fs::read(path).unwrap())),
            }
        }
    }
    found
}

/// Checks one run with one file: the fault is found, and the repaired copy shows these points.
#[track_caller]
fn check(file: &EventFile, fault: &str, expect: &[(&str, Vec<Value>)]) {
    check_files(&[("events.out.tfevents.1700000000.a.1.0", file)], fault, expect);
}

#[track_caller]
fn check_files(files: &[(&str, &EventFile)], fault: &str, expect: &[(&str, Vec<Value>)]) {
    let dir = tempfile::tempdir().unwrap();
    for (name, file) in files {
        file.save(&dir.path().join(name));
    }
    assert_eq!(faults(dir.path()), [(".".to_owned(), fault.to_owned())]);
    let expect = expect
        .iter()
        .map(|(tag, points)| ((*tag).to_owned(), points.clone()))
        .collect();
    assert_eq!(mended(dir.path()), Points::from([(".".to_owned(), expect)]));
}

/// Points that `EventFile::scalars` writes.
fn halves(steps: impl IntoIterator<Item = i64>) -> Vec<Value> {
    steps
        .into_iter()
        .map(|step| json!([step, step as f64 / 2.0]))
        .collect()
}

fn record(step: i64) -> Vec<u8> {
    EventFile::default().scalars("loss", [step]).0.clone()
}

#[test]
fn an_intact_directory_has_no_faults() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = RunWriter::create(dir.path().join("ours")).unwrap();
    for step in 0..10 {
        writer.add_scalar("loss", 0.5, Some(step), None).unwrap();
        writer.add_histogram("h", &[1.0, 2.0], Some(step), None).unwrap();
        writer.add_text("t", "x", Some(step), None).unwrap();
    }
    writer.rewind(5).unwrap();
    for step in 5..8 {
        writer.add_scalar("loss", 0.25, Some(step), None).unwrap();
    }
    writer.flush().unwrap();
    EventFile::new()
        .scalars("loss", 0..5)
        .save(&dir.path().join("theirs/a.tfevents"));
    assert_eq!(faults(dir.path()), []);
    let output = doctor(dir.path(), &[]);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), ".: no faults\n");
}

#[test]
fn a_torn_tail() {
    let mut file = EventFile::new();
    file.scalars("loss", 0..3).bytes(&record(3)[..20]);
    check(&file, "torn-tail", &[("loss", halves(0..3))]);
}

#[test]
fn records_appended_behind_a_torn_tail() {
    let mut file = EventFile::new();
    file.scalars("loss", 0..3)
        .bytes(&record(3)[..20])
        .scalars("loss", 4..7);
    check(&file, "torn-inside", &[("loss", halves([0, 1, 2, 4, 5, 6]))]);
}

#[test]
fn zeros_at_the_end_and_in_the_middle() {
    let mut file = EventFile::new();
    file.scalars("loss", 0..3).bytes(&[0; 5000]);
    check(&file, "zeros", &[("loss", halves(0..3))]);
    file.scalars("loss", 4..7);
    check(&file, "zeros", &[("loss", halves([0, 1, 2, 4, 5, 6]))]);
}

#[test]
fn bytes_that_are_not_records() {
    let mut file = EventFile::new();
    file.scalars("loss", 0..3)
        .bytes(b"a line of another program\n")
        .scalars("loss", 4..7);
    check(&file, "garbage", &[("loss", halves([0, 1, 2, 4, 5, 6]))]);
}

#[test]
fn a_flipped_bit() {
    let mut file = EventFile::new();
    let at = file.scalars("loss", 0..3).0.len();
    file.scalars("loss", 3..6).0[at + 15] ^= 4;
    check(&file, "bad-checksum", &[("loss", halves([0, 1, 2, 4, 5]))]);
}

#[test]
fn a_record_that_is_no_event() {
    let mut file = EventFile::new();
    file.scalars("loss", 0..3);
    let payload = [0x0b, 1, 2];
    let length = (payload.len() as u64).to_le_bytes();
    file.bytes(&length).bytes(&MaskedCrc::of(&length).to_le_bytes());
    file.bytes(&payload).bytes(&MaskedCrc::of(&payload).to_le_bytes());
    file.scalars("loss", 4..7);
    check(&file, "no-event", &[("loss", halves([0, 1, 2, 4, 5, 6]))]);
}

#[test]
fn a_time_that_is_no_number() {
    for time in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut file = EventFile::new();
        file.scalars("loss", 0..3);
        let value = vec![simple_value("loss", 1.5)];
        file.event(
            time,
            3,
            EventPayload::Summary(tensorplex::tfevents::messages::Summary { value }),
        );
        file.scalars("loss", 4..7);
        check(&file, "bad-time", &[("loss", halves(0..7))]);
    }
}

#[test]
fn a_file_without_a_version() {
    let mut file = EventFile::default();
    file.scalars("loss", 0..3);
    check(&file, "no-version", &[("loss", halves(0..3))]);
}

#[test]
fn a_tag_that_changes_its_kind() {
    let mut file = EventFile::new();
    file.scalars("x", 0..3);
    let histogram = HistogramProto {
        max: 1.0,
        num: 2.0,
        bucket_limit: vec![0.5, 1.0],
        bucket: vec![1.0, 1.0],
        ..HistogramProto::default()
    };
    file.value(
        3,
        Stored {
            tag: "x".to_owned(),
            metadata: None,
            value: Some(Datum::Histo(histogram)),
        },
    );
    file.value(4, tensor("x", Some("text"), text("words")));
    file.scalars("x", 5..7);
    let dir = tempfile::tempdir().unwrap();
    file.save(&dir.path().join("a.tfevents"));
    assert_eq!(faults(dir.path()), [(".".to_owned(), "kind-clash".to_owned())]);
    let seen = mended(dir.path());
    assert_eq!(seen["."]["x"], halves([0, 1, 2, 5, 6]));
    assert_eq!(seen["."]["x_text"], [json!([4, ["words"]])]);
    assert_eq!(seen["."]["x_histogram"].len(), 1);
}

#[test]
fn metadata_that_comes_too_late() {
    let mut file = EventFile::new();
    file.value(0, tensor("t", None, text("a")));
    file.value(1, tensor("t", Some("text"), text("b")));
    check(
        &file,
        "lost-metadata",
        &[("t", vec![json!([0, ["a"]]), json!([1, ["b"]])])],
    );
}

/// Missing metadata cannot be invented, so doctor only reports the fault.
#[test]
fn metadata_that_never_comes_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let mut file = EventFile::new();
    file.value(0, tensor("t", None, text("a")))
        .save(&dir.path().join("a.tfevents"));
    let names: Vec<String> = faults(dir.path()).into_iter().map(|(_, fault)| fault).collect();
    assert_eq!(names, ["lost-metadata", "no-metadata"]);
}

#[test]
fn scalars_that_are_no_32_bit_floats() {
    let mut file = EventFile::new();
    for step in 0..3 {
        file.value(step, tensor("double", Some("scalars"), double(step as f64 / 2.0)));
    }
    check(&file, "odd-scalar", &[("double", halves(0..3))]);
    let mut file = EventFile::new();
    let mut number = single(0.5);
    number.tensor_shape = Some(shape(&[1]));
    file.value(1, tensor("shaped", Some("scalars"), number));
    check(&file, "odd-scalar", &[("shaped", halves([1]))]);
    let mut file = EventFile::new();
    let number = TensorProto {
        dtype: DataType::Int64.into(),
        int64_val: vec![2],
        ..TensorProto::default()
    };
    file.value(1, tensor("integer", Some("scalars"), number));
    check(&file, "odd-scalar", &[("integer", vec![json!([1, 2.0])])]);
}

#[test]
fn a_picture_without_a_shape() {
    let mut file = EventFile::new();
    let mut picture = text("1");
    picture.tensor_shape = None;
    picture.string_val = vec![b"1".to_vec(), b"1".to_vec(), b"\x89PNG".to_vec()];
    file.value(0, tensor("picture", Some("images"), picture));
    let dir = tempfile::tempdir().unwrap();
    file.save(&dir.path().join("a.tfevents"));
    assert_eq!(faults(dir.path()), [(".".to_owned(), "no-shape".to_owned())]);
    assert_eq!(mended(dir.path())["."]["picture"].len(), 1);
}

#[test]
fn a_tensor_of_an_unknown_plugin() {
    let mut file = EventFile::new();
    file.value(0, tensor("t", Some("tensor"), single(0.5)));
    check(&file, "no-class", &[("t", vec![json!([0, 0.5])])]);
}

#[test]
fn an_old_form_with_a_data_class() {
    let mut file = EventFile::new();
    for step in 0..3 {
        let mut value = simple_value("loss", step as f32 / 2.0);
        value.metadata = Some(SummaryMetadata {
            data_class: DataClass::Scalar.into(),
            ..SummaryMetadata::default()
        });
        file.value(step, value);
    }
    let dir = tempfile::tempdir().unwrap();
    file.save(&dir.path().join("a.tfevents"));
    assert_eq!(
        faults(dir.path()),
        [(".".to_owned(), "old-form-with-class".to_owned())]
    );
    assert_eq!(mended(dir.path())["."]["loss"], halves(0..3));
}

#[test]
fn a_description_beside_an_old_form() {
    let mut file = EventFile::new();
    for step in 0..3 {
        let mut value = simple_value("loss", step as f32 / 2.0);
        let display_name = if step == 0 { "The loss" } else { "" };
        value.metadata = Some(SummaryMetadata {
            display_name: display_name.to_owned(),
            ..SummaryMetadata::default()
        });
        file.value(step, value);
    }
    check(&file, "lost-words", &[("loss", halves(0..3))]);
}

#[test]
fn a_record_that_is_too_long() {
    let mut file = EventFile::new();
    let length = (MAX_PAYLOAD as u64 + 1).to_le_bytes();
    file.scalars("loss", 0..3);
    file.bytes(&length)
        .bytes(&MaskedCrc::of(&length).to_le_bytes())
        .bytes(&[7; 1000]);
    file.scalars("loss", 4..7);
    check(&file, "too-long", &[("loss", halves([0, 1, 2, 4, 5, 6]))]);
}

#[test]
fn two_files_written_at_the_same_time() {
    let (mut a, mut b) = (EventFile::new(), EventFile::new());
    a.scalars("loss", 0..20).scalars("only a", 20..22);
    b.event(
        START + 5.0,
        0,
        EventPayload::FileVersion("brain.Event:2".to_owned()),
    )
    .scalars("loss", 6..30);
    let dir = tempfile::tempdir().unwrap();
    a.save(&dir.path().join("run/events.out.tfevents.1700000000.a.1.0"));
    b.save(&dir.path().join("run/events.out.tfevents.1700000005.b.1.0"));
    let names: Vec<String> = faults(dir.path()).into_iter().map(|(_, fault)| fault).collect();
    assert_eq!(names, ["two-writers", "steps-go-back"]);
    let seen = mended(dir.path());
    assert_eq!(seen["run"]["loss"], halves(0..20));
    assert_eq!(seen["run"]["only a"], halves(20..22));
    assert_eq!(seen["run-2"]["loss"], halves(6..30));
}

#[test]
fn two_files_written_at_the_same_time_with_tags_of_their_own_stay_one_run() {
    let (mut a, mut b) = (EventFile::new(), EventFile::new());
    a.scalars("a", 0..20);
    b.scalars("b", 5..15);
    let files = [("events.out.tfevents.1.a", &a), ("events.out.tfevents.2.b", &b)];
    check_files(
        &files,
        "two-writers",
        &[("a", halves(0..20)), ("b", halves(5..15))],
    );
}

#[test]
fn files_whose_names_are_not_in_the_order_of_writing() {
    let (mut early, mut late) = (EventFile::new(), EventFile::default());
    early.scalars("loss", 0..5);
    late.event(
        START + 10.0,
        0,
        EventPayload::FileVersion("brain.Event:2".to_owned()),
    );
    late.scalars("loss", 10..15);
    let files = [
        ("events.out.tfevents.1.late", &late),
        ("events.out.tfevents.2.early", &early),
    ];
    let dir = tempfile::tempdir().unwrap();
    for (name, file) in files {
        file.save(&dir.path().join(name));
    }
    let names: Vec<String> = faults(dir.path()).into_iter().map(|(_, fault)| fault).collect();
    assert_eq!(names, ["file-order", "steps-go-back"]);
    assert_eq!(mended(dir.path())["."]["loss"], halves((0..5).chain(10..15)));
}

#[test]
fn a_restart_that_the_python_loader_does_not_see() {
    let (mut first, mut second) = (EventFile::new(), EventFile::default());
    first.scalars("loss", 0..10).scalars("once", 7..8);
    let later = START + 100.0;
    second.event(later, 0, EventPayload::FileVersion("brain.Event:2".to_owned()));
    second.event(
        later,
        5,
        EventPayload::SessionLog(tensorplex::tfevents::messages::SessionLog { status: 1 }),
    );
    for step in 5..8 {
        let value = vec![simple_value("loss", 9.0)];
        second.event(
            later + step as f64,
            step,
            EventPayload::Summary(tensorplex::tfevents::messages::Summary { value }),
        );
    }
    let files = [
        ("events.out.tfevents.1.a", &first),
        ("events.out.tfevents.2.b", &second),
    ];
    let mut expect = halves(0..5);
    expect.extend((5..8).map(|step| json!([step, 9.0])));
    check_files(&files, "restart-not-seen", &[("loss", expect)]);
}

#[test]
fn steps_that_are_logged_again() {
    let mut file = EventFile::new();
    file.scalars("loss", 0..5);
    for step in 2..4 {
        let value = vec![simple_value("loss", 9.0)];
        file.event(
            START + 10.0,
            step,
            EventPayload::Summary(tensorplex::tfevents::messages::Summary { value }),
        );
    }
    check(
        &file,
        "steps-go-back",
        &[(
            "loss",
            vec![json!([0, 0.0]), json!([1, 0.5]), json!([2, 9.0]), json!([3, 9.0])],
        )],
    );
}

#[test]
fn a_tag_whose_step_was_forgotten() {
    let mut file = EventFile::new();
    for number in 0..5 {
        file.value(0, simple_value("loss", number as f32 / 2.0));
    }
    check(&file, "same-step", &[("loss", halves(0..5))]);
}

#[test]
fn other_files_are_copied_and_the_copy_must_be_a_new_directory() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("runs");
    let mut file = EventFile::new();
    file.scalars("loss", 0..3)
        .bytes(&[0; 50])
        .save(&root.join("a/x.tfevents"));
    let sound = EventFile::new().scalars("loss", 0..3).clone();
    sound.save(&root.join("b/y.tfevents"));
    std::fs::create_dir_all(root.join(".tensorplex")).unwrap();
    std::fs::write(root.join(".tensorplex/lock"), "").unwrap();
    std::fs::create_dir_all(root.join("logs")).unwrap();
    std::fs::write(root.join("logs/a.log"), "line\n").unwrap();
    let output = doctor(&root, &["--repair", "../copy"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let copy = dir.path().join("copy");
    assert_eq!(std::fs::read(copy.join("logs/a.log")).unwrap(), b"line\n");
    assert_eq!(std::fs::read(copy.join("b/y.tfevents")).unwrap(), sound.0);
    assert!(!copy.join(".tensorplex").exists());
    for (place, why) in [
        ("../copy", "exists and is not empty"),
        ("inside", "is inside the directory"),
    ] {
        let output = doctor(&root, &["--repair", place]);
        assert_eq!(output.status.code(), Some(2));
        assert!(
            String::from_utf8_lossy(&output.stderr).contains(why),
            "{output:?}"
        );
    }
}
