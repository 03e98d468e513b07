//! Server side: the object that writes one log file per client, and the replies of its read
//! methods.
//!
//! ```text
//! log_files   files of all clients: appending, rotation, checkpoints
//! rotation    when a file ends
//! catalog     listing and reading of the files, for remote readers
//! listing     replies of the catalog
//! ```
//!
//! ```
//! use loggerplex::format::{TextFormat, Zone};
//! use loggerplex::server::{Loggerplex, Rotation};
//!
//! let runs = tempfile::tempdir()?;
//! let logs = Loggerplex::open(&runs.path().join("logs"), &runs.path().join("private"))?
//!     .lines(TextFormat::default().zone(Zone::Utc))
//!     .rotation(Rotation::keep(5).max_bytes(std::num::NonZeroU64::new(100 << 20)));
//! # Ok::<(), std::io::Error>(())
//! ```

mod catalog;
mod listing;
mod log_files;
mod rotation;

use std::cell::RefCell;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use remotecall::{CallContext, ClientId, Durable, RemoteCall, RunError, ServerHandle, remote};

use crate::files::LogId;
use crate::format::{LineFormat, Message};
use crate::level::Level;
use crate::message::layout::{exception_text, section_line};
use crate::message::{MAX_BAR, MAX_MESSAGE, Text};
use catalog::Catalog;
use log_files::LogFiles;

pub(crate) use listing::MAX_PART;
pub use listing::{FileSnapshot, ListedLog, LogListing};
pub use rotation::Rotation;

/// Queue of the [`Loggerplex`] of a server.
pub const QUEUE: &str = "loggerplex";

/// Capacity that the entry buffer keeps: 64 KiB.
const ENTRY_CAPACITY: usize = 64 << 10;

/// Text logs of many clients, in `<folder>/<client id>.log`.
///
/// [`remotecall`] runs it: its methods are called by [`LoggerplexClient`], usually through a
/// [`Logger`](crate::Logger). Lines depend on the calls alone, with the time at which the client
/// called. So a replay of the calls with the same options writes the same bytes.
///
/// ```
/// use loggerplex::format::{TextFormat, Zone};
/// use loggerplex::{Level, Loggerplex};
///
/// let runs = tempfile::tempdir()?;
/// let private = runs.path().join(".tensorplex/loggerplex");
/// let logs = Loggerplex::open(&runs.path().join("logs"), &private)?
///     .level(Level::DEBUG)
///     .lines(TextFormat::default().zone(Zone::Utc));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Loggerplex {
    files: LogFiles,
    format: LineFormat,
    threshold: Level,
    /// Entry buffer, kept between calls to reuse its memory.
    entry: Vec<u8>,
    private: PathBuf,
    /// Catalog for remote readers. It mirrors the disk, so it is not part of a checkpoint, and a
    /// replay does not use it.
    catalog: RefCell<Catalog>,
}

/// A line was refused. The client gets the error if it asked for the result.
///
/// ```
/// use loggerplex::message::MAX_MESSAGE;
/// use loggerplex::server::LogError;
///
/// let error = LogError::MessageTooLong(MAX_MESSAGE + 1);
/// assert!(error.is_too_long());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The message exceeds [`MAX_MESSAGE`]; its length in bytes.
    #[error("message of {0} bytes is too long: at most {MAX_MESSAGE} are allowed")]
    MessageTooLong(usize),
    /// A bar of the section exceeds [`MAX_BAR`].
    #[error(
        "section bar of {repeat} times {sep_bytes} bytes is too long: at most {MAX_BAR} bytes on each side are allowed"
    )]
    BarTooLong {
        /// Length of the repeated symbol, in bytes.
        sep_bytes: usize,
        /// Number of symbols in both bars together.
        repeat: u32,
    },
    /// A folder of the client's file would have the name of another client's log file.
    #[error(
        "client id {0} is refused: only its last part may have the name of a log file, such as x.log or x.jsonl"
    )]
    FolderLikeFile(ClientId),
}

impl LogError {
    /// Returns whether a shorter message would be accepted.
    pub fn is_too_long(&self) -> bool {
        matches!(self, Self::MessageTooLong(_) | Self::BarTooLong { .. })
    }
}

