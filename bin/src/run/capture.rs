//! What stands between a program and its output: it sees a terminal where it would have seen one.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::Stdio;
use std::thread::JoinHandle;
use std::time::Duration;

use loggerplex::{Logger, Text};
use rustix::fs::{Mode, OFlags};
use rustix::pty::OpenptFlags;
use rustix::termios::{OptionalActions, OutputModes};

use super::fold::Fold;

/// After so much output the copy waits until the server has it.
const AHEAD: usize = 16 << 20;
/// How long it waits; when nothing was acknowledged, it does not wait again until something is.
const PATIENCE: Duration = Duration::from_secs(1);
/// What a line costs in memory besides its text.
const PER_LINE: usize = 64;

/// Both outputs of a program; one channel when both go to the same place, so that their order stays.
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
        let stderr = if is_same(out.as_fd(), err.as_fd())? {
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

    /// For the program to write to.
    pub fn stdout(&self) -> io::Result<Stdio> {
        Ok(self.stdout.try_clone()?.into())
    }

    /// For the program to write to.
    pub fn stderr(&self) -> io::Result<Stdio> {
        Ok(self.stderr.try_clone()?.into())
    }

    /// Files to tell the size of the terminal to.
    pub fn terminals(&self) -> io::Result<Vec<File>> {
        let froms = self.channels.iter().map(|channel| &channel.from);
        froms
            .filter(|from| from.is_terminal())
            .map(File::try_clone)
            .collect()
    }

    /// Copies everything to where it would have gone, and logs its lines. A thread ends when nobody can write any more.
    pub fn copy(self, log: &Logger) -> Vec<JoinHandle<()>> {
        let start = |channel: Channel| {
            let log = log.clone();
            std::thread::spawn(move || channel.copy(&log))
        };
        self.channels.into_iter().map(start).collect()
    }
}

impl Channel {
    /// The channel, and the end that the program writes to.
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
        // The terminal behind us does what is to be done with ends of lines.
        let mut modes = rustix::termios::tcgetattr(&write)?;
        modes.output_modes.remove(OutputModes::OPOST);
        rustix::termios::tcsetattr(&write, OptionalActions::Now, &modes)?;
        copy_size(&to, &from);
        let from = File::from(from);
        Ok((Self { from, to }, write))
    }

    fn copy(mut self, log: &Logger) {
        let mut fold = Fold::default();
        let mut pace = Pace::default();
        let mut buffer = vec![0; 64 << 10];
        let line = |line: &[u8]| log.info(Text::from_bytes(line));
        loop {
            let read = match self.from.read(&mut buffer) {
                // A pseudo-terminal that nobody holds any more gives an error.
                Ok(0) | Err(_) => break,
                Ok(read) => &buffer[..read],
            };
            // Whoever read it has gone: the program is to notice that as it would without us.
            if self.to.write_all(read).is_err() {
                break;
            }
            let mut lines = 0;
            fold.push(read, |text| {
                lines += 1;
                line(text);
            });
            pace.after(read.len() + lines * PER_LINE, log);
        }
        fold.end(line);
    }
}

/// Keeps a quick program from running away from a server that is there.
#[derive(Default)]
struct Pace {
    bytes: usize,
    /// What was acknowledged when the server did not answer in time.
    given_up_at: Option<u64>,
}

impl Pace {
    fn after(&mut self, bytes: usize, log: &Logger) {
        self.bytes += bytes;
        let acked = || log.client().client().stats().acked;
        if self.bytes < AHEAD || self.given_up_at == Some(acked()) {
            return;
        }
        self.bytes = 0;
        self.given_up_at = log.flush(PATIENCE).is_err().then(acked);
    }
}

/// Makes a terminal as large as another.
pub(super) fn copy_size(from: &impl AsFd, to: &impl AsFd) {
    // A size that cannot be told is no reason not to run.
    if let Ok(size) = rustix::termios::tcgetwinsize(from) {
        let _ = rustix::termios::tcsetwinsize(to, size);
    }
}

fn is_same(a: BorrowedFd<'_>, b: BorrowedFd<'_>) -> io::Result<bool> {
    let (a, b) = (rustix::fs::fstat(a)?, rustix::fs::fstat(b)?);
    Ok((a.st_dev, a.st_ino) == (b.st_dev, b.st_ino))
}
