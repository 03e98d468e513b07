//! Refusals, corrections and replay of records that are more than numbers.

mod common;

use common::{Disk, NOW, at, events, id, values};
use prost::Message;
use remotecall::Durable;
use tensorplex::local::RunWriter;
use tensorplex::records::{
    Array, Audio, Chart, Embedding, EmbeddingFiles, Encode, EventRecord, Graph, HParams, Image, Mesh,
    PrCurve, PrCurveRaw, Setting, SummaryRecord, Video,
};
use tensorplex::tfevents::messages::{
    AudioProto, DataClass, Datum, Dim, Event, EventPayload, HistogramProto, ImageProto, PluginData, Summary,
    SummaryMetadata, TensorProto, TensorShapeProto, Value,
};
use tensorplex::{RecordError, Tensorplex};

#[track_caller]
fn refused<T>(outcome: Result<T, RecordError>, message: &str) {
    match outcome {
        Ok(_) => panic!("not refused: {message}"),
        Err(error) => assert_eq!(error.to_string(), message),
    }
}

fn array(shape: &[usize]) -> Array {
    Array::new(shape, vec![7u8; shape.iter().product()]).unwrap()
}

#[test]
fn what_is_wrong_is_told_with_the_shape_seen_and_wanted() {
    refused(
        Array::new(&[2, 3], vec![0u8; 5]),
        "array: 5 samples; expected as many as the shape [2, 3] has",
    );
    refused(
        Array::new(&[0, 3], Vec::<u8>::new()),
        "array: [0, 3]; expected 1 to 62914560 samples",
    );
    refused(
        Image::new("i", array(&[3, 4]), "CHW"),
        "image: shape [3, 4] with format \"CHW\"; expected one letter per axis, HW and at most NCHW",
    );
    refused(
        Image::new("i", array(&[2, 3, 4]), "THW"),
        "image: shape [2, 3, 4] with format \"THW\"; expected one letter per axis, HW and at most NCHW",
    );
    refused(
        Image::new("i", array(&[5, 3, 4]), "CHW"),
        "image: 5 channels; expected 1 to 4",
    );
    refused(Image::new("", array(&[3, 4]), "HW"), "the tag is empty");
    refused(
        Image::new("i", array(&[1, 70_000]), "HW"),
        "image: 1 rows of 70000 pixels; expected at most 65535 of each",
    );
    refused(
        Video::new("v", array(&[2, 3, 3]), "THW", 0.0),
        "video: 0 frames a second; expected 0.002 to 100",
    );
    refused(
        Audio::new("a", vec![0.0; 3], 2, 8000),
        "audio: 3 samples; expected 1 to 25165824, a multiple of the 2 channels",
    );
    refused(
        Audio::new("a", vec![0.0; 3], 3, 8000),
        "audio: 3 channels; expected 1 or 2",
    );
    refused(
        PrCurve::new("p", vec![true, false], vec![0.5], None, 127),
        "pr curve: 2 labels, 1 predictions, 2 weights; expected as many of each, at least one",
    );
    refused(
        PrCurve::new("p", vec![true], vec![f32::NAN], None, 127),
        "pr curve: prediction NaN; expected 0 to 1",
    );
    let rows = [2, 2, 2, 2, 2, 3].map(|length| vec![0.0; length]);
    refused(
        PrCurveRaw::new("p", rows),
        "pr curve: lengths [2, 2, 2, 2, 2, 3]; expected six equal ones, 2 to 4096",
    );
    refused(
        Chart::multiline("c", &[]),
        "multiline chart: tags []; expected one or more, none empty",
    );
    refused(Mesh::new("m", vec![]), "mesh: 0 points; expected 1 to 1048576");
    let mesh = Mesh::new("m", vec![[0.0; 3]; 2]).unwrap();
    refused(
        mesh.clone().colors(vec![[0; 3]]),
        "mesh: 1 colours; expected 2, one per point",
    );
    refused(
        mesh.faces(vec![[0, 1, 2]]),
        "mesh: triangle [0, 1, 2]; expected points 0 to 1",
    );
    refused(
        HParams::new([("", Setting::from(1.0))]).map(drop),
        "hparams: setting 0 \"\"; expected 1 to 4096 settings with names of 1 to 1024 bytes",
    );
    refused(Graph::new(vec![]), "graph: 0 bytes; expected 1 to 62914560");
    refused(
        Embedding::new("e", vec![0.0; 5], 2),
        "embedding: 5 numbers in vectors of 2; expected 1 to 4194304 numbers, a multiple of the size",
    );
    let embedding = Embedding::new("e", vec![0.0; 4], 2).unwrap();
    refused(
        embedding.clone().labels(&["one"]),
        "embedding: 1 rows of 1 labels; expected 2 rows, one per vector",
    );
    refused(
        embedding.pictures(array(&[2, 3, 4]), "NHW"),
        "embedding: 2 pictures of 3 rows of 4 pixels; expected 2 square ones, together at most 8192 pixels wide",
    );
    refused(
        SummaryRecord::new(&[]),
        "the message holds no value, no graph and no profile",
    );
    let version = Event {
        what: Some(EventPayload::FileVersion("brain.Event:2".into())),
        ..Event::default()
    };
    refused(
        EventRecord::new(&version.encode_to_vec()),
        "the message holds no value, no graph and no profile",
    );
    assert!(matches!(
        EventRecord::new(&[0xff]),
        Err(RecordError::NoMessage(_))
    ));
}