impl Loggerplex {
    /// Opens the logs in `folder`. `private` holds the journal and other state of these logs; use
    /// it for nothing else. Missing folders are created.
    ///
    /// # Errors
    /// Fails when a folder, or the file list in `private`, cannot be created or read.
    pub fn open(folder: &Path, private: &Path) -> io::Result<Self> {
        Ok(Self {
            files: LogFiles::open(folder, private)?,
            format: LineFormat::default(),
            threshold: Level::INFO,
            entry: Vec::new(),
            private: private.to_owned(),
            catalog: RefCell::new(Catalog::new(folder)),
        })
    }

    /// Serves the queue [`QUEUE`] of the broker at `address` in a new thread, with the journal in
    /// the private folder.
    ///
    /// # Errors
    /// Fails when the address or the journal cannot be used.
    pub fn serve(self, address: &str) -> Result<ServerHandle, RunError> {
        let private = self.private.clone();
        RemoteCall::new(self)
            .queue(QUEUE)
            .environment("TENSORPLEX")
            .durable(&private)
            .start(address)
    }

    /// Sets the lowest level that is written. Default: [`Level::INFO`].
    #[must_use]
    pub fn level(mut self, threshold: Level) -> Self {
        self.threshold = threshold;
        self
    }

    /// Sets the format of entries. Default: `12:34:56 INFO> message`.
    #[must_use]
    pub fn lines(mut self, format: impl Into<LineFormat>) -> Self {
        self.format = format.into();
        self
    }

    /// Sets whether the first line of a client replaces a file that this server did not write.
    /// Default: false, which appends to it. Lines that this server wrote before a restart always
    /// stay.
    #[must_use]
    pub fn overwrite(mut self, overwrite: bool) -> Self {
        self.files.overwrite = overwrite;
        self
    }

    /// Sets the rotation of files. Default: none; files grow without limit.
    #[must_use]
    pub fn rotation(mut self, rotation: impl Into<Option<Rotation>>) -> Self {
        self.files.rotation = rotation.into();
        self
    }

    /// Reopens all files by their paths whenever `wanted` is set, and clears it. A program sets it
    /// on SIGHUP, after logrotate has moved the files.
    #[must_use]
    pub fn reopen_when(mut self, wanted: Arc<AtomicBool>) -> Self {
        self.files.reopen = wanted;
        self
    }
}

#[remote(environment = "TENSORPLEX")]
impl Loggerplex {
    /// Logs a message with any level.
    ///
    /// # Errors
    /// Fails when the message or the client id is refused.
    pub fn log(
        &mut self,
        #[ctx] cx: &CallContext<'_>,
        level: Level,
        message: Text<'_>,
    ) -> Result<(), LogError> {
        if level < self.threshold {
            return Ok(());
        }
        check_length(message.as_str().len())?;
        self.entry.clear();
        let message = Message {
            client_id: cx.client_id.as_str(),
            time_ns: cx.time_ns,
            level,
            text: message.as_str(),
        };
        self.format.write(&mut self.entry, message);
        let appended = self.files.append(cx, self.format.extension(), &self.entry);
        self.entry.shrink_to(ENTRY_CAPACITY);
        appended
    }

    /// Logs a message with an explicit time, in nanoseconds since 1970-01-01 UTC, for messages sent
    /// long after they were made.
    ///
    /// # Errors
    /// Fails when the message or the client id is refused.
    pub fn log_at(
        &mut self,
        #[ctx] cx: &CallContext<'_>,
        level: Level,
        message: Text<'_>,
        time_ns: i64,
    ) -> Result<(), LogError> {
        self.log(&cx.with_time(time_ns), level, message)
    }

    /// Logs a message with the level `DEBUG`.
    ///
    /// # Errors
    /// Fails when the message or the client id is refused.
    pub fn debug(&mut self, #[ctx] cx: &CallContext<'_>, message: Text<'_>) -> Result<(), LogError> {
        self.log(cx, Level::DEBUG, message)
    }

    /// Logs a message with the level `INFO`.
    ///
    /// # Errors
    /// Fails when the message or the client id is refused.
    pub fn info(&mut self, #[ctx] cx: &CallContext<'_>, message: Text<'_>) -> Result<(), LogError> {
        self.log(cx, Level::INFO, message)
    }

