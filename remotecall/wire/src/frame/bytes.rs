//! Slices and bounded numbers taken off the front of a body.

use super::error::FrameError;
use crate::varint::take_varint;

/// Takes a number below `limit`.
pub(super) fn take_below(rest: &mut &[u8], limit: usize) -> Option<usize> {
    let number = usize::try_from(take_varint(rest).ok()?).ok()?;
    (number < limit).then_some(number)
}

/// Takes a length and as many bytes.
pub(super) fn take_bytes<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], FrameError> {
    let length = usize::try_from(take_varint(rest)?).unwrap_or(usize::MAX);
    take(rest, length)
}

/// Takes `length` bytes.
pub(super) fn take<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], FrameError> {
    let (head, tail) = rest
        .split_at_checked(length)
        .ok_or(FrameError::Body("ends inside an item"))?;
    *rest = tail;
    Ok(head)
}
