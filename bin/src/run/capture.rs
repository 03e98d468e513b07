//! Output capture: pipes, or pseudo-terminals where the program would see a terminal.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::Stdio;
use std::thread::JoinHandle;
use std::time::Duration;

use loggerplex::Logger;
use loggerplex::message::Text;
use rustix::fs::{Mode, OFlags};
use rustix::pty::OpenptFlags;
use rustix::termios::{OptionalActions, OutputModes};

use super::line_splitter::LineSplitter;

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

struct Channel {
    from: File,
    to: File,
}

impl Capture {
    pub fn open() -> io::Result<Self> {
        let (out, err) = (io::stdout(), io::stderr());
        let (first, stdout) = Channel::open(out.as_fd(), out.is_terminal())?;
        let mut channels = vec![first];
        let stderr = if is_same_file(out.as_fd(), err.as_fd())? {
            stdout.try_clone()?
        } else {
            let (second, stderr) = Channel::open(err.as_fd(), err.is_terminal())?;
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
    pub fn copy(self, log: &Logger) -> Vec<JoinHandle<()>> {
        let start = |channel: Channel| {
            let log = log.clone();
            std::thread::spawn(move || channel.copy(&log))
        };
        self.channels.into_iter().map(start).collect()
    }
}

impl Channel {
    /// Opens a channel. Returns it with the end that the program writes to.
    fn open(to: BorrowedFd<'_>, is_terminal: bool) -> io::Result<(Self, OwnedFd)> {
        let to = File::from(to.try_clone_to_owned()?);
        if !is_terminal {
            let (from, write) = io::pipe()?;
            let from = File::from(OwnedFd::from(from));
            return Ok((Self { from, to }, write.into()));
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
        Ok((Self { from, to }, write))
    }

    fn copy(mut self, log: &Logger) {
        let mut splitter = LineSplitter::default();
        let mut throttle = Throttle::default();
        let mut buffer = vec![0; 64 << 10];
        let line = |line: &[u8]| log.info(Text::from_bytes(line));
        loop {
            let read = match self.from.read(&mut buffer) {
                // A pseudo-terminal that is closed on the other side returns an error.
                Ok(0) | Err(_) => break,
                Ok(read) => buffer.get(..read).unwrap_or_default(),
            };
            // The reader is gone. Closing the channel lets the program notice, as it would without
            // the capture.
            if self.to.write_all(read).is_err() {
                break;
            }
            let mut lines = 0;
            splitter.push(read, |text| {
                lines += 1;
                line(text);
            });
            throttle.after(read.len() + lines * LINE_OVERHEAD, log);
        }
        splitter.finish(line);
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
