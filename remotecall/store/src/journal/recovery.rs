//! Recovery: opens a journal, reads its checkpoint, and replays the records after it.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::process_id::this_process;

use super::{
    Accepted, Checkpoint, Journal, JournalError, MAX_RECORD, RECORD_HEADER, RECORD_MAGIC, SEGMENT_MAGIC,
    checksum, create_segment, journal_dir, segment_path, segments, settings,
};
use crate::disk;

/// A journal that is being read; nothing was changed so far.
pub struct Recovery {
    dir: PathBuf,
    lock: File,
    segments: Vec<u64>,
    first: u64,
    /// End of the complete records of the last segment.
    end: u64,
    bytes: u64,
}

impl Recovery {
    /// Takes the lock and reads the checkpoint. Makes a missing `dir`.
    ///
    /// # Errors
    /// When another server holds the lock, a file is damaged, or a system call fails.
    pub fn open(dir: &Path) -> Result<(Self, Checkpoint), JournalError> {
        let path = journal_dir(dir);
        disk::make_dir(&path).map_err(|error| JournalError::io(&path, error))?;
        let lock = take_lock(dir)?;
        let checkpoint = Checkpoint::load(dir)?.unwrap_or(Checkpoint {
            segment: 1,
            ..Checkpoint::default()
        });
        let first = checkpoint.segment;
        let mut segments: Vec<u64> = segments(dir)?
            .into_iter()
            .filter(|&number| number >= first)
            .collect();
        for (expected, &found) in (first..).zip(&segments) {
            if expected != found {
                let path = segment_path(dir, expected);
                return Err(JournalError::damaged(&path, 0, "this segment is missing"));
            }
        }
        // An interrupted checkpoint leaves a segment without records; the next one replaces it.
        while let [_, .., last] = segments[..]
            && is_empty(dir, last)
        {
            segments.pop();
        }
        let recovery = Self {
            dir: dir.to_owned(),
            lock,
            segments,
            first,
            end: 0,
            bytes: 0,
        };
        Ok((recovery, checkpoint))
    }

    /// Checks that a replay produces the same bytes: `settings` are the settings that they depend on.
    ///
    /// # Errors
    /// When frames are to be replayed that were accepted under other settings.
    pub fn agree_on(&self, settings: &str) -> Result<(), JournalError> {
        let nothing_to_repeat = self.segments.iter().all(|&number| is_empty(&self.dir, number));
        settings::agree(&self.dir, settings, nothing_to_repeat)
    }

    /// Passes each frame after the checkpoint to `each`, in order.
    ///
    /// # Errors
    /// When a segment cannot be read or is damaged.
    pub fn replay(&mut self, mut each: impl FnMut(Accepted<&[u8]>)) -> Result<(), JournalError> {
        let last = self.segments.last().copied();
        for &number in &self.segments {
            let path = segment_path(&self.dir, number);
            let bytes = disk::read(&path).map_err(|error| JournalError::io(&path, error))?;
            let end = replay_segment(&path, &bytes, Some(number) == last, &mut each)?;
            self.end = end as u64;
            self.bytes += end as u64;
        }
        Ok(())
    }

    /// Truncates an incomplete record of a crash, and returns the journal.
    ///
    /// # Errors
    /// When a system call fails.
    pub fn finish(self) -> Result<Journal, JournalError> {
        let (segment, file, end) = match self.segments.last() {
            // A crash during the creation of the first segment can leave less than its magic.
            Some(&number) if self.end >= SEGMENT_MAGIC.len() as u64 => {
                let path = segment_path(&self.dir, number);
                let cut = || {
                    let file = disk::open(&path)?;
                    if file.metadata()?.len() > self.end {
                        disk::cut(&file, self.end)?;
                        disk::sync(&file, &path)?;
                    }
                    Ok(file)
                };
                (
                    number,
                    cut().map_err(|error| JournalError::io(&path, error))?,
                    self.end,
                )
            }
            _ => {
                let number = self.segments.last().copied().unwrap_or(self.first);
                (
                    number,
                    create_segment(&self.dir, number)?,
                    SEGMENT_MAGIC.len() as u64,
                )
            }
        };
        let empty = (self.segments.len().max(1) * SEGMENT_MAGIC.len()) as u64;
        Ok(Journal {
            dir: self.dir,
            _lock: self.lock,
            segment,
            file,
            end,
            since_checkpoint: self.bytes.saturating_sub(empty),
            buffer: Vec::new(),
        })
    }
}

