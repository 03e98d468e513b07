//! Output capture: pipes, or pseudo-terminals where the program would see a terminal.

use std::fs::File;
use std::io::{self, IsTerminal, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::Stdio;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use loggerplex::message::Text;
use loggerplex::{Level, Logger};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags};
use rustix::pty::OpenptFlags;
use rustix::termios::{OptionalActions, OutputModes};

use super::line_level::LineLevel;
use super::line_splitter::LineSplitter;

/// Time for which the output of processes that the program left behind is waited for: 1 s. After
/// it, the channel is handed over.
const ORPHAN_TIME: Duration = Duration::from_secs(1);
/// Time limit for a copy to stop; it may wait for its destination: 2 s.
const STOP_TIME: Duration = Duration::from_secs(2);
/// Output after which the copy waits for acknowledgement: 16 MiB.
const MAX_UNACKNOWLEDGED: usize = 16 << 20;
/// Time limit of that wait: 1 s. After a timeout, the copy does not wait again until something is
/// acknowledged.
const ACK_TIMEOUT: Duration = Duration::from_secs(1);
/// Approximate memory of a line besides its text, in bytes.
const LINE_OVERHEAD: usize = 64;

/// Standard output and standard error of a program. Both share one channel when they go to the same
/// file, which keeps their order.
pub(super) struct Capture {
    stdout: OwnedFd,
    stderr: OwnedFd,
    channels: Vec<Channel>,
}

/// Way of an output from the program to its destination.
pub(super) struct Channel {
    pub from: File,
    pub to: File,
    pub level: Level,
}

/// Threads that copy the output.
pub(super) struct Copies {
    threads: Vec<JoinHandle<Option<Channel>>>,
    /// Stops the threads when it is dropped.
    stop: PipeWriter,
}

impl Capture {
    /// Opens the channels. With a level of its own, standard error has a channel of its own.
    pub fn open(stderr_level: Option<Level>) -> io::Result<Self> {
        let (out, err) = (io::stdout(), io::stderr());
        let (first, stdout) = Channel::open(out.as_fd(), out.is_terminal(), Level::INFO)?;
        let mut channels = vec![first];
        let stderr = if stderr_level.is_none() && is_same_file(out.as_fd(), err.as_fd())? {
            stdout.try_clone()?
        } else {
            let level = stderr_level.unwrap_or(Level::INFO);
            let (second, stderr) = Channel::open(err.as_fd(), err.is_terminal(), level)?;
            channels.push(second);
            stderr
        };
        Ok(Self {
            stdout,
            stderr,
            channels,
        })
    }

    /// Standard output for the program.
    pub fn stdout(&self) -> io::Result<Stdio> {
        Ok(self.stdout.try_clone()?.into())
    }

    /// Standard error for the program.
    pub fn stderr(&self) -> io::Result<Stdio> {
        Ok(self.stderr.try_clone()?.into())
    }

    /// Pseudo-terminals, whose size must follow the terminal's.
    pub fn terminals(&self) -> io::Result<Vec<File>> {
        let sources = self.channels.iter().map(|channel| &channel.from);
        sources
            .filter(|from| from.is_terminal())
            .map(File::try_clone)
            .collect()
    }

    /// Starts threads that copy the output to its destination, and log its lines. A thread ends
    /// when no process has its channel open any more.
    ///
    /// # Errors
    /// Fails when the threads could not be stopped later.
    pub fn copy(self, log: &Logger) -> io::Result<Copies> {
        let (stopped, stop) = io::pipe()?;
        let mut threads = Vec::new();
        for channel in self.channels {
            let (log, stopped) = (log.clone(), stopped.try_clone()?);
            threads.push(std::thread::spawn(move || channel.copy(&log, Some(&stopped))));
        }
        Ok(Copies { threads, stop })
    }
}

impl Copies {
    /// Copies the rest of the output. Returns the channels that are still open after
    /// [`ORPHAN_TIME`].
    pub fn finish(self) -> Vec<Channel> {
        wait_for(&self.threads, ORPHAN_TIME);
        drop(self.stop);
        wait_for(&self.threads, STOP_TIME);
        let mut open = Vec::new();
        for thread in self.threads {
            if !thread.is_finished() {
                continue;
            }
            match thread.join() {
                Ok(channel) => open.extend(channel),
                Err(_) => tracing::error!(
                    "the thread that copies the output panicked; its later lines are not logged"
                ),
            }
        }
        open
    }
}

