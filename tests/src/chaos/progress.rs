//! What a worker says of itself, in a file that survives it.
//!
//! ```text
//! submitted N     numbers below N have been, or are about to be, handed over
//! accepted N      numbers below N were handed over: with a spool they survive the worker
//! records N       a flush has confirmed the records below N
//! lines N         a flush has confirmed the log lines below N
//! ```
//!
//! A word is in the file before the worker actions on it, and a promise after it was made: a worker that is killed has
//! submitted no more, and was promised no less, than its file says.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Numbers of one worker's life: each of them stands for one record and one log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Below this: may be there.
    pub submitted: u64,
    /// Below this: both must be there when the worker has a spool.
    pub accepted: u64,
    /// Below this: its record must be there.
    pub records: u64,
    /// Below this: its log line must be there.
    pub lines: u64,
}

/// The worker's end of the file.
pub struct ProgressFile(File);

impl ProgressFile {
    /// Makes the file.
    ///
    /// # Errors
    /// What the system says.
    pub fn create(path: &Path) -> io::Result<Self> {
        File::create(path).map(Self)
    }

    /// Adds a word, with one write.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(&mut self, word: &str, number: u64) -> io::Result<()> {
        self.0.write_all(format!("{word} {number}\n").as_bytes())
    }
}

impl Progress {
    /// Reads what a worker said; nothing, when it did not come so far as to make the file.
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

/// The value of a record: it belongs to this number of this life, and an `f32` holds it.
pub fn value(life: u64, number: u64) -> u32 {
    let mixed = (life << 32 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 40) as u32
}
