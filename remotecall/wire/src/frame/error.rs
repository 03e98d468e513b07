//! Frame errors: the reasons for which bytes are not a frame.

use super::format::{MAX_BODY, MAX_FRAME};
use crate::varint::VarintError;

/// Error of decoding a frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
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
    /// The bytes do not have the checksum that the frame stores.
    #[error("frame has checksum {stored:08x}, but its bytes have {computed:08x}")]
    BadChecksum {
        /// CRC-32C at the end of the frame.
        stored: u32,
        /// CRC-32C of the bytes before it.
        computed: u32,
    },
    /// Frame number 0.
    #[error("frame number 0: frames are numbered from 1")]
    NumberZero,
    /// The header claims a body that its bytes cannot hold.
    #[error("frame body of {raw} bytes out of {packed} is not possible: at most {MAX_BODY}")]
    BodyLength {
        /// Claimed length.
        raw: usize,
        /// Bytes on the wire.
        packed: usize,
    },
    /// The body does not decompress to the length that the header claims.
    #[error("frame body does not decompress to {0} bytes")]
    Compression(usize),
    /// The items of the body cannot be decoded.
    #[error("frame body: {0}")]
    Body(&'static str),
}

impl From<VarintError> for FrameError {
    fn from(error: VarintError) -> Self {
        Self::Body(match error {
            VarintError::Truncated => "ends inside an item",
            VarintError::TooLong => "a number is longer than ten bytes",
        })
    }
}
