//! Records of a spool segment.
//!
//! ```text
//! magic     4   "RCSP"
//! version   1   1
//! producer 16   producer id of the frames
//! first     8   u64 LE; number of the first frame
//! crc       4   u32 LE; CRC-32C of everything before
//!
//! kind      1   1 begins a frame, 2 continues it
//! length    4   u32 LE; length of the payload
//! crc       4   u32 LE; CRC-32C of kind, length and payload
//! payload   …   of kind 1: time of the frame, i64 LE; then the items of one call
//! ```
//!
//! Records follow each other without padding. The concatenated items of a frame's records are its body. A frame ends
//! where the next one begins, or at the end of its segment: a closed frame gets no further call, and a segment that was
//! taken over is never extended. A file that ends inside a record is normal: its writer was killed before the call
//! returned.

use std::io::{self, Read};
use std::ops::Range;

use remotecall_wire::{Draft, MAX_BODY, MAX_CALLS, MAX_FRAME, ProducerId};

pub(super) const VERSION: u8 = 1;
/// Length of the header of a segment, in bytes.
pub(super) const HEADER: usize = 33;
/// Limit on the payload of a record, checked before memory is allocated.
pub(super) const MAX_PAYLOAD: usize = MAX_FRAME;

const MAGIC: [u8; 4] = *b"RCSP";
/// Length of the head of a record, in bytes.
pub(super) const HEAD: usize = 9;
const TIME: usize = 8;

/// Kind of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The first call of a frame.
    Begin = 1,
    /// A further call.
    More = 2,
}

/// Header of a segment.
pub(super) fn header(producer: ProducerId, first: u64) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    bytes[..4].copy_from_slice(&MAGIC);
    bytes[4] = VERSION;
    bytes[5..21].copy_from_slice(&producer.0);
    bytes[21..29].copy_from_slice(&first.to_le_bytes());
    let crc = crc32c::crc32c(&bytes[..29]);
    bytes[29..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// Head of a record whose payload has two parts.
pub(super) fn head(kind: Kind, time: &[u8], items: &[u8]) -> [u8; HEAD] {
    let mut bytes = [0; HEAD];
    bytes[0] = kind as u8;
    bytes[1..5].copy_from_slice(&((time.len() + items.len()) as u32).to_le_bytes());
    let crc = crc32c::crc32c_append(crc32c::crc32c_append(crc32c::crc32c(&bytes[..5]), time), items);
    bytes[5..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// End of the readable part of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The end of the segment.
    Whole,
    /// An incomplete record of this many bytes: its writer was killed.
    Torn(u64),
    /// Damage; this many bytes are unreadable.
    Damaged(u64),
}

/// Reader of the frames of a segment, after its header.
pub(super) struct Frames<R> {
    input: R,
    /// Offset of the next record.
    at: u64,
    length: u64,
    /// Payload of the last record.
    payload: Vec<u8>,
    /// Offset of that record, when it begins a frame that was not returned yet.
    begun: Option<u64>,
    end: Option<End>,
}

impl<R: Read> Frames<R> {
    /// Reads from `input`, which is at byte `at` and ends at `length`.
    pub fn new(input: R, at: u64, length: u64) -> Self {
        Self {
            input,
            at,
            length,
            payload: Vec::new(),
            begun: None,
            end: None,
        }
    }

    /// End of the readable part; known after the last frame.
    pub fn end(&self) -> End {
        self.end.unwrap_or(End::Whole)
    }

    /// The next frame, and its byte range in the segment.
    ///
    /// # Errors
    /// When the system cannot read. Unreadable bytes are the [`end`](Self::end).
    pub fn next_frame(&mut self) -> io::Result<Option<(Range<u64>, Draft)>> {
        if self.begun.is_none() && self.record()? == Some(Kind::More) {
            self.end = Some(End::Damaged(self.length - self.at));
        }
        let Some(begin) = self.begun.take() else {
            return Ok(None);
        };
        let Some((time, items)) = self.payload.split_first_chunk::<TIME>() else {
            self.end = Some(End::Damaged(self.length - begin));
            return Ok(None);
        };
        let (time_ns, mut body, mut count) = (i64::from_le_bytes(*time), items.to_vec(), 1);
        let mut end = self.at;
        while self.record()? == Some(Kind::More) {
            if body.len() + self.payload.len() > MAX_BODY || count == MAX_CALLS {
                self.end = Some(End::Damaged(self.length - end));
                break;
            }
            body.extend_from_slice(&self.payload);
            count += 1;
            end = self.at;
        }
        Ok(Some((begin..end, Draft::new(body, count, time_ns))))
    }

    /// Reads a record into `self.payload`.
    fn record(&mut self) -> io::Result<Option<Kind>> {
        if self.end.is_some() {
            return Ok(None);
        }
        let left = self.length - self.at;
        if left < HEAD as u64 {
            return Ok(self.stop(if left == 0 { End::Whole } else { End::Torn(left) }));
        }
        let mut head = [0; HEAD];
        self.input.read_exact(&mut head)?;
        let [kind, a, b, c, d, crc @ ..] = head;
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        let kind = match kind {
            1 => Kind::Begin,
            2 => Kind::More,
            _ => return Ok(self.stop(End::Damaged(left))),
        };
        if length > MAX_PAYLOAD {
            return Ok(self.stop(End::Damaged(left)));
        }
        if left < (HEAD + length) as u64 {
            return Ok(self.stop(End::Torn(left)));
        }
        self.payload.resize(length, 0);
        self.input.read_exact(&mut self.payload)?;
        let sum = crc32c::crc32c_append(crc32c::crc32c(&head[..5]), &self.payload);
        if sum != u32::from_le_bytes(crc) {
            return Ok(self.stop(End::Damaged(left)));
        }
        if kind == Kind::Begin {
            self.begun = Some(self.at);
        }
        self.at += (HEAD + length) as u64;
        Ok(Some(kind))
    }

    fn stop(&mut self, end: End) -> Option<Kind> {
        self.end = Some(end);
        None
    }
}