fn wait_for(threads: &[JoinHandle<Option<Channel>>], time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end && !threads.iter().all(JoinHandle::is_finished) {
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Copies standard input to standard output, and logs its lines at a level.
///
/// # Errors
/// Fails when one of them is closed.
pub(super) fn copy_input(log: &Logger, level: Level) -> io::Result<()> {
    let channel = Channel {
        from: File::from(io::stdin().as_fd().try_clone_to_owned()?),
        to: File::from(io::stdout().as_fd().try_clone_to_owned()?),
        level,
    };
    channel.copy(log, None);
    Ok(())
}

impl Channel {
    /// Opens a channel. Returns it with the end that the program writes to.
    fn open(to: BorrowedFd<'_>, is_terminal: bool, level: Level) -> io::Result<(Self, OwnedFd)> {
        let to = File::from(to.try_clone_to_owned()?);
        if !is_terminal {
            let (from, write) = io::pipe()?;
            let from = File::from(OwnedFd::from(from));
            return Ok((Self { from, to, level }, write.into()));
        }
        let from = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        rustix::pty::grantpt(&from)?;
        rustix::pty::unlockpt(&from)?;
        let path = rustix::pty::ptsname(&from, Vec::new())?;
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let write = rustix::fs::open(path.as_c_str(), flags, Mode::empty())?;
        // The real terminal converts line ends; converting them twice would break the output.
        let mut modes = rustix::termios::tcgetattr(&write)?;
        modes.output_modes.remove(OutputModes::OPOST);
        rustix::termios::tcsetattr(&write, OptionalActions::Now, &modes)?;
        copy_size(&to, &from);
        let from = File::from(from);
        Ok((Self { from, to, level }, write))
    }

    /// Copies and logs until the channel is closed at one end, or `stopped` is. Returns the channel
    /// when it was stopped.
    fn copy(mut self, log: &Logger, stopped: Option<&PipeReader>) -> Option<Self> {
        let mut splitter = LineSplitter::default();
        let mut levels = LineLevel::new(self.level);
        let mut throttle = Throttle::default();
        let mut buffer = vec![0; 64 << 10];
        let mut line = |line: &[u8]| log.log(levels.of(line), Text::from_bytes(line));
        let is_stopped = loop {
            if self.is_stopped(stopped) {
                break true;
            }
            let read = match self.from.read(&mut buffer) {
                // A pseudo-terminal that is closed on the other side returns an error.
                Ok(0) | Err(_) => break false,
                Ok(read) => buffer.get(..read).unwrap_or_default(),
            };
            // The reader is gone. Closing the channel lets the program notice, as it would without
            // the capture.
            if self.to.write_all(read).is_err() {
                break false;
            }
            let mut lines = 0;
            splitter.push(read, |text| {
                lines += 1;
                line(text);
            });
            throttle.after(read.len() + lines * LINE_OVERHEAD, log);
        };
        splitter.finish(line);
        is_stopped.then_some(self)
    }

    /// Waits for output. Returns true when the copy is to stop and there is no output.
    fn is_stopped(&self, stopped: Option<&PipeReader>) -> bool {
        let Some(stopped) = stopped else {
            return false;
        };
        let mut events = [
            PollFd::new(&self.from, PollFlags::IN),
            PollFd::new(stopped, PollFlags::IN),
        ];
        loop {
            match poll(&mut events, None) {
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return false,
                Ok(_) => break,
            }
        }
        let [output, stop] = &events;
        output.revents().is_empty() && !stop.revents().is_empty()
    }
}

/// Throttle: a fast program waits for a server that is reachable, instead of overflowing the send
/// window.
#[derive(Default)]
struct Throttle {
    bytes: usize,
    /// Acknowledged calls at the last timeout.
    timed_out_at: Option<u64>,
}

impl Throttle {
    fn after(&mut self, bytes: usize, log: &Logger) {
        self.bytes += bytes;
        let acked = || log.client().client().stats().acked;
        if self.bytes < MAX_UNACKNOWLEDGED || self.timed_out_at == Some(acked()) {
            return;
        }
        self.bytes = 0;
        self.timed_out_at = log.flush(ACK_TIMEOUT).is_err().then(acked);
    }
}

/// Copies the size of a terminal to another.
pub(super) fn copy_size(from: &impl AsFd, to: &impl AsFd) {
    // Errors are ignored: the size is not essential.
    if let Ok(size) = rustix::termios::tcgetwinsize(from) {
        let _ = rustix::termios::tcsetwinsize(to, size);
    }
}

/// Returns whether two descriptors refer to the same file.
fn is_same_file(a: BorrowedFd<'_>, b: BorrowedFd<'_>) -> io::Result<bool> {
    let (a, b) = (rustix::fs::fstat(a)?, rustix::fs::fstat(b)?);
    Ok((a.st_dev, a.st_ino) == (b.st_dev, b.st_ino))
}
