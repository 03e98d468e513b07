//! The spool: a worker's write-ahead log of unacknowledged calls, which survives a kill of the worker.
//!
//! ```text
//! DIR/PRODUCER/owner          queue, client id and broker; locked by the process that uses the spool
//! DIR/PRODUCER/whole          exists while the spool holds every frame that may have been sent
//! DIR/PRODUCER/FIRST.calls    segments: the frames from number FIRST on
//! ```
//!
//! A call is written with one system call before it is queued. Nothing is synced: the page cache survives the process,
//! not the machine. The next process with the same queue, client id and directory gets the lock, the producer id and
//! its numbers, and sends the same frames again. The server drops duplicates.
//!
//! A call that cannot be written (disk full, [`MAX_SPOOL`]) stays in memory like any call without a spool. From then on
//! the spool lacks numbers that were used. So `whole` is removed first, and nothing more is written until everything is
//! acknowledged. The frames of a spool that is not whole can be delivered, but no process continues its numbers.

mod directory;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod lock;
mod owner;
mod record;
mod recovered;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, ErrorKind, IoSlice, Write};
use std::path::{Path, PathBuf};

use crate::mutants::{self, Mutant};
pub use directory::{Found, SpoolDirectory, remove_if_there};
pub use error::SpoolError;
pub use lock::forget_locks;
pub use owner::Owner;
use record::{HEADER, Kind, MAX_PAYLOAD};
pub use recovered::{Location, Recovered, StoredFrame, load};
use remotecall_wire::ProducerId;

/// Limit on the bytes of one spool, 1 GiB.
pub const MAX_SPOOL: u64 = 1 << 30;
/// Size of a segment, 4 MiB; it is removed as a whole when it is acknowledged.
const SEGMENT: u64 = 4 << 20;

/// Spool of a producer of this process.
pub struct Spool {
    directory: SpoolDirectory,
    /// Segments, the oldest first.
    segments: VecDeque<Segment>,
    /// Last segment, if this process created it.
    file: Option<File>,
    /// Offset of the open frame in it.
    frame_at: u64,
    /// Bytes of all segments.
    size: u64,
    is_whole: bool,
    /// Calls that could not be written.
    missed: u64,
    /// Warning to be logged after the lock is released.
    news: Option<String>,
}

struct Segment {
    first: u64,
    length: u64,
}

/// Spool of a new client, with the frames that its predecessor left.
pub struct Opened {
    /// The spool.
    pub spool: Spool,
    /// Producer id of the client.
    pub producer: ProducerId,
    /// Frames in the spool.
    pub rest: Recovered,
}

impl Spool {
    /// Takes over the oldest unused spool of `owner` below `root`, or makes one.
    ///
    /// # Errors
    /// When the directory cannot be read or written.
    pub fn open(root: &Path, producer: ProducerId, owner: Owner) -> Result<Opened, SpoolError> {
        for found in SpoolDirectory::all(root)? {
            match found {
                Found::Free(directory)
                    if directory.owner.queue == owner.queue
                        && directory.owner.client_id == owner.client_id =>
                {
                    match Self::go_on(directory) {
                        Ok(Some(opened)) => return Ok(opened),
                        Ok(None) => {}
                        Err(error) => tracing::error!("{error}; leaving the spool untouched"),
                    }
                }
                Found::Free(_) | Found::InUse(_) => {}
                Found::Refused(_, error) => tracing::error!("{error}; leaving the spool untouched"),
            }
        }
        let spool = Self::new(SpoolDirectory::create(root, producer, owner)?, true);
        Ok(Opened {
            spool,
            producer,
            rest: Recovered::default(),
        })
    }

    /// Continues a spool; `None` when it is incomplete.
    fn go_on(directory: SpoolDirectory) -> Result<Option<Opened>, SpoolError> {
        let dir = directory.dir.clone();
        if directory.is_whole() {
            let opened = Self::take_over(directory)?;
            if opened.rest.damaged == 0 {
                return Ok(Some(opened));
            }
        }
        tracing::warn!(
            spool = %dir.display(),
            "not all that was sent is in this spool, so nothing is added to it; `tensorplex drain` delivers what it has"
        );
        Ok(None)
    }

    /// Opens a locked spool with its frames.
    ///
    /// # Errors
    /// When the spool cannot be read.
    pub fn take_over(directory: SpoolDirectory) -> Result<Opened, SpoolError> {
        let rest = Recovered::read(&directory)?;
        if rest.torn > 0 {
            let spool = directory.dir.display();
            tracing::warn!(%spool, bytes = rest.torn, "a kill cut a call short; it was not taken, and is dropped");
        }
        let is_whole = directory.is_whole();
        let producer = match mutants::is_on(Mutant::NewProducerAtTakeOver) {
            true => ProducerId::random().unwrap_or(directory.producer),
            false => directory.producer,
        };
        let mut spool = Self::new(directory, is_whole);
        spool.size = rest.segments.iter().map(|&(_, length)| length).sum();
        let segments = rest.segments.iter();
        spool.segments = segments
            .map(|&(first, length)| Segment { first, length })
            .collect();
        Ok(Opened {
            spool,
            producer,
            rest,
        })
    }

    fn new(directory: SpoolDirectory, is_whole: bool) -> Self {
        Self {
            directory,
            segments: VecDeque::new(),
            file: None,
            frame_at: 0,
            size: 0,
            is_whole,
            missed: 0,
            news: None,
        }
    }

    /// Directory of the spool.
    pub fn dir(&self) -> &Path {
        &self.directory.dir
    }

