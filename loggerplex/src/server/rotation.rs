//! Rotation: when a log file ends, and how many ended files are kept.
//!
//! ```text
//! agent/17.log                        current file
//! agent/17.log.20180309-123456-1      rotated file: UTC time of its first line, and its number
//! ```
//!
//! Line lengths and the times in the calls decide, never a clock, so a replay of the same calls
//! gives the same files.

use std::collections::VecDeque;
use std::num::NonZeroU64;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Limits of one log file, and the number of rotated files that are kept. Default: no limits, none
/// kept.
///
/// An entry is never split: one longer than `max_bytes` gets a file of its own.
///
/// ```
/// use std::time::Duration;
///
/// use loggerplex::server::Rotation;
///
/// let rotation = Rotation::keep(5)
///     .max_bytes(std::num::NonZeroU64::new(100 << 20))
///     .max_age(Duration::from_secs(86_400));
/// assert_eq!(rotation.keep, 5);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rotation {
    /// Limit on the bytes of one file.
    pub max_bytes: Option<NonZeroU64>,
    /// Limit on the time from the first line of a file to its last.
    pub max_age: Option<Duration>,
    /// Number of rotated files that are kept besides the current one.
    pub keep: usize,
}

impl Rotation {
    /// Keeps this many rotated files; sets no limits.
    pub fn keep(keep: usize) -> Self {
        Self {
            keep,
            ..Self::default()
        }
    }

    /// Sets the limit on the bytes of one file.
    #[must_use]
    pub fn max_bytes(mut self, max: impl Into<Option<NonZeroU64>>) -> Self {
        self.max_bytes = max.into();
        self
    }

    /// Sets the limit on the time from the first line of a file to its last.
    #[must_use]
    pub fn max_age(mut self, max: impl Into<Option<Duration>>) -> Self {
        self.max_age = max.into();
        self
    }
}

/// Rotation progress of one client's files: the current file and the names of the rotated ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RotatedFiles {
    /// Number of rotations so far.
    number: u64,
    /// Time of the first line of the current file, in nanoseconds since 1970-01-01 UTC.
    since_ns: i64,
    /// Bytes of the current file.
    bytes: u64,
    rotated: VecDeque<String>,
}

impl RotatedFiles {
    /// Returns whether this line exceeds a limit of the current file and belongs in the next one.
    pub fn must_rotate(&self, rotation: Rotation, time_ns: i64, bytes: u64) -> bool {
        let age = u64::try_from(time_ns.saturating_sub(self.since_ns)).unwrap_or(0);
        let too_old = rotation
            .max_age
            .is_some_and(|max| Duration::from_nanos(age) > max);
        let too_long = rotation
            .max_bytes
            .is_some_and(|max| self.bytes + bytes > max.get());
        self.bytes > 0 && (too_old || too_long)
    }

    /// Begins the next file. Returns the rotated files that are now to be removed.
    pub fn rotate(&mut self, path: &str, keep: usize) -> Vec<String> {
        self.rotated.push_back(self.rotated_path(path));
        (self.number, self.bytes) = (self.number + 1, 0);
        let too_many = self.rotated.len().saturating_sub(keep);
        self.rotated.drain(..too_many).collect()
    }

    /// Counts a line of the current file.
    pub fn count_line(&mut self, time_ns: i64, bytes: u64) {
        if self.bytes == 0 {
            self.since_ns = time_ns;
        }
        self.bytes += bytes;
    }

    /// Key of the current file, unique among the client's files.
    pub fn key(&self, path: &str) -> String {
        match self.number {
            0 => path.to_owned(),
            n => format!("{path}#{n}"),
        }
    }

    /// Path that the current file will have after its rotation.
    pub fn rotated_path(&self, path: &str) -> String {
        let since = DateTime::<Utc>::from_timestamp_nanos(self.since_ns);
        format!("{path}.{}-{}", since.format("%Y%m%d-%H%M%S"), self.number + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    /// Asserts the file number of each line, given as bytes and seconds.
    #[track_caller]
    fn check(max_bytes: u64, max_age: u64, lines: &[(u64, i64)], expect: &[u64]) {
        let rotation = Rotation {
            max_bytes: NonZeroU64::new(max_bytes),
            max_age: Some(Duration::from_secs(max_age)),
            keep: 1,
        };
        let mut files = RotatedFiles::default();
        let file_number = |&(bytes, second): &(u64, i64)| {
            if files.must_rotate(rotation, second * SECOND, bytes) {
                files.rotate("a", rotation.keep);
            }
            files.count_line(second * SECOND, bytes);
            files.number
        };
        assert_eq!(lines.iter().map(file_number).collect::<Vec<_>>(), expect);
    }

    #[test]
    fn a_file_rotates_before_it_exceeds_its_size() {
        check(
            10,
            99,
            &[(5, 0), (5, 0), (1, 0), (9, 0), (1, 0)],
            &[0, 0, 1, 1, 2],
        );
        check(10, 99, &[(11, 0), (11, 0), (1, 0)], &[0, 1, 2]);
    }

    #[test]
    fn a_file_rotates_before_it_exceeds_its_age() {
        check(
            99,
            60,
            &[(1, 0), (1, 60), (1, 61), (1, 121), (1, 122)],
            &[0, 0, 1, 1, 2],
        );
        // A clock that goes back does not age a file.
        check(99, 60, &[(1, 1000), (1, 0), (1, i64::MIN / SECOND)], &[0, 0, 0]);
    }

    #[test]
    fn names_sort_in_order_and_the_oldest_are_removed_first() {
        let mut files = RotatedFiles::default();
        let mut removed = Vec::new();
        for n in 0..4 {
            files.count_line(n * SECOND, 1);
            removed.extend(files.rotate("a.log", 2));
        }
        let names = ["a.log.19700101-000000-1", "a.log.19700101-000001-2"];
        assert_eq!(removed, names);
        let earlier = ["a.log.19700101-000002-3", "a.log.19700101-000003-4"];
        assert_eq!(files.rotated, earlier);
    }
}
