//! The arguments of one command, taken one after the other.

use std::str;
use std::vec;

use bytes::Bytes;
use redis_protocol::resp2::types::RangeFrame;

use super::error::CommandError;

/// What is left of a command's arguments.
#[derive(Debug)]
pub(super) struct Args<'a> {
    bytes: &'a [u8],
    frames: vec::IntoIter<RangeFrame>,
}

impl<'a> Args<'a> {
    /// Arguments that lie in `bytes`.
    pub fn new(bytes: &'a [u8], frames: Vec<RangeFrame>) -> Self {
        Self {
            bytes,
            frames: frames.into_iter(),
        }
    }

    /// How many are left.
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// Whether none is left.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The next one; its absence is a syntax error, as in Redis.
    pub fn next(&mut self) -> Result<&'a [u8], CommandError> {
        let frame = self.frames.next().ok_or(CommandError::Syntax)?;
        Ok(slice(self.bytes, &frame))
    }

    /// The next one as a value to keep: a copy of the right size, so that it holds no buffer in memory.
    pub fn value(&mut self) -> Result<Bytes, CommandError> {
        self.next().map(Bytes::copy_from_slice)
    }

    /// All that are left, as values to keep.
    pub fn values(&mut self) -> Result<Vec<Bytes>, CommandError> {
        (0..self.len()).map(|_| self.value()).collect()
    }

    /// The next one as a number.
    pub fn integer(&mut self) -> Result<i64, CommandError> {
        integer(self.next()?).ok_or(CommandError::NotInteger)
    }

    /// Takes the next one if it is `word`, in any case.
    pub fn take_word(&mut self, word: &str) -> bool {
        let frame = self.frames.as_slice().first();
        let found = frame.is_some_and(|frame| is_word(slice(self.bytes, frame), word));
        if found {
            self.frames.next();
        }
        found
    }
}

/// Whether `argument` is `word`, in any case.
pub(super) fn is_word(argument: &[u8], word: &str) -> bool {
    argument.eq_ignore_ascii_case(word.as_bytes())
}

/// A number in decimal.
pub(super) fn integer(argument: &[u8]) -> Option<i64> {
    let text = str::from_utf8(argument).ok()?;
    if text.starts_with('+') {
        None
    } else {
        text.parse().ok()
    }
}

fn slice<'a>(bytes: &'a [u8], frame: &RangeFrame) -> &'a [u8] {
    match frame {
        RangeFrame::BulkString((start, end)) => bytes.get(*start..*end).unwrap_or_default(),
        // Framing lets only bulk strings through.
        _ => &[],
    }
}
