//! Frame: a numbered batch of calls of one producer, the unit of sending, journaling and
//! deduplication.
//!
//! A frame decodes alone, because names are defined inside it. Its bytes never change once it has a
//! number. `format` describes the layout. [`FrameBuilder`] collects calls and [`Draft::seal`]
//! encodes them; [`Frame::parse`] checks the header and the checksum, and [`Calls::parse`] decodes
//! the items of the body.

mod args;
mod builder;
mod bytes;
mod call;
mod calls;
mod column_block;
mod column_encoder;
mod delta;
mod error;
mod format;
mod item_reader;

pub use args::{Args, ArgsError, MAX_DEPTH};
pub use builder::{Draft, FrameBuilder, NewCall};
pub use call::{Call, CallArgs, ReplyMode};
pub use calls::Calls;
pub use column_block::ColumnBlock;
pub use error::FrameError;
pub use format::{MAX_ARGS, MAX_BODY, MAX_CALLS, MAX_FRAME, OVERHEAD};
pub use item_reader::Item;

use std::borrow::Cow;

use crate::producer_id::ProducerId;
use format::{FLAG_BLOCKS, FLAG_LZ4, FOOTER, HEADER, MAGIC, MAX_RATIO};

/// Frame with a valid header and checksum; the items of its body are not decoded yet.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Sender.
    pub producer: ProducerId,
    /// Number of the frame: 1, 2, 3 … per producer.
    pub seq: u64,
    /// Time that the times of calls are relative to, in nanoseconds since 1970-01-01 UTC.
    pub time_ns: i64,
    /// Number of calls, as the header claims.
    pub count: usize,
    raw_len: usize,
    is_lz4: bool,
    body: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Checks everything but the items of the body. Allocates nothing.
    ///
    /// # Errors
    /// When the bytes are too long, damaged, or not a frame that this version knows.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, FrameError> {
        if bytes.len() > MAX_FRAME {
            return Err(FrameError::TooLong(bytes.len()));
        }
        let not_a_frame = || FrameError::NotAFrame(bytes.len());
        let (sealed, footer) = bytes
            .split_last_chunk::<FOOTER>()
            .filter(|(sealed, _)| sealed.len() >= HEADER)
            .ok_or_else(not_a_frame)?;
        let mut rest = sealed.strip_prefix(&MAGIC).ok_or_else(not_a_frame)?;
        let (stored, computed) = (u32::from_le_bytes(*footer), crc32c::crc32c(sealed));
        if stored != computed {
            return Err(FrameError::BadChecksum { stored, computed });
        }
        let [flags] = take(&mut rest)?;
        if flags & !(FLAG_LZ4 | FLAG_BLOCKS) != 0 {
            return Err(FrameError::UnknownFlags(flags));
        }
        let frame = Self {
            is_lz4: flags & FLAG_LZ4 != 0,
            producer: ProducerId(take(&mut rest)?),
            seq: u64::from_le_bytes(take(&mut rest)?),
            time_ns: i64::from_le_bytes(take(&mut rest)?),
            count: u32::from_le_bytes(take(&mut rest)?) as usize,
            raw_len: u32::from_le_bytes(take(&mut rest)?) as usize,
            body: rest,
        };
        if frame.seq == 0 {
            return Err(FrameError::NumberZero);
        }
        Ok(frame)
    }

    /// Length of the decompressed body, as the header in `bytes` claims; 0 when there is no whole
    /// header.
    pub fn raw_len(bytes: &[u8]) -> usize {
        let at = HEADER - size_of::<u32>();
        let field = bytes.get(at..).and_then(<[u8]>::first_chunk);
        field.map_or(0, |field| u32::from_le_bytes(*field) as usize)
    }

    /// The body, decompressed.
    ///
    /// # Errors
    /// When the header claims more than a limit allows, or the body does not decompress.
    pub fn body(&self) -> Result<Cow<'a, [u8]>, FrameError> {
        let packed = self.body.len();
        let possible = if self.is_lz4 {
            packed.saturating_mul(MAX_RATIO).saturating_add(64)
        } else {
            packed
        };
        if self.raw_len > MAX_BODY || self.raw_len > possible || self.count > MAX_CALLS {
            return Err(FrameError::BodyLength {
                raw: self.raw_len,
                packed,
            });
        }
        if !self.is_lz4 {
            return Ok(Cow::Borrowed(self.body));
        }
        match lz4_flex::block::decompress(self.body, self.raw_len) {
            Ok(body) if body.len() == self.raw_len => Ok(Cow::Owned(body)),
            _ => Err(FrameError::Compression(self.raw_len)),
        }
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], FrameError> {
    let (head, tail) = rest
        .split_first_chunk::<N>()
        .ok_or(FrameError::NotAFrame(rest.len()))?;
    *rest = tail;
    Ok(*head)
}

#[cfg(test)]
mod tests;
