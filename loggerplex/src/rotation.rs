//! When a file has ended and the next one begins.
//!
//! ```text
//! agent/17.log                        the lines of now
//! agent/17.log.20180309-123456-1      earlier ones: UTC time of the first line, and a number
//! ```
//!
//! It is decided by the bytes of the lines and the times at which they were logged, never by a clock: a replay of the
//! same calls gives the same files.

use std::collections::VecDeque;
use std::num::NonZeroU64;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// When a file is full, and how many earlier ones are kept. A single line is never cut: one that is longer than a
/// file may be has a file of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotation {
    /// Most bytes of one file.
    pub max_bytes: Option<NonZeroU64>,
    /// Longest time from the first line of a file to its last.
    pub max_age: Option<Duration>,
    /// Earlier files that are kept, besides the one that grows.
    pub keep: usize,
}

/// The file that grows, and the earlier ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Generation {
    number: u64,
    since_ns: i64,
    bytes: u64,
    earlier: VecDeque<String>,
}

impl Generation {
    /// Whether this line belongs into the next file.
    pub fn ends_before(&self, rotation: Rotation, time_ns: i64, bytes: u64) -> bool {
        let age = u64::try_from(time_ns.saturating_sub(self.since_ns)).unwrap_or(0);
        let too_old = rotation
            .max_age
            .is_some_and(|max| Duration::from_nanos(age) > max);
        let too_long = rotation
            .max_bytes
            .is_some_and(|max| self.bytes + bytes > max.get());
        self.bytes > 0 && (too_old || too_long)
    }

    /// Goes on to the next file. Returns the earlier files that are not to be kept.
    pub fn next(&mut self, path: &str, keep: usize) -> Vec<String> {
        self.earlier.push_back(self.kept(path));
        (self.number, self.bytes) = (self.number + 1, 0);
        let too_many = self.earlier.len().saturating_sub(keep);
        self.earlier.drain(..too_many).collect()
    }

    /// Counts a line of the current file.
    pub fn add(&mut self, time_ns: i64, bytes: u64) {
        if self.bytes == 0 {
            self.since_ns = time_ns;
        }
        self.bytes += bytes;
    }

    /// The key of the current file; it is used for no other.
    pub fn key(&self, path: &str) -> String {
        match self.number {
            0 => path.to_owned(),
            n => format!("{path}#{n}"),
        }
    }

    /// Where the current file will be found when it has ended.
    pub fn kept(&self, path: &str) -> String {
        let since = DateTime::<Utc>::from_timestamp_nanos(self.since_ns);
        format!("{path}.{}-{}", since.format("%Y%m%d-%H%M%S"), self.number + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    /// Sizes and times of lines go in, the number of the file of each line comes out.
    #[track_caller]
    fn check(max_bytes: u64, max_age: u64, lines: &[(u64, i64)], expect: &[u64]) {
        let rotation = Rotation {
            max_bytes: NonZeroU64::new(max_bytes),
            max_age: Some(Duration::from_secs(max_age)),
            keep: 1,
        };
        let mut generation = Generation::default();
        let place = |&(bytes, second): &(u64, i64)| {
            if generation.ends_before(rotation, second * SECOND, bytes) {
                generation.next("a", rotation.keep);
            }
            generation.add(second * SECOND, bytes);
            generation.number
        };
        assert_eq!(lines.iter().map(place).collect::<Vec<_>>(), expect);
    }

    #[test]
    fn a_file_ends_before_it_is_too_long() {
        check(
            10,
            99,
            &[(5, 0), (5, 0), (1, 0), (9, 0), (1, 0)],
            &[0, 0, 1, 1, 2],
        );
        check(10, 99, &[(11, 0), (11, 0), (1, 0)], &[0, 1, 2]);
    }

    #[test]
    fn a_file_ends_before_it_is_too_old() {
        check(
            99,
            60,
            &[(1, 0), (1, 60), (1, 61), (1, 121), (1, 122)],
            &[0, 0, 1, 1, 2],
        );
        // A clock that goes back makes no file old.
        check(99, 60, &[(1, 1000), (1, 0), (1, i64::MIN / SECOND)], &[0, 0, 0]);
    }

    #[test]
    fn names_sort_in_order_and_the_oldest_go_first() {
        let mut generation = Generation::default();
        let mut gone = Vec::new();
        for n in 0..4 {
            generation.add(n * SECOND, 1);
            gone.extend(generation.next("a.log", 2));
        }
        let names = ["a.log.19700101-000000-1", "a.log.19700101-000001-2"];
        assert_eq!(gone, names);
        let earlier = ["a.log.19700101-000002-3", "a.log.19700101-000003-4"];
        assert_eq!(generation.earlier, earlier);
    }
}
