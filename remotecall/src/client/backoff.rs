//! Back-off between attempts: exponential with full jitter, so that hundreds of workers do not reconnect in
//! the same instant.

use std::time::Duration;

/// Span of the first delay, 50 ms.
const FIRST: Duration = Duration::from_millis(50);
/// Span of the longest delay, 2 s.
const LONGEST: Duration = Duration::from_secs(2);

/// Delays of one series of attempts.
#[derive(Debug)]
pub(crate) struct Backoff(Duration);

impl Backoff {
    pub fn new() -> Self {
        Self(FIRST)
    }

    pub fn reset(&mut self) {
        self.0 = FIRST;
    }

    /// Delay before the next attempt.
    pub fn next(&mut self) -> Duration {
        let span = self.0;
        self.0 = (span * 2).min(LONGEST);
        let share = f64::from(getrandom::u32().unwrap_or(u32::MAX / 2)) / f64::from(u32::MAX);
        FIRST / 2 + span.mul_f64(share)
    }
}
