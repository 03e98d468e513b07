//! Clocks that step: of the server and of the workers, not of the machine. The library libfaketime stands between a
//! process and the system's clock, and reads from a file how far it is off; clocks that only measure are left alone.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Of the processes of one kind.
#[derive(Debug)]
pub struct Clock(tempfile::NamedTempFile);

/// All that step.
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
    /// One that is right.
    ///
    /// # Panics
    /// When there can be no file.
    pub fn new() -> Self {
        let clock = Self(tempfile::NamedTempFile::new().expect("a temporary file"));
        clock.step(0);
        clock
    }

    /// From now on, within a second, it is off by so many seconds.
    ///
    /// # Panics
    /// When its file is gone.
    pub fn step(&self, seconds: i64) {
        std::fs::write(self.0.path(), format!("{seconds:+}\n")).expect("a temporary file");
    }

    /// A process that reads it.
    ///
    /// # Panics
    /// When the library is missing.
    pub fn set_up(&self, command: &mut Command) {
        command.env("LD_PRELOAD", library());
        command.env("FAKETIME_TIMESTAMP_FILE", self.0.path());
        command.env("FAKETIME_CACHE_DURATION", "1");
        command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    }
}

/// Where Debian's package libfaketime has it.
fn library() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").expect("/usr/lib").flatten();
    let mut ids = folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
    ids.find(|path| Path::exists(path))
        .expect("libfaketime is missing; `make setup` installs it")
}
