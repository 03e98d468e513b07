//! TFRecord framing: writing.
//!
//! ```text
//! length   u64 LE          size of payload
//! crc      u32 LE          masked CRC-32C of the eight length bytes
//! payload  [u8; length]    one encoded event
//! crc      u32 LE          masked CRC-32C of payload
//! ```
//!
//! Records follow each other with no padding and no end marker, so a file that stops in the middle of
//! a record is ordinary: its writer is still at work, or was killed. Nothing may be appended behind such
//! a tail except the rest of that record: both readers of TensorBoard give the file up for good.

use super::MaskedCrc;

/// Bytes before the payload.
pub const HEADER: usize = 12;
/// Bytes after the payload.
pub const FOOTER: usize = 4;
/// Longest payload this module will write or read: 64 MiB.
///
/// A reader trusts a length before it has seen the data, so there has to be a limit.
pub const MAX_PAYLOAD: usize = 64 << 20;

/// A payload is longer than [`MAX_PAYLOAD`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("event of {0} bytes is too long: at most {MAX_PAYLOAD} are allowed")]
pub struct TooLong(pub usize);

/// Appends one record to `out`; its payload is the message `event`, encoded where it stays.
///
/// # Errors
/// When the payload is too long; `out` is then as it was.
pub fn append_record(out: &mut Vec<u8>, event: &impl prost::Message) -> Result<(), TooLong> {
    let length = event.encoded_len();
    if length > MAX_PAYLOAD {
        return Err(TooLong(length));
    }
    out.reserve(HEADER + length + FOOTER);
    out.extend_from_slice(&header(length as u64));
    let start = out.len();
    event.encode_raw(out);
    let footer = MaskedCrc::of(&out[start..]);
    out.extend_from_slice(&footer.to_le_bytes());
    Ok(())
}

/// Appends one record with this payload.
///
/// # Errors
/// When the payload is too long; `out` is then as it was.
pub fn append_payload(out: &mut Vec<u8>, payload: &[u8]) -> Result<(), TooLong> {
    if payload.len() > MAX_PAYLOAD {
        return Err(TooLong(payload.len()));
    }
    out.extend_from_slice(&header(payload.len() as u64));
    out.extend_from_slice(payload);
    out.extend_from_slice(&MaskedCrc::of(payload).to_le_bytes());
    Ok(())
}

pub(super) fn header(length: u64) -> [u8; HEADER] {
    let length = length.to_le_bytes();
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(&length);
    header[8..].copy_from_slice(&MaskedCrc::of(&length).to_le_bytes());
    header
}
