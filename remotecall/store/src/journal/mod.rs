//! The journal: the server's write-ahead log of accepted frames, in the order of their effects.
//!
//! ```text
//! DIR/lock                     held while a server runs
//! DIR/settings                 settings that the object's bytes depend on
//! DIR/checkpoint               state of the object and watermarks; replaced whole
//! DIR/journal/00000001.rcj     segments; a checkpoint names the first one that is still needed
//!
//! segment   "RCJ2" | records
//! record    magic u32 LE | length u32 LE | crc u32 LE | body      crc: CRC-32C of the record's place and the body
//! body      one batch: (ack u64 LE | clock u64 LE | length u32 LE | frame) …      see `Accepted`
//! ```
//!
//! A record is the result of one write and one fdatasync. A crash can leave the last one incomplete, with any part of
//! it missing: nothing of it was acknowledged, and the recovery truncates it. Any other unreadable bytes are damage:
//! the journal refuses to open and changes nothing.

mod checkpoint;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod producers;
mod recovery;
mod settings;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::disk;

pub use checkpoint::Checkpoint;
pub use producers::{MAX_NOTICE, MAX_SILENCE_MS, Producer, Producers, UNCERTAIN_MS};
pub use recovery::Recovery;

/// Journaled bytes after which a checkpoint is due.
pub const CHECKPOINT_EVERY: u64 = 64 << 20;

const SEGMENT_MAGIC: [u8; 4] = *b"RCJ2";
const RECORD_MAGIC: u32 = 0x4a43_5252;
const RECORD_HEADER: usize = 12;
const FRAME_HEADER: usize = 20;
/// Capacity that the buffer of a batch keeps, in bytes.
const KEEP_BUFFER: usize = 8 << 20;
/// Size at which a batch takes no more frames, 32 MiB.
pub const BATCH_SIZE: usize = 32 << 20;
/// Limit on the body of a record: an almost full batch takes one more frame of any size.
const MAX_RECORD: usize = BATCH_SIZE + remotecall_wire::MAX_FRAME + FRAME_HEADER;

/// Error of the journal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// Another server holds the lock.
    #[error("{dir} is in use by another server ({holder}): each directory has one server")]
    InUse {
        /// The directory.
        dir: PathBuf,
        /// Process and start time of the other server.
        holder: String,
    },
    /// A system call failed.
    #[error("{path}: {error}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The error of the system.
        error: io::Error,
    },
    /// A file is damaged.
    #[error(
        "{path} is damaged at byte {at}: {why}; nothing was changed, move the directory away or restore it"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Offset of the damage in bytes.
        at: u64,
        /// The kind of damage.
        why: String,
    },
    /// A replay under the current settings would produce other bytes.
    #[error(
        "{dir} holds calls that were accepted with the settings [{was}], and now they are [{now}]: start once with \
         the former ones and stop the server, then change them"
    )]
    OtherSettings {
        /// Directory of the journal.
        dir: PathBuf,
        /// Settings under which the calls were accepted.
        was: String,
        /// Settings of the object now.
        now: String,
    },
    /// fsync failed, so the content of the disk is unknown.
    #[error("{0}")]
    Sync(io::Error),
    /// Another program removed the current segment.
    #[error(
        "{0} was removed while the server wrote it, perhaps with the log directory: later frames are not acknowledged; \
         start the server again, and the workers send them again"
    )]
    Removed(PathBuf),
}

impl JournalError {
    fn io(path: &Path, error: io::Error) -> Self {
        if disk::is_sync_failure(&error) {
            return Self::Sync(error);
        }
        Self::Io {
            path: path.to_owned(),
            error,
        }
    }

    fn damaged(path: &Path, at: usize, why: impl Into<String>) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            at: at as u64,
            why: why.into(),
        }
    }
}

/// An accepted frame, with everything else that its effect depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted<F = Vec<u8>> {
    /// Number of its producer's frame before it, which was journaled or acknowledged.
    pub acked: u64,
    /// The sender's clock when the server accepted the frame, in milliseconds since 1970.
    pub clock_ms: u64,
    /// True for a frame of read-only calls: it runs, and is not journaled.
    pub is_read_only: bool,
    /// The frame.
    pub frame: F,
}

/// The journal of a running server.
pub struct Journal {
    dir: PathBuf,
    _lock: File,
    segment: u64,
    file: File,
    /// Synced length of the segment.
    end: u64,
    since_checkpoint: u64,
    buffer: Vec<u8>,
}

