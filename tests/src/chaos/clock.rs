//! Wall clocks of the server and of the workers that step; the machine's clock stays.
//!
//! The library libfaketime shifts a process's wall clock by an offset that it reads from a file.
//! Monotonic clocks are not changed.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Wall clock shared by the processes of one kind.
#[derive(Debug)]
pub struct Clock(tempfile::NamedTempFile);

/// The clocks of a run.
pub struct Clocks {
    pub server: Clock,
    pub workers: Clock,
}

impl Clocks {
    pub fn new() -> Self {
        Self {
            server: Clock::new(),
            workers: Clock::new(),
        }
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock {
    /// Creates a clock without an offset.
    ///
    /// # Panics
    /// When the temporary file cannot be created.
    pub fn new() -> Self {
        let clock = Self(tempfile::NamedTempFile::new().expect("a temporary file"));
        clock.step(0);
        clock
    }

    /// Sets the offset, in seconds; processes see it within a second.
    ///
    /// # Panics
    /// When the file of the clock is gone.
    pub fn step(&self, seconds: i64) {
        std::fs::write(self.0.path(), format!("{seconds:+}\n")).expect("a temporary file");
    }

    /// Makes `command` use this clock.
    ///
    /// # Panics
    /// When libfaketime is missing.
    pub fn set_up(&self, command: &mut Command) {
        command.env("LD_PRELOAD", library());
        command.env("FAKETIME_TIMESTAMP_FILE", self.0.path());
        command.env("FAKETIME_CACHE_DURATION", "1");
        command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    }
}

/// Path of the library in Debian's package libfaketime.
fn library() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").expect("/usr/lib").flatten();
    let mut ids = folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
    ids.find(|path| Path::exists(path))
        .expect("libfaketime is missing; `make setup` installs it")
}
