//! The object on the server: one file per client.

mod catalog;
mod log_files;

use std::cell::RefCell;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use remotecall::{CallContext, ClientId, Durable, RemoteCall, RunError, ServerHandle, remote};

use crate::format::Entry;
use crate::line::{exception, section};
use crate::listing::LogListing;
use crate::reading::LogId;
use crate::{Level, LineFormat, MAX_BAR, MAX_MESSAGE, QUEUE, Rotation, Text};
use catalog::Catalog;
use log_files::LogFiles;

/// Memory that is kept for the next entry.
const KEEP_ENTRY: usize = 64 << 10;

/// Text logs of many clients, in `<folder>/<client id>.log`.
///
/// It is made for [`remotecall`]: its lines are a function of the calls, with the time at which the client
/// called. So a replay gives the same bytes, as long as the options are the same.
///
/// ```no_run
/// use std::path::Path;
///
/// use loggerplex::{Level, Loggerplex, TextFormat, Zone};
///
/// let logs = Loggerplex::open(Path::new("runs/logs"), Path::new("runs/.tensorplex/loggerplex"))?
///     .level(Level::DEBUG)
///     .lines(TextFormat::default().zone(Zone::Utc));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Loggerplex {
    files: LogFiles,
    format: LineFormat,
    threshold: Level,
    /// The entry in progress, kept for its memory.
    entry: Vec<u8>,
    private: PathBuf,
    /// For readers elsewhere. Not part of the state: it holds what is on disk, and a replay does not ask.
    catalog: RefCell<Catalog>,
}

/// A line was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// The message is longer than [`MAX_MESSAGE`].
    #[error("message of {0} bytes is too long: at most {MAX_MESSAGE} are allowed")]
    MessageTooLong(usize),
    /// The bar of a section is longer than [`MAX_BAR`].
    #[error(
        "bar of {repeat} times {sep_bytes} bytes is too long: at most {MAX_BAR} bytes on each side are allowed"
    )]
    BarTooLong {
        /// Length of the symbol that is repeated, in bytes.
        sep_bytes: usize,
        /// How often it is repeated, on both sides together.
        repeat: u32,
    },
    /// The client's file would have to lie in a folder that has the name of another client's file.
    #[error(
        "client id {0} has no file: only its last part may be named like a log file, such as x.log or x.jsonl"
    )]
    FolderLikeFile(ClientId),
}

impl Loggerplex {
    /// Keeps logs in `folder`. `private` is a folder for its own use, which belongs to this `folder`. Both
    /// are made when they are not there.
    ///
    /// # Errors
    /// When a folder or the list of files in `private` cannot be made or read.
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

    /// Serves the queue [`QUEUE`] at this address in a thread of its own, with its journal in the private folder.
    ///
    /// # Errors
    /// When the address or the journal cannot be used.
    pub fn serve(self, address: &str) -> Result<ServerHandle, RunError> {
        let private = self.private.clone();
        RemoteCall::new(self)
            .queue(QUEUE)
            .environment("TENSORPLEX")
            .durable(&private)
            .start(address)
    }

    /// Ignores lines below this level. Without it lines below [`Level::INFO`] are ignored.
    #[must_use]
    pub fn level(mut self, threshold: Level) -> Self {
        self.threshold = threshold;
        self
    }

    /// How entries are written. Without it, as `12:34:56 INFO> message`.
    #[must_use]
    pub fn lines(mut self, format: impl Into<LineFormat>) -> Self {
        self.format = format.into();
        self
    }

    /// Whether what other programs, or an earlier log directory, left in a file is removed when its client's first line
    /// arrives. Lines of its own, from before a restart, always stay. Without it, lines are added to what is there.
    #[must_use]
    pub fn overwrite(mut self, overwrite: bool) -> Self {
        self.files.overwrite = overwrite;
        self
    }

