//! Wall time of records, in seconds since 1970.

use std::time::{SystemTime, UNIX_EPOCH};

/// The current time; 0 when the system's clock is before 1970.
pub(crate) fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs_f64())
}

/// The given time if it is finite, otherwise the current time: readers give up a file at a time that is not finite.
pub(crate) fn finite_or_now(time: Option<f64>) -> f64 {
    time.filter(|time| time.is_finite()).unwrap_or_else(now)
}
