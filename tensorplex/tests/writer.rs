//! Writer of a worker: cost of calls, and outcome of flushes.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use tensorplex::records::{
    Array, Audio, Bins, Element, Embedding, Encode, Graph, Histogram, Image, Mesh, PrCurve, PrCurveRaw,
    Record, ScalarTensor, Tensor, Video,
};
use tensorplex::{RecordError, Writer};

/// A record that is not encoded before it may be.
struct Gated {
    gate: Receiver<()>,
    thread: Sender<std::thread::ThreadId>,
}

impl Encode for Gated {
    fn encode(self, wall_time: f64) -> Result<Record, RecordError> {
        self.gate.recv().unwrap();
        self.thread.send(std::thread::current().id()).unwrap();
        ScalarTensor::new("x", 1.0, "", "")?.encode(wall_time)
    }

    fn held_bytes(&self) -> usize {
        0
    }
}

/// A record that turns out to be none.
struct Broken;

impl Encode for Broken {
    fn encode(self, _: f64) -> Result<Record, RecordError> {
        Err(RecordError::NoRecord)
    }

    fn held_bytes(&self) -> usize {
        0
    }
}

#[test]
fn the_caller_does_not_wait_for_encoding_and_a_flush_does() {
    // Nobody is there: calls gather.
    let log = Writer::connect("127.0.0.1:1", "a").unwrap();
    let (open, gate) = channel();
    let (thread, encoded_in) = channel();
    log.add(Gated { gate, thread }, 1);
    let outstanding = log.flush(Duration::from_millis(10)).unwrap_err().outstanding;
    assert_eq!(outstanding, 1);
    assert_eq!(log.client().expect("a remote writer").client().stats().taken, 0);
    open.send(()).unwrap();
    assert_ne!(encoded_in.recv().unwrap(), std::thread::current().id());
    assert_eq!(log.flush(Duration::from_millis(10)).unwrap_err().outstanding, 1);
    assert_eq!(log.client().expect("a remote writer").client().stats().taken, 1);
    let _ = log.close(Duration::ZERO);
}

#[test]
fn a_record_that_cannot_be_encoded_is_counted() {
    let log = Writer::connect("127.0.0.1:1", "a").unwrap();
    log.add(Broken, 1);
    let _ = log.flush(Duration::from_millis(10));
    assert_eq!(log.stats().refused, 1);
    assert!(
        log.close(Duration::from_secs(60)).is_ok(),
        "nothing is outstanding"
    );
}

#[test]
fn a_record_takes_as_much_room_as_its_data() {
    let pixels = || Array::new(&[10, 10], vec![0.0_f32; 100]).unwrap();
    check(&Image::new("x", pixels(), "HW").unwrap(), 400);
    check(
        &Video::new(
            "x",
            Array::new(&[5, 4, 2, 2], vec![0_u8; 80]).unwrap(),
            "TCHW",
            1.0,
        )
        .unwrap(),
        80,
    );
    check(&Audio::new("x", vec![0.0; 10], 1, 8000).unwrap(), 40);
    check(
        &Histogram::new("x", vec![0.0_f32; 10], Bins::TensorBoard).unwrap(),
        40,
    );
    check(
        &Histogram::doubles("x", vec![0.0; 10], Bins::Edges(vec![0.0, 1.0])).unwrap(),
        96,
    );
    check(
        &PrCurve::new("x", vec![true; 4], vec![0.5; 4], Some(vec![1.0; 4]), 10).unwrap(),
        36,
    );
    check(&PrCurveRaw::new("x", [(); 6].map(|()| vec![0.5; 2])).unwrap(), 48);
    check(
        &Mesh::new("x", vec![[0.0; 3]; 4])
            .unwrap()
            .colors(vec![[0; 3]; 4])
            .unwrap(),
        60,
    );
    check(&Graph::new(vec![0; 100]).unwrap(), 100);
    let embedding = Embedding::new("x", vec![0.0; 8], 2).unwrap();
    check(&embedding.labels(&["a", "b", "c", "d"]).unwrap(), 40);
    // An encoded record counts with its shape and tag.
    let tensor = Tensor::new("x", Element::F64, &[100], vec![0; 800]).unwrap();
    assert!((800..850).contains(&tensor.held_bytes()));
    assert!((800..900).contains(&tensor.encode(0.0).unwrap().held_bytes()));
}

#[track_caller]
fn check(record: &impl Encode, bytes: usize) {
    assert_eq!(record.held_bytes(), bytes);
}

#[test]
fn a_local_writer_writes_each_client_id_into_its_run() {
    let dir = tempfile::tempdir().unwrap();
    let writer = Writer::create(dir.path()).unwrap();
    writer.scalar("loss", 0.5, 1);
    let below = writer.with_client_id("agent/17").unwrap();
    below.histogram("weights", &[1.0_f32, 2.0], 1);
    below.text("note", "text", 1);
    below.add(ScalarTensor::new("heavy", 1.0, "", "").unwrap(), 1);
    writer.flush(Duration::from_secs(60)).unwrap();
    assert_eq!(files_with(dir.path(), b"loss"), 1);
    let run = dir.path().join("agent/17");
    assert_eq!(files_with(&run, b"weights"), 1);
    assert_eq!(files_with(&run, b"heavy"), 1);
    assert!(writer.client().is_none());
}

#[test]
fn a_flush_of_a_local_writer_reports_refused_records_once() {
    let dir = tempfile::tempdir().unwrap();
    let writer = Writer::create(dir.path()).unwrap();
    writer.scalar("x", 1.0, 1);
    writer.histogram("x", &[1.0], 2);
    let error = writer.flush(Duration::from_secs(60)).unwrap_err();
    assert_eq!((error.refused, error.is_retryable()), (1, false), "{error}");
    writer.flush(Duration::from_secs(60)).unwrap();
    assert_eq!(writer.stats().refused, 1);
}

#[test]
fn a_closed_local_writer_drops_and_counts_records() {
    let dir = tempfile::tempdir().unwrap();
    let writer = Writer::create(dir.path()).unwrap();
    writer.close(Duration::from_secs(60)).unwrap();
    writer.scalar("late", 1.0, 1);
    assert_eq!(writer.stats().dropped, 1);
    drop(writer);
    assert_eq!(files_with(dir.path(), b"late"), 0);
}

#[test]
fn a_rewound_local_writer_hides_later_steps() {
    let dir = tempfile::tempdir().unwrap();
    let writer = Writer::create(dir.path()).unwrap();
    for step in 0..10 {
        writer.scalar("loss", 0.5, step);
    }
    writer.rewind(5);
    writer.close(Duration::from_secs(60)).unwrap();
    let runs = tensorplex::logdir::find_runs(dir.path()).unwrap().runs;
    let select = tensorplex::logdir::Select::default();
    let mut reader = tensorplex::logdir::ScalarReader::of(&runs[0], &select).unwrap();
    let mut steps = Vec::new();
    reader
        .each(&select, &mut |_| {}, |point| {
            steps.push(point.step);
            Ok(())
        })
        .unwrap();
    assert_eq!(steps, [0, 1, 2, 3, 4]);
}

/// Number of files in `dir` that contain `word`.
fn files_with(dir: &std::path::Path, word: &[u8]) -> usize {
    let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.is_file())
        .filter(|path| {
            std::fs::read(path)
                .unwrap()
                .windows(word.len())
                .any(|at| at == word)
        })
        .count()
}