fn summary(tag: &str, metadata: Option<SummaryMetadata>, datum: Datum) -> Vec<u8> {
    let value = Value {
        tag: tag.to_owned(),
        metadata,
        value: Some(datum),
    };
    Summary { value: vec![value] }.encode_to_vec()
}

fn stated(plugin: &str) -> Option<SummaryMetadata> {
    Some(SummaryMetadata {
        plugin_data: Some(PluginData {
            plugin_name: plugin.to_owned(),
            content: Vec::new(),
        }),
        summary_description: "words".to_owned(),
        ..SummaryMetadata::default()
    })
}

fn double(number: f64, sizes: &[i64]) -> Datum {
    let dim = sizes.iter().map(|&size| Dim { size }).collect();
    Datum::Tensor(TensorProto {
        dtype: 2,
        tensor_shape: Some(TensorShapeProto { dim }),
        double_val: vec![number],
        ..TensorProto::default()
    })
}

/// The one value that is written for a ready-made one.
fn mended(metadata: Option<SummaryMetadata>, datum: Datum) -> Value {
    let disk = Disk::new();
    let mut plex = disk.plex();
    plex.add_summary(&at(&id("a")), &summary("x", metadata, datum), Some(1), None)
        .unwrap();
    plex.commit().unwrap();
    values(&disk.file("a")).remove(0).1
}

fn class(value: &Value) -> DataClass {
    value
        .metadata
        .as_ref()
        .map_or(DataClass::Unknown, |metadata| metadata.data_class())
}

#[test]
fn ready_made_values_get_the_form_that_both_readers_show() {
    // A description beside a simple value is lost in one reader, so is a double.
    for datum in [Datum::SimpleValue(0.5), double(0.5, &[]), double(0.5, &[1])] {
        let value = mended(stated("scalars"), datum);
        assert_eq!(class(&value), DataClass::Scalar);
        assert_eq!(value.metadata.unwrap().summary_description, "words");
        let Some(Datum::Tensor(tensor)) = value.value else {
            panic!("no tensor")
        };
        assert_eq!((tensor.dtype, tensor.float_val), (1, vec![0.5]));
        assert_eq!(tensor.tensor_shape.unwrap().dim, []);
    }
    assert_eq!(
        mended(None, Datum::SimpleValue(0.5)).value,
        Some(Datum::SimpleValue(0.5))
    );
    let image = mended(None, Datum::Image(ImageProto::default()));
    let audio = mended(None, Datum::Audio(AudioProto::default()));
    assert_eq!([class(&image), class(&audio)], [DataClass::BlobSequence; 2]);
    // No dashboard shows the tensor of torch's `add_tensor`, but it is kept.
    assert_eq!(
        class(&mended(stated("tensor"), double(0.5, &[1]))),
        DataClass::Tensor
    );
}

#[test]
fn settings_of_others_that_have_no_value_get_one() {
    let value = Value {
        tag: "_hparams_/session_start_info".to_owned(),
        metadata: stated("hparams"),
        value: None,
    };
    let nothing = Summary { value: vec![value] }.encode_to_vec();
    let disk = Disk::new();
    let mut plex = disk.plex();
    plex.add_summary(&at(&id("a")), &nothing, None, None).unwrap();
    plex.commit().unwrap();
    let (_, value) = values(&disk.file("a")).remove(0);
    assert_eq!(class(&value), DataClass::Tensor);
    assert!(matches!(value.value, Some(Datum::Tensor(_))));
}

