//! The events of one file that can be read.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

use crate::tfevents::{EventView, ReadError, RecordReader, WireError};

/// Bytes that are read at a time.
const BUFFER: usize = 1 << 20;

/// Summary of reading one file.
#[derive(Debug, Default)]
pub struct ReadSummary {
    /// Events that were read.
    pub events: u64,
    /// Records that were not, because they are damaged.
    pub damaged: u64,
    /// First damage in the file.
    pub first: Option<Damage>,
    /// Offset of an unfinished record at the end: its writer is at work, or was killed.
    pub unfinished: Option<u64>,
}

/// A record cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// Its frame is damaged.
    #[error(transparent)]
    Frame(ReadError),
    /// Its payload is no event.
    #[error("the record at byte {at} is no event: {why}")]
    Payload {
        /// Offset of the record.
        at: u64,
        /// Description of the fault.
        why: WireError,
    },
}

/// Calls `see` with each event of a file and the bytes of its record, damaged ones left out.
///
/// # Errors
/// When the file cannot be read, or `see` fails.
pub fn read_events<E: From<io::Error>>(
    path: &Path,
    mut see: impl FnMut(&EventView<'_>, u64) -> Result<(), E>,
) -> Result<ReadSummary, E> {
    let mut seen = ReadSummary::default();
    seen.unfinished = read_records(path, |place, event| match event {
        Ok(event) => {
            seen.events += 1;
            see(&event, place.bytes)
        }
        Err(damage) => {
            seen.damaged += 1;
            seen.first.get_or_insert(damage);
            Ok(())
        }
    })?;
    Ok(seen)
}

/// Position of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Its first byte.
    pub at: u64,
    /// Its length, with its frame; 0 when that is damaged.
    pub bytes: u64,
}

/// Calls `see` with each record of a file, also with those that cannot be read; returns where an unfinished one begins. A
/// record whose length is damaged is the last.
///
/// # Errors
/// When the file cannot be read, or `see` fails.
pub fn read_records<E: From<io::Error>>(
    path: &Path,
    mut see: impl FnMut(Position, Result<EventView<'_>, Damage>) -> Result<(), E>,
) -> Result<Option<u64>, E> {
    let file = BufReader::with_capacity(BUFFER, File::open(path)?);
    let mut reader = RecordReader::new(file);
    loop {
        let at = reader.position();
        let record = reader.next_record();
        let place = Position {
            at,
            bytes: reader.position() - at,
        };
        match record {
            Ok(None) => return Ok(None),
            Ok(Some(payload)) => {
                let event = EventView::parse(&payload).map_err(|why| Damage::Payload { at, why });
                see(place, event)?;
            }
            Err(ReadError::Io(error)) => return Err(error.into()),
            Err(ReadError::Truncated { at, .. }) => return Ok(Some(at)),
            Err(error @ ReadError::BadPayload { .. }) => see(place, Err(Damage::Frame(error)))?,
            Err(error @ (ReadError::BadLength { .. } | ReadError::TooLong { .. })) => {
                see(place, Err(Damage::Frame(error)))?;
                return Ok(None);
            }
        }
    }
}
