//! Shutdown of everything in this process, within one deadline.

use std::time::{Duration, Instant};

use pyo3::prelude::*;

use crate::background::take_closing;
use crate::connection::take_live;
use crate::open_files::take_open;
use crate::waiting::seconds;

/// Interval between two looks at threads that are closing something.
const POLL: Duration = Duration::from_millis(5);

/// Writes every file, flushes and closes every client of this process, and joins background threads.
///
/// Returns a sentence for each client with calls that were not acknowledged within `timeout` seconds and
/// for files that were not written, and the number of dropped calls by cause, if any were.
#[pyfunction]
pub(crate) fn close_all(py: Python<'_>, timeout: f64) -> (Vec<String>, Option<String>) {
    let deadline = Instant::now() + seconds(timeout);
    let (connections, mut dropped) = take_live();
    let files = take_open();
    let threads = take_closing();
    let failures = py.detach(|| {
        let left = || deadline.saturating_duration_since(Instant::now());
        let mut failures = Vec::new();
        for recorder in files.iter().filter_map(|files| files.get()) {
            if !recorder.wait(left()) {
                failures
                    .push("records of a local writer were not encoded before the process ended".to_owned());
            } else if let Err(error) = recorder.flush() {
                failures.push(format!("records of a local writer were not written: {error}"));
            }
        }
        for connection in connections {
            let client = &connection.client;
            let is_encoded = connection.records().encoder.wait(left());
            let closed = client.close(left());
            let stats = client.stats();
            let is_unfinished = matches!(&closed, Err(error) if error.outstanding > 0);
            if !is_encoded || stats.outstanding() > 0 || is_unfinished {
                failures.push(undelivered(client, stats.outstanding().max(1)));
            }
            dropped.add(&stats.dropped);
        }
        for mut thread in threads {
            while thread.get().is_some_and(|thread| !thread.is_finished()) && !left().is_zero() {
                std::thread::sleep(POLL.min(left()));
            }
            if thread.take().is_some_and(|thread| !thread.is_finished()) {
                let text = "calls of a client without owner were not acknowledged before the process ended";
                failures.push(text.to_owned());
            }
        }
        failures
    });
    (failures, (dropped.total() > 0).then(|| dropped.to_string()))
}

/// Sentence about calls that were not acknowledged: how many, to which broker, and why, as far as that is known.
fn undelivered(client: &remotecall::Client, count: u64) -> String {
    let why = client
        .outage()
        .unwrap_or_else(|| "no server acknowledged them".to_owned());
    let calls = if count == 1 { "call" } else { "calls" };
    let address = client.address();
    format!("{count} {calls} to {address} were not acknowledged before the process ended: {why}")
}
