//! A running `tensorplex tail` and its output.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::process::{Command, ExitStatus, Stdio};

use serde_json::Value;

use crate::{Lines, Process, program, wait_for};

/// Running `tensorplex tail --json`.
pub struct Tail {
    process: Process,
    lines: Lines,
    stderr: tempfile::NamedTempFile,
}

/// Messages in the order of the output, by client id.
pub type Messages = BTreeMap<String, Vec<String>>;

impl Tail {
    /// Follows all logs from their beginning; `place` is `["--logdir", DIR]` or `["--redis",
    /// ADDRESS]`.
    ///
    /// # Panics
    /// When the program cannot be started.
    pub fn start<S: AsRef<OsStr>>(place: [S; 2]) -> Self {
        let stderr = tempfile::NamedTempFile::new().expect("a temporary file");
        let mut command = Command::new(program("tensorplex"));
        command
            .arg("tail")
            .args(place)
            .args(["--json", "--time-zone", "UTC", "-n", "1000000"]);
        command
            .stdout(Stdio::piped())
            .stderr(File::create(stderr.path()).expect("a file"));
        let mut process = Process::start(&mut command);
        let lines = Lines::of(process.child().stdout.take().expect("a pipe"));
        Self {
            process,
            lines,
            stderr,
        }
    }

    /// Returns the next `count` entries.
    ///
    /// # Panics
    /// When an entry does not come in time.
    #[track_caller]
    pub fn messages(&mut self, count: usize) -> Messages {
        let mut seen = Messages::new();
        for got in 0..count {
            let line = self.lines.next_or_else(|end| {
                panic!(
                    "{got} of {count} entries, then {end}; tail said {:?} and is at
{}",
                    self.stderr(),
                    self.process.whereabouts()
                )
            });
            let entry: Value = serde_json::from_str(&line).expect("JSON");
            let text = |key| entry[key].as_str().expect(key).to_owned();
            seen.entry(text("client_id")).or_default().push(text("message"));
        }
        seen
    }

    /// Standard error of the program so far.
    ///
    /// # Panics
    /// When the file cannot be read.
    pub fn stderr(&self) -> String {
        std::fs::read_to_string(self.stderr.path()).expect("its standard error")
    }

    /// Waits until standard error contains `words`.
    ///
    /// # Panics
    /// When it does not in time.
    #[track_caller]
    pub fn wait_for_stderr(&self, words: &str) {
        wait_for(words, || self.stderr().contains(words).then_some(()));
    }

    /// Stops the program with SIGTERM; returns the remaining entries and the exit status.
    pub fn end(mut self) -> (Vec<String>, ExitStatus) {
        let status = self.process.terminate();
        (self.lines.rest("the end of tail's output"), status)
    }
}
