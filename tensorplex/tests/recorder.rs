//! What a worker's call costs its caller.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use tensorplex::records::{Encode, Record, ScalarTensor};
use tensorplex::{RecordError, Recorder};

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
}

/// A record that turns out to be none.
struct Broken;

impl Encode for Broken {
    fn encode(self, _: f64) -> Result<Record, RecordError> {
        Err(RecordError::NoRecord)
    }
}

#[test]
fn the_caller_does_not_wait_for_encoding_and_a_flush_does() {
    // Nobody is there: calls gather.
    let log = Recorder::connect("127.0.0.1:1", "a").unwrap();
    let (open, gate) = channel();
    let (thread, encoded_in) = channel();
    log.add(Gated { gate, thread }, 1);
    let outstanding = log.flush(Duration::from_millis(10)).unwrap_err().outstanding;
    assert_eq!(outstanding, 1);
    assert_eq!(log.client().client().stats().taken, 0);
    open.send(()).unwrap();
    assert_ne!(encoded_in.recv().unwrap(), std::thread::current().id());
    assert_eq!(log.flush(Duration::from_millis(10)).unwrap_err().outstanding, 1);
    assert_eq!(log.client().client().stats().taken, 1);
    let _ = log.close(Duration::ZERO);
}

#[test]
fn a_record_that_cannot_be_encoded_is_counted() {
    let log = Recorder::connect("127.0.0.1:1", "a").unwrap();
    log.add(Broken, 1);
    let _ = log.flush(Duration::from_millis(10));
    assert_eq!(log.refused(), 1);
    assert!(
        log.close(Duration::from_secs(60)).is_ok(),
        "nothing is outstanding"
    );
}