#[test]
fn ready_made_values_that_nobody_shows_are_refused_whole() {
    let disk = Disk::new();
    let mut plex = disk.plex();
    let a = id("a");
    let uneven = HistogramProto {
        bucket: vec![1.0],
        ..HistogramProto::default()
    };
    refused(
        plex.add_summary(&at(&a), &summary("h", None, Datum::Histo(uneven)), None, None),
        "tag \"h\": a histogram needs as many limits as buckets",
    );
    let tensor = summary("t", None, double(1.0, &[]));
    refused(
        plex.add_summary(&at(&a), &tensor, None, None),
        "tag \"t\": the first value of a tag must say what it is: a tensor without metadata is not shown",
    );
    let many = summary("s", stated("scalars"), double(1.0, &[2]));
    refused(
        plex.add_summary(&at(&a), &many, None, None),
        "tag \"s\": a scalar is one number",
    );
    plex.add_scalar(&at(&a), "x", 1.0, None, None).unwrap();
    // The first of two is good; neither is written.
    let mut two = summary("good", None, Datum::SimpleValue(1.0));
    two.extend(summary("x", stated("images"), double(1.0, &[])));
    refused(
        plex.add_summary(&at(&a), &two, None, None),
        "tag \"x\" of run \"a\" is a scalar, not a picture",
    );
    plex.commit().unwrap();
    assert_eq!(disk.tags()["a"], ["x"]);
}

/// Calls that leave every kind of file.
fn calls(plex: &mut Tensorplex) {
    let a = id("a");
    let cx = at(&a);
    let image = |step: i64| {
        let record = Image::new("image", array(&[4, 4]), "HW")
            .unwrap()
            .encode(NOW)
            .unwrap();
        (record, step)
    };
    let writer = EventBytes;
    for step in 0..6 {
        plex.add_scalar(&cx, "x", step as f64, Some(step), None).unwrap();
        plex.add_event(&cx, &writer.of(image(step))).unwrap();
    }
    plex.add_embedding(&cx, &embedding()).unwrap();
    plex.rewind(&cx, 3).unwrap();
    plex.add_scalar(&cx, "x", 9.0, Some(3), None).unwrap();
    plex.rewind(&cx, 2).unwrap();
    let event = writer.of(image(2));
    let (first, second) = event.split_at(40);
    plex.add_piece(&cx, 5, 0, 2, false, first).unwrap();
    plex.add_piece(&cx, 5, 1, 2, false, second).unwrap();
}

fn embedding() -> Vec<u8> {
    EmbeddingFiles {
        tag: "../e\"".into(),
        step: 2,
        wall_time: NOW,
        size: 1,
        tensors: "1\n2\n".into(),
        metadata: "one\ntwo\n".into(),
        rows: 2,
        ..EmbeddingFiles::default()
    }
    .encode_to_vec()
}

/// Events as a worker sends them: taken from the file of a local writer.
struct EventBytes;

impl EventBytes {
    fn of(&self, (record, step): (impl Encode, i64)) -> Vec<u8> {
        let disk = Disk::new();
        let mut writer = RunWriter::create(disk.root()).unwrap();
        writer.add(record, Some(step), Some(NOW)).unwrap();
        drop(writer);
        events(&disk.file("")).pop().unwrap().encode_to_vec()
    }
}

fn contents(disk: &Disk) -> Vec<(String, Vec<u8>)> {
    let root = disk.root();
    let files = disk.files().into_iter().map(|path| {
        let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        (name, std::fs::read(path).unwrap())
    });
    files.collect()
}

#[test]
fn a_replay_leaves_the_same_files_wherever_the_crash_was() {
    let disk = Disk::new();
    let mut plex = disk.plex();
    calls(&mut plex);
    plex.commit().unwrap();
    drop(plex);
    let all = contents(&disk);
    let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
    let directory = format!("a/00002/..%2fe%22-{}", (NOW * 1e6) as i64);
    assert_eq!(names[0], format!("{directory}/metadata.tsv"));
    assert_eq!(names[1], format!("{directory}/tensors.tsv"));
    assert_eq!((names.len(), names[5]), (6, "a/projector_config.pbtxt"));

    // Cut at any place of any file, the same calls complete it.
    for (name, bytes) in &all {
        for cut in [0, 1, bytes.len() / 2, bytes.len() - 1] {
            let path = disk.root().join(name);
            std::fs::write(&path, &bytes[..cut]).unwrap();
            let mut again = disk.plex();
            calls(&mut again);
            again.commit().unwrap();
            assert_eq!(contents(&disk), all, "{name} cut at {cut}");
        }
    }
}

