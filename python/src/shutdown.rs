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
/// Returns whether everything was written and acknowledged within `timeout` seconds, and how many
/// calls were dropped, by cause, if any were.
#[pyfunction]
pub(crate) fn close_all(py: Python<'_>, timeout: f64) -> (bool, Option<String>) {
    let deadline = Instant::now() + seconds(timeout);
    let (connections, mut dropped) = take_live();
    let files = take_open();
    let threads = take_closing();
    let all = py.detach(|| {
        let left = || deadline.saturating_duration_since(Instant::now());
        let mut all = true;
        for recorder in files.iter().filter_map(|files| files.get()) {
            all &= recorder.wait(left()) && recorder.flush().is_ok();
        }
        for connection in connections {
            all &= connection.records().encoder.wait(left());
            all &= connection.client.close(left()).is_ok();
            dropped.add(&connection.client.stats().dropped);
        }
        for mut thread in threads {
            while thread.get().is_some_and(|thread| !thread.is_finished()) && !left().is_zero() {
                std::thread::sleep(POLL.min(left()));
            }
            all &= thread.take().is_none_or(|thread| thread.is_finished());
        }
        all
    });
    (all, (dropped.total() > 0).then(|| dropped.to_string()))
}