    /// Logs a message with the level `WARNING`.
    ///
    /// # Errors
    /// Fails when the message or the client id is refused.
    pub fn warning(&mut self, #[ctx] cx: &CallContext<'_>, message: Text<'_>) -> Result<(), LogError> {
        self.log(cx, Level::WARNING, message)
    }

    /// Logs a message with the level `ERROR`.
    ///
    /// # Errors
    /// Fails when the message or the client id is refused.
    pub fn error(&mut self, #[ctx] cx: &CallContext<'_>, message: Text<'_>) -> Result<(), LogError> {
        self.log(cx, Level::ERROR, message)
    }

    /// Logs a message with the level `CRITICAL`.
    ///
    /// # Errors
    /// Fails when the message or the client id is refused.
    pub fn critical(&mut self, #[ctx] cx: &CallContext<'_>, message: Text<'_>) -> Result<(), LogError> {
        self.log(cx, Level::CRITICAL, message)
    }

    /// Logs a title between two bars, each of `repeat / 2` symbols `sep`.
    ///
    /// # Errors
    /// Fails when the message, a bar or the client id is refused.
    pub fn section(
        &mut self,
        #[ctx] cx: &CallContext<'_>,
        #[default(Text::default())] message: Text<'_>,
        #[default(Level::INFO)] level: Level,
        #[default("=")] sep: &str,
        #[default(20)] repeat: u32,
    ) -> Result<(), LogError> {
        check_length(message.as_str().len())?;
        let line = section_line(message.as_str(), sep, repeat).ok_or(LogError::BarTooLong {
            sep_bytes: sep.len(),
            repeat,
        })?;
        self.log(cx, level, line.into())
    }

    /// Logs a message with the level `ERROR`, and a traceback below it.
    ///
    /// # Errors
    /// Fails when the message or the client id is refused.
    pub fn exception(
        &mut self,
        #[ctx] cx: &CallContext<'_>,
        message: Text<'_>,
        traceback: Text<'_>,
    ) -> Result<(), LogError> {
        check_length(message.as_str().len() + traceback.as_str().len())?;
        self.log(
            cx,
            Level::ERROR,
            exception_text(message.as_str(), traceback.as_str()).into(),
        )
    }

    /// Lists the log files that changed after change `change` of list `list`, both from an earlier
    /// reply. Lists all files for `list` 0.
    ///
    /// # Errors
    /// Fails when the log folder cannot be scanned.
    #[remote(read)]
    pub fn list_logs(&self, list: u64, change: u64) -> io::Result<LogListing> {
        self.catalog.borrow_mut().list(list, change)
    }

    /// Reads the file with this identity that is or was at a path from
    /// [`list_logs`](Self::list_logs).
    ///
    /// Reads from byte `at` on, at most `max` bytes and at most 256 KiB. Returns none when the file
    /// is gone.
    ///
    /// # Errors
    /// Fails when the file cannot be read.
    #[remote(read)]
    pub fn read_log(&self, path: &str, id: &LogId, at: u64, max: u64) -> io::Result<Option<Vec<u8>>> {
        self.catalog.borrow_mut().read(path, id, at, max)
    }
}

fn check_length(bytes: usize) -> Result<(), LogError> {
    if bytes > MAX_MESSAGE {
        return Err(LogError::MessageTooLong(bytes));
    }
    Ok(())
}

impl Durable for Loggerplex {
    fn commit(&mut self) -> io::Result<()> {
        self.files.commit()
    }

    fn checkpoint(&mut self) -> io::Result<Vec<u8>> {
        self.files.checkpoint()
    }

    fn wants_checkpoint(&self) -> bool {
        self.files.wants_checkpoint()
    }

    /// Stored beside the journal, so the text must not change between versions.
    fn settings(&self) -> String {
        format!(
            "{:?}, from {:?}, {:?}",
            self.format, self.threshold, self.files.rotation
        )
    }

    fn restore(&mut self, state: &[u8]) -> io::Result<()> {
        self.files.restore(state)
    }
}

#[cfg(test)]
mod tests;