/// Lines that the projector keeps: it drops those that are empty after JavaScript's `trim`.
fn projector_rows(embedding: Embedding) -> Vec<String> {
    let disk = Disk::new();
    let mut writer = RunWriter::create(disk.root()).unwrap();
    writer.add(embedding, Some(1), Some(NOW)).unwrap();
    drop(writer);
    let files = contents(&disk);
    let labels = files.into_iter().find(|(name, _)| name.ends_with("metadata.tsv"));
    let text = String::from_utf8(labels.expect("a file of labels").1).unwrap();
    let trimmed = |c: char| c.is_whitespace() || c == '\u{feff}';
    let shown = text
        .split('\n')
        .filter(|line| !line.trim_matches(trimmed).is_empty());
    shown.map(str::to_owned).collect()
}

#[test]
fn blank_labels_keep_their_row_in_the_projector() {
    let labels = ["a", "\n", " ", "", "\u{a0}\u{3000}\u{feff}", " b "];
    let vectors = || Embedding::new("e", vec![0.0; labels.len()], 1).unwrap();
    let rows = projector_rows(vectors().labels(&labels).unwrap());
    assert_eq!(rows, ["a", "␣", "␣", "␣", "␣", " b "]);

    // Rows of several columns are dropped only when every column is blank, and so is the header.
    let table = labels.map(|label| [label, ""]);
    let rows = projector_rows(vectors().table(&["", " "], &table).unwrap());
    assert_eq!(rows, ["␣\t ", "a\t", "␣\t", "␣\t", "␣\t", "␣\t", " b \t"]);
}

#[test]
fn a_rewound_file_restates_the_last_values_before_the_step() {
    let disk = Disk::new();
    let mut plex = disk.plex();
    calls(&mut plex);
    plex.commit().unwrap();
    let files: Vec<_> = disk
        .files()
        .into_iter()
        .filter(|f| f.to_str().unwrap().contains("tfevents"))
        .collect();
    assert_eq!(files.len(), 3);
    let last = values(&files[2]);
    let told: Vec<(i64, &str, bool)> = last
        .iter()
        .map(|(event, value)| (event.step, value.tag.as_str(), value.metadata.is_some()))
        .collect();
    assert_eq!(told, [(1, "image", true), (1, "x", false), (2, "image", false)]);
    assert_eq!(events(&files[2])[1].step, 2);
}

#[test]
fn pieces_survive_a_checkpoint() {
    let disk = Disk::new();
    let mut plex = disk.plex();
    let a = id("a");
    let image = Image::new("image", array(&[4, 4]), "HW").unwrap();
    let event = EventBytes.of((image, 1));
    plex.add_piece(&at(&a), 5, 0, 2, false, &event[..40]).unwrap();
    let state = plex.checkpoint().unwrap();
    let mut again = disk.plex();
    again.restore(&state).unwrap();
    again.add_piece(&at(&a), 5, 1, 2, false, &event[40..]).unwrap();
    again.commit().unwrap();
    assert_eq!(disk.tags()["a"], ["image"]);
    refused(
        plex.add_piece(&at(&a), 6, 1, 2, false, &event),
        "piece 1 of a value came without those before it; the value was dropped",
    );
}

#[test]
fn a_shared_run_is_not_rewound_and_its_settings_keep_their_names() {
    let disk = Disk::new();
    let mut plex = disk.plex_with_groups();
    refused(
        plex.rewind(&at(&id("learner/a")), 3),
        "client \"learner/a\" shares its run with others: it cannot be rewound",
    );
    plex.rewind(&at(&id("agent/3")), 3).unwrap();
    let hparams = HParams::new([("lr", Setting::from(0.5))]).unwrap();
    let event = EventBytes.of((hparams, 1));
    plex.add_event(&at(&id("agent/3")), &event).unwrap();
    let image = Image::new("image", array(&[4, 4]), "HW").unwrap();
    plex.add_event(&at(&id("agent/3")), &EventBytes.of((image, 1)))
        .unwrap();
    plex.commit().unwrap();
    assert_eq!(
        disk.tags()["agent/3"],
        ["_hparams_/session_start_info", "agent/image/0-7"]
    );
}

