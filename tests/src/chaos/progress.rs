//! Progress file of a worker, which survives the worker.
//!
//! ```text
//! submitted N     numbers below N were passed, or are about to be passed, to the client
//! accepted N      the client took the numbers below N: with a spool they survive the worker
//! records N       a flush confirmed the records below N
//! lines N         a flush confirmed the log lines below N
//! ```
//!
//! `submitted` is written before the calls, the other lines after them. So a killed worker has
//! submitted no more, and was promised no less, than its file says.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Progress of one worker's life. Each number stands for one record and one log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Numbers below this may be in the files.
    pub submitted: u64,
    /// Records and lines below this must be in the files if the worker has a spool.
    pub accepted: u64,
    /// Records below this must be in the files.
    pub records: u64,
    /// Log lines below this must be in the files.
    pub lines: u64,
}

/// Progress file that a worker writes.
pub struct ProgressFile(File);

impl ProgressFile {
    /// Creates the file.
    ///
    /// # Errors
    /// When the file cannot be created or written.
    pub fn create(path: &Path) -> io::Result<Self> {
        File::create(path).map(Self)
    }

    /// Appends a line with one write.
    ///
    /// # Errors
    /// When the file cannot be created or written.
    pub fn write(&mut self, word: &str, number: u64) -> io::Result<()> {
        self.0.write_all(format!("{word} {number}\n").as_bytes())
    }
}

impl Progress {
    /// Reads a progress file; all numbers are 0 when the worker did not come to create it.
    ///
    /// # Panics
    /// When a line is not in the format above.
    pub fn read(path: &Path) -> Self {
        let mut progress = Self::default();
        for line in std::fs::read_to_string(path).unwrap_or_default().lines() {
            match line.split_once(' ').map(|(word, n)| (word, n.parse())) {
                Some(("submitted", Ok(n))) => progress.submitted = n,
                Some(("accepted", Ok(n))) => progress.accepted = n,
                Some(("records", Ok(n))) => progress.records = n,
                Some(("lines", Ok(n))) => progress.lines = n,
                _ => panic!("{}: {line:?}", path.display()),
            }
        }
        progress
    }
}

/// Value of a record, a function of life and number that an `f32` holds exactly.
pub fn value(life: u64, number: u64) -> u32 {
    let mixed = (life << 32 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 40) as u32
}
