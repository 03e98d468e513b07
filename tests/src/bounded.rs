//! Waits that end: processes, pipes, futures and threads, each with [`DEADLINE`] and a message that
//! names the wait.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use remotecall::{RemoteError, RemoteFuture, RunError, ServerHandle, StatsSnapshot};

use crate::{DEADLINE, until};

/// Runs `job` in a thread of its own and returns its result.
///
/// # Panics
/// When `job` panics, or does not return within [`DEADLINE`]; its thread is then left behind.
#[track_caller]
pub fn in_time<T: Send + 'static>(what: &str, job: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = channel();
    std::thread::spawn(move || done.send(job()));
    match result.recv_timeout(DEADLINE) {
        Ok(result) => result,
        Err(RecvTimeoutError::Timeout) => panic!("waited {DEADLINE:?} for {what}"),
        Err(RecvTimeoutError::Disconnected) => panic!("{what}: the thread panicked"),
    }
}

/// Waits for the end of a process, `None` after `deadline`.
///
/// # Panics
/// When the system cannot tell the state of the process.
pub(crate) fn end_of(child: &mut Child, deadline: Duration) -> Option<ExitStatus> {
    until(deadline, || child.try_wait().expect("the state of a process"))
}

/// Output and exit status of a process, with a deadline.
pub trait BoundedOutput {
    /// Waits for the end of the process, and returns its exit status and what it wrote to its
    /// pipes.
    ///
    /// A command gets pipes for both outputs and no input. Of a child, only the pipes that nobody
    /// took are read.
    ///
    /// # Panics
    /// When the process does not start, or does not end within [`DEADLINE`]; it is then killed.
    #[track_caller]
    fn output_in_time(&mut self) -> Output {
        self.output_within(DEADLINE)
    }

    /// Like [`output_in_time`](Self::output_in_time), with another deadline.
    #[track_caller]
    fn output_within(&mut self, limit: Duration) -> Output;
}

impl BoundedOutput for Command {
    #[track_caller]
    fn output_within(&mut self, limit: Duration) -> Output {
        self.stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = self.spawn().unwrap_or_else(|error| panic!("{self:?}: {error}"));
        finish(&mut child, limit, &format!("the end of {self:?}"))
    }
}

impl BoundedOutput for Child {
    #[track_caller]
    fn output_within(&mut self, limit: Duration) -> Output {
        // A process that reads to the end of its input has to see that end.
        drop(self.stdin.take());
        finish(self, limit, &format!("the end of process {}", self.id()))
    }
}

/// Waits for the end of a process and of its pipes.
///
/// # Panics
/// When they do not end within `limit`.
#[track_caller]
pub(crate) fn finish(child: &mut Child, limit: Duration, what: &str) -> Output {
    let stdout = child.stdout.take().map(read_all);
    let stderr = child.stderr.take().map(read_all);
    let Some(status) = end_of(child, limit) else {
        let _ = child.kill();
        let _ = child.wait();
        panic!("waited {limit:?} for {what}");
    };
    let collected = |pipe: Option<Receiver<Vec<u8>>>| match pipe {
        Some(pipe) => pipe
            .recv_timeout(DEADLINE)
            .unwrap_or_else(|_| panic!("waited {DEADLINE:?} for the end of a pipe after {what}")),
        None => Vec::new(),
    };
    Output {
        status,
        stdout: collected(stdout),
        stderr: collected(stderr),
    }
}

fn read_all(mut pipe: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (done, result) = channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        done.send(bytes)
    });
    result
}

/// Lines of a pipe. A thread reads the pipe, so that the process never waits for this reader.
pub struct Lines(Receiver<String>);

impl Lines {
    /// Starts to read `pipe`.
    pub fn of(pipe: impl Read + Send + 'static) -> Self {
        let (sender, lines) = channel();
        // The thread ends with the pipe.
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                // Nobody may be interested any more; the pipe is read all the same.
                let _ = sender.send(line);
            }
        });
        Self(lines)
    }

    /// The next line, without its end.
    ///
    /// # Panics
    /// When the pipe ends, or no line comes within [`DEADLINE`].
    #[track_caller]
    pub fn next(&self, what: &str) -> String {
        self.next_within(DEADLINE, what)
    }

    /// Like [`next`](Self::next), with another deadline.
    ///
    /// # Panics
    /// When the pipe ends, or no line comes in time.
    #[track_caller]
    pub fn next_within(&self, deadline: Duration, what: &str) -> String {
        match self.0.recv_timeout(deadline) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => panic!("waited {deadline:?} for {what}"),
            Err(RecvTimeoutError::Disconnected) => panic!("the pipe ended before {what}"),
        }
    }

    /// The next line, or what `otherwise` makes of its absence.
    pub fn next_or_else(&self, otherwise: impl FnOnce(RecvTimeoutError) -> String) -> String {
        self.0.recv_timeout(DEADLINE).unwrap_or_else(otherwise)
    }

    /// All lines up to the end of the pipe.
    ///
    /// # Panics
    /// When the pipe is silent for [`DEADLINE`] and does not end.
    #[track_caller]
    pub fn rest(&self, what: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            match self.0.recv_timeout(DEADLINE) {
                Ok(line) => lines.push(line),
                Err(RecvTimeoutError::Disconnected) => return lines,
                Err(RecvTimeoutError::Timeout) => panic!("waited {DEADLINE:?} for {what}"),
            }
        }
    }
}

/// The result of a call, with a deadline.
pub trait BoundedGet<T> {
    /// Waits for the result.
    ///
    /// # Errors
    /// When the call failed.
    ///
    /// # Panics
    /// When there is no result within [`DEADLINE`].
    #[track_caller]
    fn get_in_time(self) -> Result<T, RemoteError>;
}

impl<T: serde::de::DeserializeOwned> BoundedGet<T> for RemoteFuture<T> {
    #[track_caller]
    fn get_in_time(self) -> Result<T, RemoteError> {
        let result = self.get_timeout(DEADLINE).transpose();
        result.unwrap_or_else(|| panic!("waited {DEADLINE:?} for the result of a call"))
    }
}

/// The end of a server in this process, with a deadline.
pub trait BoundedStop {
    /// Drains the queue and stops the server.
    ///
    /// # Errors
    /// When the server ended with an error.
    ///
    /// # Panics
    /// When the server does not stop within [`DEADLINE`].
    #[track_caller]
    fn stop_in_time(self) -> Result<StatsSnapshot, RunError>;
}

impl BoundedStop for ServerHandle {
    #[track_caller]
    fn stop_in_time(self) -> Result<StatsSnapshot, RunError> {
        in_time("a server to stop", move || self.stop())
    }
}