    /// Calls that could not be written.
    pub fn missed(&self) -> u64 {
        self.missed
    }

    /// Takes the warning to be logged.
    pub fn take_news(&mut self) -> Option<String> {
        self.news.take()
    }

    /// Writes the first call of frame `seq`, whose time is `time_ns`. `all_acked`: no earlier frame is outstanding.
    pub fn begin(&mut self, seq: u64, time_ns: i64, all_acked: bool, items: &[u8]) {
        if !self.is_whole && all_acked {
            self.start_again(seq);
        }
        let last = self.segments.back().map_or(0, |last| last.length);
        if self.is_whole && (self.file.is_none() || last >= SEGMENT) {
            let made = self.add_segment(seq);
            self.check(made);
        }
        self.frame_at = self.segments.back().map_or(0, |last| last.length);
        self.put(Kind::Begin, &time_ns.to_le_bytes(), items);
    }

    /// Writes a further call of the open frame.
    pub fn more(&mut self, items: &[u8]) {
        self.put(Kind::More, &[], items);
    }

    /// Location of the open frame; `None` when a call of it could not be written.
    pub fn frame(&self) -> Option<Location> {
        let last = self.segments.back().filter(|_| self.is_whole)?;
        Some(Location {
            first: last.first,
            begin: self.frame_at,
            length: last.length - self.frame_at,
        })
    }

    fn put(&mut self, kind: Kind, time: &[u8], items: &[u8]) {
        if self.is_whole {
            let written = self.write(kind, time, items);
            self.check(written);
        }
        self.missed += u64::from(!self.is_whole);
    }

    fn write(&mut self, kind: Kind, time: &[u8], items: &[u8]) -> Result<(), String> {
        let payload = time.len() + items.len();
        if payload > MAX_PAYLOAD {
            return Err(format!(
                "a call of {payload} bytes: at most {MAX_PAYLOAD} fit into a record"
            ));
        }
        let head = record::head(kind, time, items);
        let length = (head.len() + payload) as u64;
        if self.size + length > MAX_SPOOL {
            return Err(format!("its {MAX_SPOOL} bytes are used up"));
        }
        let (Some(file), Some(segment)) = (&mut self.file, self.segments.back_mut()) else {
            return Err("it has no segment".to_owned());
        };
        write_all(
            file,
            &mut [IoSlice::new(&head), IoSlice::new(time), IoSlice::new(items)],
        )
        .map_err(|error| error.to_string())?;
        segment.length += length;
        self.size += length;
        Ok(())
    }

    fn add_segment(&mut self, first: u64) -> Result<(), String> {
        self.file = None;
        let file = self
            .directory
            .new_segment(first)
            .map_err(|error| error.to_string())?;
        self.file = Some(file);
        self.segments.push_back(Segment {
            first,
            length: HEADER as u64,
        });
        self.size += HEADER as u64;
        Ok(())
    }

    /// Records a failed write: the spool will lack numbers that are used.
    fn check(&mut self, outcome: Result<(), String>) {
        let Err(error) = outcome else { return };
        self.is_whole = false;
        self.file = None;
        let marked = self.directory.set_whole(false);
        let marked = marked.err().map_or(String::new(), |error| format!("; {error}"));
        self.news = Some(format!(
            "cannot write to the spool {}: {error}{marked}; calls are kept in memory only until everything is acknowledged",
            self.directory.dir.display()
        ));
    }

    /// Restarts a spool after a failed write, once every frame before `seq` is acknowledged.
    fn start_again(&mut self, seq: u64) {
        let old = std::mem::take(&mut self.segments);
        self.size = 0;
        let again = old
            .iter()
            .try_for_each(|segment| fs::remove_file(self.path(segment.first)))
            .map_err(|error| error.to_string())
            .and_then(|()| self.add_segment(seq))
            .and_then(|()| self.directory.set_whole(true).map_err(|error| error.to_string()));
        self.is_whole = again.is_ok();
        if self.is_whole {
            self.news = Some(format!(
                "the spool {} can be written to again",
                self.directory.dir.display()
            ));
        }
    }

    fn path(&self, first: u64) -> PathBuf {
        directory::segment(&self.directory.dir, first)
    }

    /// Records the acknowledgement of every frame up to `acked`. Returns the segments to be removed after the lock is
    /// released.
    pub fn acknowledge(&mut self, acked: u64) -> Vec<PathBuf> {
        let mut useless = Vec::new();
        while let Some(next) = self.segments.get(1)
            && next.first <= acked + 1
            && let Some(first) = self.segments.pop_front()
        {
            self.size -= first.length;
            useless.push(self.path(first.first));
        }
        useless
    }

    /// Releases the spool, and removes it when all frames are acknowledged.
    ///
    /// # Errors
    /// When files cannot be removed.
    pub fn close(self, all_acked: bool) -> Result<(), SpoolError> {
        match all_acked {
            true => self.directory.remove(),
            false => Ok(()),
        }
    }

    /// Moves aside a spool whose rest cannot be delivered; returns its new path.
    ///
    /// # Errors
    /// When it cannot be renamed.
    pub fn set_aside(self) -> Result<PathBuf, SpoolError> {
        self.directory.set_aside()
    }
}

/// Writes all bytes, with one system call as a rule; a full disk may take a part.
fn write_all(file: &mut File, mut parts: &mut [IoSlice<'_>]) -> io::Result<()> {
    IoSlice::advance_slices(&mut parts, 0);
    while !parts.is_empty() {
        match file.write_vectored(parts) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut parts, written),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