/// Steps of `x` in each file of run `a`, after a checkpoint and a process that goes on with `steps`.
fn resumed(steps: &[i64]) -> Vec<Vec<i64>> {
    let disk = Disk::new();
    let mut plex = disk.plex();
    let a = id("a");
    for step in 0..4 {
        plex.add_scalar(&at(&a), "x", 1.0, Some(step), None).unwrap();
    }
    plex.resume(&at(&a)).unwrap();
    let state = plex.checkpoint().unwrap();
    let mut again = disk.plex();
    again.restore(&state).unwrap();
    // Texts that a process logs at its start have step 0.
    again.add_text(&at(&a), "about", "more", Some(0), None).unwrap();
    for &step in steps {
        again.add_scalar(&at(&a), "x", 2.0, Some(step), None).unwrap();
    }
    again.commit().unwrap();
    let files = disk.files().into_iter().map(|file| {
        let values = values(&file).into_iter().filter(|(_, value)| value.tag == "x");
        values.map(|(event, _)| event.step).collect()
    });
    files.collect()
}

#[test]
fn a_process_that_resumes_at_an_earlier_step_rewinds() {
    assert_eq!(resumed(&[4, 2]), [vec![0, 1, 2, 3, 4, 2]]);
    assert_eq!(resumed(&[3, 4]), [vec![0, 1, 2, 3], vec![2, 3, 4]]);
    assert_eq!(resumed(&[0, 1]), [vec![0, 1, 2, 3], vec![0, 1]]);
}

/// Steps of `x` in each file, after a local writer that goes on with `steps`.
fn resumed_locally(steps: &[i64]) -> Vec<Vec<i64>> {
    let disk = Disk::new();
    let write = |writer: &mut RunWriter, steps: &[i64]| {
        writer.add_text("about", "words", Some(0), None).unwrap();
        for &step in steps {
            writer.add_scalar("x", 1.0, Some(step), None).unwrap();
        }
    };
    write(&mut RunWriter::create(disk.root()).unwrap(), &[0, 1, 2, 3]);
    let mut writer = RunWriter::create(disk.root()).unwrap();
    writer.resume().unwrap();
    write(&mut writer, steps);
    drop(writer);
    let files = disk.files().into_iter().map(|file| {
        let values = values(&file).into_iter().filter(|(_, value)| value.tag == "x");
        values.map(|(event, _)| event.step).collect()
    });
    files.collect()
}

#[test]
fn a_local_writer_that_resumes_at_an_earlier_step_rewinds() {
    let old = vec![0, 1, 2, 3];
    assert_eq!(resumed_locally(&[4, 2]), [old.clone(), vec![4, 2]]);
    // The text stands in a file of its own; the next one begins with what was before.
    assert_eq!(resumed_locally(&[3, 4]), [old.clone(), vec![], vec![2, 3, 4]]);
    assert_eq!(resumed_locally(&[0, 1]), [old, vec![], vec![0, 1]]);
}

#[test]
fn files_of_a_run_that_is_rewound_again_and_again_are_in_order() {
    let disk = Disk::new();
    let mut plex = disk.plex();
    let a = id("a");
    let times = [5.0, 5.0, 3.0];
    for (step, time) in (0..15).rev().zip(times.into_iter().cycle()) {
        plex.rewind(&at(&a), step).unwrap();
        plex.add_scalar(&at(&a), "x", 1.0, Some(step), Some(time))
            .unwrap();
    }
    plex.commit().unwrap();
    let starts: Vec<i64> = disk.files().iter().map(|file| events(file)[1].step).collect();
    assert_eq!(starts, (0..15).rev().collect::<Vec<_>>());
}

#[test]
fn a_refused_summary_leaves_no_tag_without_metadata() {
    let disk = Disk::new();
    let mut plex = disk.plex();
    let a = id("a");
    let tensor = || summary("t", stated("pr_curves"), double(1.0, &[]));
    let mut two = tensor();
    two.extend(summary("t", stated("mesh"), double(1.0, &[])));
    refused(
        plex.add_summary(&at(&a), &two, None, None),
        "tag \"t\" of run \"a\" is a pr curve, not a mesh",
    );
    plex.add_summary(&at(&a), &tensor(), None, None).unwrap();
    plex.commit().unwrap();
    assert!(values(&disk.file("a"))[0].1.metadata.is_some());
}
