//! A numbered batch of calls of one producer: the unit of sending, journaling and deduplication.
//!
//! ```text
//! magic      4   "RCF1"
//! flags      1   bit 0: the body is an LZ4 block; bit 1: it has blocks of calls; other bits are zero
//! producer  16   random id of the sender
//! seq        8   u64 LE; 1, 2, 3 … per producer
//! time       8   i64 LE; nanoseconds since 1970 UTC; times of calls are relative to it
//! count      4   u32 LE; number of calls in the body
//! raw_len    4   u32 LE; length of the body before compression
//! body       …
//! crc        4   u32 LE; CRC-32C of everything before
//! ```
//!
//! A frame decodes alone: names are defined inside it. Its bytes never change once it has a number.
//! The items of the body are described in [`body`].

mod body;
mod builder;
mod column_block;
mod column_encoder;
mod delta;
mod reading;

pub use body::{Call, CallArgs, Calls, ReplyMode};
pub use builder::{Draft, FrameBuilder, NewCall};
pub use column_block::ColumnBlock;
pub use reading::Item;

use std::borrow::Cow;
use std::fmt;

/// Longest frame on the wire.
pub const MAX_FRAME: usize = 16 << 20;
/// Longest body, before compression.
pub const MAX_BODY: usize = 64 << 20;
/// Most that LZ4 can gain; a header that claims more is not ours.
const MAX_RATIO: usize = 255;
/// Most calls in one frame.
pub const MAX_CALLS: usize = 1 << 20;

const MAGIC: [u8; 4] = *b"RCF1";
const FLAG_LZ4: u8 = 1;
/// Nothing is decided by it: a server that does not know blocks shall not take the frame for one that it can read.
const FLAG_BLOCKS: u8 = 2;
const HEADER: usize = 45;
const FOOTER: usize = 4;
/// What a frame has besides its body.
pub const OVERHEAD: usize = HEADER + FOOTER;

/// The random 128-bit id of a sender.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProducerId(pub [u8; 16]);

impl ProducerId {
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut id = [0; 16];
        getrandom::fill(&mut id)?;
        Ok(Self(id))
    }

    /// Reads the form of keys.
    pub fn parse(text: &str) -> Option<Self> {
        let id = Self(u128::from_str_radix(text, 16).ok()?.to_be_bytes());
        (id.to_string() == text).then_some(id)
    }
}

/// As 32 hexadecimal digits: the form used in keys.
impl fmt::Display for ProducerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for ProducerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The bytes are not a frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Shorter than the smallest frame, or another magic.
    #[error("not a frame: {0} bytes without its magic")]
    NotAFrame(usize),
    /// Longer than [`MAX_FRAME`].
    #[error("frame of {0} bytes is too long: at most {MAX_FRAME} are allowed")]
    TooLong(usize),
    /// Flags of a later version.
    #[error("frame flags {0:#04x} are unknown: is the sender newer than this server?")]
    UnknownFlags(u8),
    /// The checksum is wrong.
    #[error("frame checksum is {got:08x}, the bytes say {want:08x}")]
    BadChecksum {
        /// Computed.
        got: u32,
        /// Stored.
        want: u32,
    },
    /// Frames are numbered from 1.
    #[error("frame number 0: frames are numbered from 1")]
    NumberZero,
    /// The header promises a body that cannot be.
    #[error("frame body of {raw} bytes out of {packed} is not possible: at most {MAX_BODY}")]
    BodyLength {
        /// Claimed length.
        raw: usize,
        /// Bytes on the wire.
        packed: usize,
    },
    /// The body does not decompress to the promised length.
    #[error("frame body does not decompress to {0} bytes")]
    Compression(usize),
    /// The items of the body cannot be read.
    #[error("frame body: {0}")]
    Body(&'static str),
}

/// A frame whose header and checksum are right.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    pub producer: ProducerId,
    pub seq: u64,
    pub time_ns: i64,
    pub count: usize,
    raw_len: usize,
    lz4: bool,
    body: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Checks everything but the items of the body. Takes no memory.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, FrameError> {
        if bytes.len() > MAX_FRAME {
            return Err(FrameError::TooLong(bytes.len()));
        }
        let whole = bytes.len() >= HEADER + FOOTER && bytes.starts_with(&MAGIC);
        let (sealed, footer) = bytes
            .split_last_chunk::<FOOTER>()
            .filter(|_| whole)
            .ok_or(FrameError::NotAFrame(bytes.len()))?;
        let (got, want) = (crc32c::crc32c(sealed), u32::from_le_bytes(*footer));
        if got != want {
            return Err(FrameError::BadChecksum { got, want });
        }
        let mut rest = &sealed[MAGIC.len()..];
        let [flags] = take(&mut rest)?;
        if flags & !(FLAG_LZ4 | FLAG_BLOCKS) != 0 {
            return Err(FrameError::UnknownFlags(flags));
        }
        let frame = Self {
            lz4: flags & FLAG_LZ4 != 0,
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

    /// Length of the body when it is decompressed, as the header of a frame says.
    pub fn raw_len(bytes: &[u8]) -> usize {
        let at = HEADER - size_of::<u32>();
        let field = bytes.get(at..).and_then(<[u8]>::first_chunk);
        field.map_or(0, |field| u32::from_le_bytes(*field) as usize)
    }

    /// The body, decompressed.
    pub fn body(&self) -> Result<Cow<'a, [u8]>, FrameError> {
        let packed = self.body.len();
        let possible = if self.lz4 {
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
        if !self.lz4 {
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
