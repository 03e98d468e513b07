//! Output that both readers of TensorBoard accept.

mod common;

use common::{Disk, NOW, at, events, id, values};
use remotecall::Durable;
use tensorplex::limits::{MAX_NAMES, MAX_TAG, MAX_TEXT};
use tensorplex::local::RunWriter;
use tensorplex::tfevents::messages::{DataClass, Datum, EventPayload, SessionStatus};
use tensorplex::{RecordError, Scalars};

#[test]
fn a_file_starts_with_its_version_and_a_session() {
    let disk = Disk::new();
    let mut plex = disk.plex();
    let client = id("a");
    plex.add_scalar(&at(&client), "x", 1.0, Some(40), Some(1_650_000_000.25))
        .unwrap();
    plex.add_scalar(&at(&client), "x", 1.0, Some(41), None).unwrap();
    plex.commit().unwrap();

    let file = disk.file("a");
    let name = file.file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with("events.out.tfevents.1650000000."), "{name}");
    let events = events(&file);
    assert_eq!(
        events[0].what,
        Some(EventPayload::FileVersion("brain.Event:2".into()))
    );
    let Some(EventPayload::SessionLog(session)) = &events[1].what else {
        panic!("{:?}", events[1]);
    };
    assert_eq!(session.status(), SessionStatus::Start);
    let heads: Vec<(i64, f64)> = events.iter().map(|event| (event.step, event.wall_time)).collect();
    let first = 1_650_000_000.25;
    assert_eq!(heads, [(0, first), (40, first), (40, first), (41, NOW)]);
}

#[test]
fn wall_times_that_would_kill_a_file_are_replaced_and_counted() {
    let disk = Disk::new();
    let mut plex = disk.plex();
    let client = id("a");
    for time in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        plex.add_scalar(&at(&client), "x", 1.0, None, Some(time)).unwrap();
    }
    plex.add_scalar(&at(&client), "x", 1.0, None, Some(-5.0)).unwrap();
    plex.commit().unwrap();
    let times: Vec<f64> = values(&disk.file("a"))
        .iter()
        .map(|(event, _)| event.wall_time)
        .collect();
    assert_eq!(times, [NOW, NOW, NOW, -5.0]);
    assert_eq!(plex.counts().wall_times, 3);
}

#[test]
fn scalars_are_kept_whatever_they_are() {
    let disk = Disk::new();
    let mut plex = disk.plex();
    let client = id("a");
    let numbers = [
        0.0,
        -0.0,
        0.1,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        1e300,
        1e-300,
    ];
    for number in numbers {
        plex.add_scalar(&at(&client), "x", number, None, None).unwrap();
    }
    plex.commit().unwrap();
    let got = values(&disk.file("a"))
        .into_iter()
        .map(|(_, value)| match value.value {
            Some(Datum::SimpleValue(number)) => number.to_bits(),
            other => panic!("{other:?}"),
        });
    let want = numbers.map(|number| (number as f32).to_bits());
    assert_eq!(got.collect::<Vec<u32>>(), want);
}

#[test]
fn metadata_comes_with_the_first_value_of_a_tag() {
    let disk = Disk::new();
    let mut plex = disk.plex();
    let client = id("a");
    for step in [1, 2] {
        plex.add_histogram(&at(&client), "h", &[1.0, f64::NAN, 2.0], Some(step), None)
            .unwrap();
        plex.add_text(&at(&client), "t", "*hello*", Some(step), None)
            .unwrap();
    }
    plex.commit().unwrap();
    let values = values(&disk.file("a"));
    let tags: Vec<&str> = values.iter().map(|(_, value)| value.tag.as_str()).collect();
    assert_eq!(tags, ["h", "t/text_summary", "h", "t/text_summary"]);
    let plugins = values.iter().map(|(_, value)| {
        let metadata = value.metadata.as_ref()?;
        assert_eq!(metadata.data_class(), DataClass::Tensor);
        Some(metadata.plugin_data.as_ref()?.plugin_name.as_str())
    });
    assert_eq!(
        plugins.collect::<Vec<_>>(),
        [Some("histograms"), Some("text"), None, None]
    );
    assert_eq!(plex.counts().histogram_values, 2);
}

#[track_caller]
fn is_refused(outcome: Result<(), RecordError>, message: &str) {
    assert_eq!(outcome.unwrap_err().to_string(), message);
}

#[test]
fn a_tag_keeps_its_kind() {
    let disk = Disk::new();
    let mut plex = disk.plex();
    let (a, b) = (id("a"), id("b"));
    plex.add_scalar(&at(&a), "x", 1.0, None, None).unwrap();
    let histogram = plex.add_histogram(&at(&a), "x", &[1.0], None, None);
    is_refused(histogram, "tag \"x\" of run \"a\" is a scalar, not a histogram");
    plex.add_text(&at(&a), "x", "another name", None, None).unwrap();
    let text = plex.add_scalar(&at(&a), "x/text_summary", 1.0, None, None);
    is_refused(
        text,
        "tag \"x/text_summary\" of run \"a\" is a text, not a scalar",
    );
    plex.add_histogram(&at(&b), "x", &[1.0], None, None).unwrap();
    plex.add_scalar(&at(&a), "x", 2.0, None, None).unwrap();
    plex.commit().unwrap();
    assert_eq!(disk.tags()["a"], ["x", "x/text_summary", "x"]);
    assert_eq!(disk.tags()["b"], ["x"]);
}