    /// When a file has ended, and how many earlier ones are kept. Without it, files grow for ever.
    #[must_use]
    pub fn rotation(mut self, rotation: impl Into<Option<Rotation>>) -> Self {
        self.files.rotation = rotation.into();
        self
    }

    /// Opens files again by their paths whenever this is set, such as by SIGHUP, and clears it: for programs that move
    /// log files away, such as logrotate.
    #[must_use]
    pub fn reopen_when(mut self, wanted: Arc<AtomicBool>) -> Self {
        self.files.reopen = wanted;
        self
    }
}

#[remote(environment = "TENSORPLEX")]
impl Loggerplex {
    /// Logs a message with a level of your choice.
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
        let entry = Entry {
            client_id: cx.client_id.as_str(),
            time_ns: cx.time_ns,
            level,
            message: message.as_str(),
        };
        self.format.write(&mut self.entry, entry);
        let added = self.files.add(cx, self.format.ending(), &self.entry);
        self.entry.shrink_to(KEEP_ENTRY);
        added
    }

    /// Logs a message with a time of its own, in nanoseconds since 1970-01-01 UTC: of a message that was made long before
    /// it is sent.
    pub fn log_at(
        &mut self,
        #[ctx] cx: &CallContext<'_>,
        level: Level,
        message: Text<'_>,
        time_ns: i64,
    ) -> Result<(), LogError> {
        self.log(&CallContext { time_ns, ..*cx }, level, message)
    }

    /// Logs a message with the level `DEBUG`.
    pub fn debug(&mut self, #[ctx] cx: &CallContext<'_>, message: Text<'_>) -> Result<(), LogError> {
        self.log(cx, Level::DEBUG, message)
    }

    /// Logs a message with the level `INFO`.
    pub fn info(&mut self, #[ctx] cx: &CallContext<'_>, message: Text<'_>) -> Result<(), LogError> {
        self.log(cx, Level::INFO, message)
    }

    /// Logs a message with the level `WARNING`.
    pub fn warning(&mut self, #[ctx] cx: &CallContext<'_>, message: Text<'_>) -> Result<(), LogError> {
        self.log(cx, Level::WARNING, message)
    }

    /// Logs a message with the level `ERROR`.
    pub fn error(&mut self, #[ctx] cx: &CallContext<'_>, message: Text<'_>) -> Result<(), LogError> {
        self.log(cx, Level::ERROR, message)
    }

    /// Logs a message with the level `CRITICAL`.
    pub fn critical(&mut self, #[ctx] cx: &CallContext<'_>, message: Text<'_>) -> Result<(), LogError> {
        self.log(cx, Level::CRITICAL, message)
    }

    /// Logs a title between two bars, each of `repeat / 2` times `sep`.
    pub fn section(
        &mut self,
        #[ctx] cx: &CallContext<'_>,
        #[default(Text::default())] message: Text<'_>,
        #[default(Level::INFO)] level: Level,
        #[default("=")] sep: &str,
        #[default(20)] repeat: u32,
    ) -> Result<(), LogError> {
        check_length(message.as_str().len())?;
        let line = section(message.as_str(), sep, repeat).ok_or(LogError::BarTooLong {
            sep_bytes: sep.len(),
            repeat,
        })?;
        self.log(cx, level, line.into())
    }

    /// Logs a message with the level `ERROR`, and a traceback below it.
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
            exception(message.as_str(), traceback.as_str()).into(),
        )
    }

    /// The log files that changed after a change of a list, both from an earlier answer; all of them for `list` 0.
    #[remote(read)]
    pub fn list_logs(&self, list: u64, change: u64) -> io::Result<LogListing> {
        self.catalog.borrow_mut().list(list, change)
    }

    /// Bytes of the file with this id that is, or was, at a path that [`list_logs`](Self::list_logs) named: from byte `at`
    /// on, at most `max` and at most [`MAX_PART`](crate::MAX_PART). None when it is not there any more.
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
        self.files.want_checkpoint()
    }

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
