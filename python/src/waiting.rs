//! Interruptible waits: detached from the interpreter, in slices, so that Ctrl-C is handled.

use std::time::{Duration, Instant};

use pyo3::prelude::*;

/// Longest wait between two checks for signals.
pub(crate) const SLICE: Duration = Duration::from_millis(50);

/// A timeout from Python. Negative and NaN are 0; anything longer than a century is a century.
pub(crate) fn seconds(seconds: f64) -> Duration {
    const CENTURY: f64 = 3.2e9;
    Duration::try_from_secs_f64(seconds.clamp(0.0, CENTURY)).unwrap_or_default()
}

/// Calls `wait` with slices of `timeout` seconds until it returns true; returns whether it did.
pub(crate) fn wait_in_slices(
    py: Python<'_>,
    timeout: f64,
    wait: impl Fn(Duration) -> bool + Sync,
) -> PyResult<bool> {
    let deadline = Instant::now() + seconds(timeout);
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if py.detach(|| wait(left.min(SLICE))) {
            return Ok(true);
        }
        py.check_signals()?;
        if left <= SLICE {
            return Ok(false);
        }
    }
}