/// True for a segment without records.
fn is_empty(dir: &Path, number: u64) -> bool {
    let length = std::fs::metadata(segment_path(dir, number)).map(|meta| meta.len());
    length.is_ok_and(|length| length <= SEGMENT_MAGIC.len() as u64)
}

/// Limit on the bytes read from a lock.
const MAX_HOLDER: u64 = 1024;

/// Takes the lock, and writes this process into it.
fn take_lock(dir: &Path) -> Result<File, JournalError> {
    let path = dir.join("lock");
    let file = disk::open_or_create(&path).map_err(|error| JournalError::io(&path, error))?;
    match file.try_lock() {
        Ok(()) => {
            // For the error of another server only, so a full disk is no error here.
            let _ =
                disk::cut(&file, 0).and_then(|()| disk::write_all_at(&file, this_process().as_bytes(), 0));
            Ok(file)
        }
        Err(std::fs::TryLockError::WouldBlock) => {
            let mut holder = Vec::new();
            let _ = (&file).take(MAX_HOLDER).read_to_end(&mut holder);
            let holder = String::from_utf8_lossy(&holder).into_owned();
            Err(JournalError::InUse {
                dir: dir.to_owned(),
                holder,
            })
        }
        Err(std::fs::TryLockError::Error(error)) => Err(JournalError::io(&path, error)),
    }
}

/// Reads one segment; returns the end of its complete records.
pub(super) fn replay_segment(
    path: &Path,
    bytes: &[u8],
    is_last: bool,
    each: &mut impl FnMut(Accepted<&[u8]>),
) -> Result<usize, JournalError> {
    if !bytes.starts_with(&SEGMENT_MAGIC) {
        return match is_last && bytes.len() <= SEGMENT_MAGIC.len() {
            true => Ok(0),
            false => Err(JournalError::damaged(
                path,
                0,
                "it does not begin like a journal segment",
            )),
        };
    }
    let mut at = SEGMENT_MAGIC.len();
    while let Some(body) = record(bytes, at) {
        let mut rest = body;
        while let Some(accepted) = take_frame(&mut rest) {
            each(accepted);
        }
        at += RECORD_HEADER + body.len();
    }
    let damaged =
        at < bytes.len() && (!is_last || (at + 1..bytes.len()).any(|at| record(bytes, at).is_some()));
    match damaged {
        true => Err(JournalError::damaged(
            path,
            at,
            "a record cannot be read, and more follow it",
        )),
        false => Ok(at),
    }
}

/// Body of the record at byte `at`.
fn record(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let (head, rest) = bytes.get(at..)?.split_first_chunk::<RECORD_HEADER>()?;
    let [m0, m1, m2, m3, l0, l1, l2, l3, crc @ ..] = *head;
    let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    if u32::from_le_bytes([m0, m1, m2, m3]) != RECORD_MAGIC || length > MAX_RECORD {
        return None;
    }
    let body = rest.get(..length)?;
    (checksum(at as u64, body) == u32::from_le_bytes(crc)).then_some(body)
}

fn take_frame<'a>(rest: &mut &'a [u8]) -> Option<Accepted<&'a [u8]>> {
    let (&acked, tail) = rest.split_first_chunk()?;
    let (&clock_ms, tail) = tail.split_first_chunk()?;
    let (&length, tail) = tail.split_first_chunk()?;
    let (frame, tail) = tail.split_at_checked(u32::from_le_bytes(length) as usize)?;
    *rest = tail;
    Some(Accepted {
        acked: u64::from_le_bytes(acked),
        clock_ms: u64::from_le_bytes(clock_ms),
        is_read_only: false,
        frame,
    })
}