impl Journal {
    /// Appends frames, as many as fit into one record, and syncs them; leaves out read-only ones. Returns how many it took;
    /// the next call takes the rest.
    ///
    /// # Errors
    /// After [`JournalError::Io`] no frame was appended, and the call can be retried.
    pub fn append(&mut self, frames: &[Accepted]) -> Result<usize, JournalError> {
        let mut size = 0;
        let fit = frames.iter().take_while(|accepted| {
            let room = size < BATCH_SIZE;
            if !accepted.is_read_only {
                size += FRAME_HEADER + accepted.frame.len();
            }
            room
        });
        let fit = fit.count();
        if size == 0 {
            return Ok(fit);
        }
        put_record(&mut self.buffer, self.end, &frames[..fit]);
        let path = segment_path(&self.dir, self.segment);
        if let Err(error) = disk::write_all_at(&self.file, &self.buffer, self.end) {
            // The next batch overwrites the part that was written.
            let _ = disk::cut(&self.file, self.end);
            return Err(JournalError::io(&path, error));
        }
        disk::sync(&self.file, &path).map_err(JournalError::Sync)?;
        if disk::is_removed(&self.file).map_err(|error| JournalError::io(&path, error))? {
            return Err(JournalError::Removed(path));
        }
        self.end += self.buffer.len() as u64;
        self.since_checkpoint += self.buffer.len() as u64;
        self.buffer.shrink_to(KEEP_BUFFER);
        Ok(fit)
    }

    /// True if enough was journaled for a checkpoint.
    pub fn wants_checkpoint(&self) -> bool {
        self.since_checkpoint >= CHECKPOINT_EVERY
    }

    /// True if nothing was journaled since the last checkpoint.
    pub fn is_clean(&self) -> bool {
        self.since_checkpoint == 0
    }

    /// Saves a checkpoint of the state after all journaled frames, and removes the segments before it.
    ///
    /// # Errors
    /// After [`JournalError::Io`] the journal continues, and the old checkpoint is valid.
    pub fn checkpoint(&mut self, object: Vec<u8>, producers: &Producers) -> Result<(), JournalError> {
        let next = self.segment + 1;
        self.file = create_segment(&self.dir, next)?;
        self.segment = next;
        self.end = SEGMENT_MAGIC.len() as u64;
        Checkpoint {
            segment: next,
            object,
            producers: producers.clone(),
        }
        .save(&self.dir)?;
        self.since_checkpoint = 0;
        for old in segments(&self.dir)?.into_iter().filter(|&number| number < next) {
            let path = segment_path(&self.dir, old);
            disk::remove(&path).map_err(|error| JournalError::io(&path, error))?;
        }
        Ok(())
    }
}

/// Encodes the record that starts at byte `place` of its segment.
fn put_record(out: &mut Vec<u8>, place: u64, frames: &[Accepted]) {
    out.clear();
    out.extend_from_slice(&[0; RECORD_HEADER]);
    for Accepted {
        acked,
        clock_ms,
        frame,
        ..
    } in frames.iter().filter(|accepted| !accepted.is_read_only)
    {
        out.extend_from_slice(&acked.to_le_bytes());
        out.extend_from_slice(&clock_ms.to_le_bytes());
        out.extend_from_slice(&(frame.len() as u32).to_le_bytes());
        out.extend_from_slice(frame);
    }
    let (head, body) = out.split_at_mut(RECORD_HEADER);
    head[..4].copy_from_slice(&RECORD_MAGIC.to_le_bytes());
    head[4..8].copy_from_slice(&(body.len() as u32).to_le_bytes());
    head[8..].copy_from_slice(&checksum(place, body).to_le_bytes());
}

/// Checksum over position and body: a record that was moved, or is hidden inside another, is invalid.
fn checksum(place: u64, body: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&place.to_le_bytes()), body)
}

fn journal_dir(dir: &Path) -> PathBuf {
    dir.join("journal")
}

fn segment_path(dir: &Path, number: u64) -> PathBuf {
    journal_dir(dir).join(format!("{number:08}.rcj"))
}

/// Numbers of the existing segments, in order.
fn segments(dir: &Path) -> Result<Vec<u64>, JournalError> {
    let path = journal_dir(dir);
    let list = std::fs::read_dir(&path).map_err(|error| JournalError::io(&path, error))?;
    let mut numbers = Vec::new();
    for item in list {
        let name = item.map_err(|error| JournalError::io(&path, error))?.file_name();
        let number = name
            .to_str()
            .and_then(|name| name.strip_suffix(".rcj"))
            .and_then(|name| name.parse::<u64>().ok());
        numbers.extend(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Creates an empty segment and syncs it with its directory. Replaces a segment of this number that a crash left without
/// records.
fn create_segment(dir: &Path, number: u64) -> Result<File, JournalError> {
    let path = segment_path(dir, number);
    let make = || {
        let file = disk::open_or_create(&path)?;
        disk::cut(&file, 0)?;
        disk::write_all_at(&file, &SEGMENT_MAGIC, 0)?;
        disk::sync(&file, &path)?;
        disk::sync_dir(&journal_dir(dir))?;
        Ok(file)
    };
    make().map_err(|error| JournalError::io(&path, error))
}

#[cfg(test)]
mod tests;
