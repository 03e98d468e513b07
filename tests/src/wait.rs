//! Waits for a condition, with a deadline.

use std::time::{Duration, Instant};

/// Limit for a single wait, 60 s: enough on a machine that runs other tests at the same time.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Polls `look` every 5 ms until it returns a value.
///
/// # Panics
/// When it returns none within [`DEADLINE`]; the message contains `what`.
#[track_caller]
pub fn wait_for<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    until(DEADLINE, look).unwrap_or_else(|| panic!("waited {DEADLINE:?} for {what}"))
}

/// Like [`wait_for`], with another deadline; returns `None` after it.
pub fn until<T>(deadline: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + deadline;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() > end {
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