#[test]
fn lengths_are_bounded() {
    let disk = Disk::new();
    let mut plex = disk.plex();
    let client = id("a");
    let cx = at(&client);
    is_refused(plex.add_scalar(&cx, "", 1.0, None, None), "the tag is empty");
    let long = "x".repeat(MAX_TAG + 1);
    let message = "tag of 1025 bytes is too long: at most 1024 are allowed";
    is_refused(plex.add_scalar(&cx, &long, 1.0, None, None), message);
    plex.add_scalar(&cx, &long[1..], 1.0, None, None).unwrap();

    let text = "x".repeat(MAX_TEXT + 1);
    let message = "text of 1048577 bytes is too long: at most 1048576 are allowed";
    is_refused(plex.add_text(&cx, "t", &text, None, None), message);
    plex.add_text(&cx, "t", &text[1..], None, None).unwrap();

    let buckets = plex.add_histogram_buckets(&cx, "h", &[[0.0, 1.0, 2.0]; 4097], None, None);
    is_refused(buckets, "4097 buckets in one histogram: at most 4096 are allowed");
    let shape = "expected a left edge, a right edge that is not smaller and a count, all finite";
    for bad in [
        [1.0, 0.0, 1.0],
        [0.0, 1.0, -1.0],
        [f64::NAN, 1.0, 1.0],
        [0.0, f64::INFINITY, 1.0],
    ] {
        let buckets = plex.add_histogram_buckets(&cx, "h", &[[0.0; 3], bad], None, None);
        is_refused(buckets, &format!("bucket 1 is {bad:?}: {shape}"));
    }
}

#[test]
fn names_have_an_end() {
    let disk = Disk::new();
    let mut plex = disk.plex();
    let client = id("a");
    let full = (0..MAX_NAMES / MAX_TAG).find_map(|n| {
        let tag = format!("{n:0MAX_TAG$}");
        plex.add_scalar(&at(&client), &tag, 1.0, None, None).err()
    });
    assert_eq!(full, Some(RecordError::ManyNames { limit: MAX_NAMES }));
    let known = format!("{:0MAX_TAG$}", 5);
    plex.add_scalar(&at(&client), &known, 1.0, None, None).unwrap();
}

#[test]
fn one_bad_scalar_of_several_costs_only_itself() {
    let disk = Disk::new();
    let mut plex = disk.plex();
    let client = id("a");
    let scalars = Scalars::from([("z", 1.0), ("", 2.0), ("a", 3.0)]);
    is_refused(
        plex.add_scalars(&at(&client), &scalars, Some(1), None),
        "the tag is empty",
    );
    plex.commit().unwrap();
    assert_eq!(disk.tags()["a"], ["z", "a"]);
}

#[test]
fn a_new_file_comes_after_those_of_others() {
    let disk = Disk::new();
    std::fs::create_dir_all(disk.root().join("a")).unwrap();
    let other = disk.root().join("a/events.out.tfevents.1800000000.zebra.1.0.v2");
    std::fs::write(&other, "theirs").unwrap();
    let mut plex = disk.plex();
    plex.add_scalar(&at(&id("a")), "x", 1.0, None, None).unwrap();
    plex.commit().unwrap();
    let files = disk.files();
    assert_eq!((files.len(), &files[0]), (2, &other));
    assert_eq!(std::fs::read(other).unwrap(), b"theirs");
    assert_eq!(values(&files[1]).len(), 1);
}

#[test]
fn a_local_writer_writes_the_same_records() {
    let disk = Disk::new();
    let mut plex = disk.plex();
    let client = id("a");
    let cx = at(&client);
    let mut writer = RunWriter::create(disk.root().join("b")).unwrap();
    let buckets = [[0.0, 1.0, 5.0]];
    let (step, time) = (Some(3), Some(NOW));
    plex.add_scalar(&cx, "x", 1.0, step, time).unwrap();
    writer.add_scalar("x", 1.0, step, time).unwrap();
    plex.add_scalars(&cx, &Scalars::from([("y", 2.0)]), step, time)
        .unwrap();
    writer
        .add_scalars(&Scalars::from([("y", 2.0)]), step, time)
        .unwrap();
    plex.add_histogram(&cx, "h", &[1.0, 2.0], step, time).unwrap();
    writer.add_histogram("h", &[1.0, 2.0], step, time).unwrap();
    plex.add_histogram_buckets(&cx, "h", &buckets, step, time)
        .unwrap();
    writer.add_histogram_buckets("h", &buckets, step, time).unwrap();
    plex.add_text(&cx, "t", "hello", step, time).unwrap();
    writer.add_text("t", "hello", step, time).unwrap();
    plex.commit().unwrap();
    drop(writer);
    let [ours, mut theirs] = ["a", "b"].map(|run| events(&disk.file(run)));
    // A directory may have other writers, whose points stay: the session starts after all steps.
    assert_eq!((ours[1].step, theirs[1].step), (3, i64::MAX));
    theirs[1].step = 3;
    assert_eq!(ours, theirs);
}

#[test]
fn a_local_writer_flushes_and_goes_on_in_the_same_file() {
    let disk = Disk::new();
    let mut writer = RunWriter::create(disk.root()).unwrap();
    for step in 0..3 {
        writer.add_scalar("x", 1.0, Some(step), Some(f64::NAN)).unwrap();
        writer.flush().unwrap();
        assert_eq!(values(&disk.file("")).len(), step as usize + 1);
    }
    assert!(
        values(&disk.file(""))
            .iter()
            .all(|(event, _)| event.wall_time > NOW)
    );
}

#[test]
fn a_local_writer_does_not_wait_for_a_flush_for_ever() {
    let disk = Disk::new();
    let mut writer = RunWriter::create(disk.root()).unwrap();
    for step in 0..10_000 {
        writer.add_scalar("x", 1.0, Some(step), None).unwrap();
    }
    assert!(std::fs::read(disk.file("")).unwrap().len() > 100_000);
}
