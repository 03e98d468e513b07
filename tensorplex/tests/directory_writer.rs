//! Promises of `DirectoryWriter` to its callers.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use tensorplex::RecordError;
use tensorplex::local::DirectoryWriter;
use tensorplex::records::{Encode, Record, ScalarTensor};

/// A record that is not encoded before it may be, and tells in which thread it is.
struct Gated(Receiver<()>, Sender<std::thread::ThreadId>);

impl Encode for Gated {
    fn encode(self, wall_time: f64) -> Result<Record, RecordError> {
        self.0.recv().unwrap();
        self.1.send(std::thread::current().id()).unwrap();
        ScalarTensor::new("heavy", 1.0, "", "")?.encode(wall_time)
    }

    fn held_bytes(&self) -> usize {
        0
    }
}

fn bytes_in(dir: &std::path::Path) -> u64 {
    let files = std::fs::read_dir(dir).unwrap();
    files.map(|file| file.unwrap().metadata().unwrap().len()).sum()
}

#[test]
fn the_caller_does_not_wait_for_encoding() {
    let dir = tempfile::tempdir().unwrap();
    let log = DirectoryWriter::create(dir.path(), Duration::from_secs(60)).unwrap();
    let (open, gate) = channel();
    let (thread, encoded_in) = channel();
    log.add("", Gated(gate, thread), Some(1), None);
    log.write("", |writer| writer.add_scalar("quick", 1.0, Some(1), None));
    assert!(!log.wait(Duration::from_millis(1)));
    open.send(()).unwrap();
    assert!(log.wait(Duration::from_secs(60)));
    assert_ne!(encoded_in.recv().unwrap(), std::thread::current().id());
    log.flush().unwrap();
    assert_eq!(log.lost().records, 0);
}

#[test]
fn what_waits_is_written_without_another_call() {
    let dir = tempfile::tempdir().unwrap();
    let log = DirectoryWriter::create(dir.path(), Duration::from_millis(5)).unwrap();
    log.write("", |writer| writer.add_scalar("x", 1.0, Some(1), None));
    while bytes_in(dir.path()) == 0 {
        std::thread::yield_now();
    }
}

/// A record whose encoder has a fault.
struct Faulty;

impl Encode for Faulty {
    fn encode(self, _: f64) -> Result<Record, RecordError> {
        panic!("of the test")
    }

    fn held_bytes(&self) -> usize {
        0
    }
}

#[test]
fn a_panic_of_an_encoder_costs_its_record_and_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let log = DirectoryWriter::create(dir.path(), Duration::from_secs(60)).unwrap();
    log.add("", Faulty, Some(1), None);
    let after = ScalarTensor::new("after", 0.5, "", "").unwrap();
    log.add("", after, Some(1), None);
    assert!(log.wait(Duration::from_secs(60)));
    log.flush().unwrap();
    let lost = log.lost();
    assert_eq!(
        (lost.records, lost.why.contains("panicked")),
        (1, true),
        "{lost:?}"
    );
    let file = std::fs::read_dir(dir.path()).unwrap().next().unwrap().unwrap();
    let written = std::fs::read(file.path()).unwrap();
    assert!(written.windows(5).any(|some| some == b"after"));
}

#[test]
fn what_is_refused_is_counted_and_the_rest_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let log = DirectoryWriter::create(dir.path(), Duration::from_secs(60)).unwrap();
    log.write("", |writer| writer.add_scalar("x", 1.0, Some(1), None));
    log.write("", |writer| writer.add_histogram("x", &[1.0], Some(2), None));
    log.write("below/a", |writer| writer.add_scalar("x", 1.0, Some(1), None));
    log.flush().unwrap();
    let lost = log.lost();
    assert_eq!(lost.records, 1);
    assert!(lost.why.contains("is a scalar, not a histogram"), "{}", lost.why);
    assert!(bytes_in(dir.path()) > 0 && bytes_in(&dir.path().join("below/a")) > 0);
}
