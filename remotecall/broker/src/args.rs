//! Arguments of one command, taken one after the other.

use std::str;
use std::vec;

use bytes::Bytes;
use redis_protocol::resp2::types::RangeFrame;

use super::error::CommandError;

/// Arguments that are not taken yet.
#[derive(Debug)]
pub(super) struct Args<'a> {
    bytes: &'a [u8],
    frames: vec::IntoIter<RangeFrame>,
}

impl<'a> Args<'a> {
    /// Arguments whose ranges are in `bytes`.
    pub fn new(bytes: &'a [u8], frames: Vec<RangeFrame>) -> Self {
        Self {
            bytes,
            frames: frames.into_iter(),
        }
    }

    /// Number of arguments left.
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// True if no argument is left.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes the next argument; if there is none, that is a syntax error, as in Redis.
    pub fn next(&mut self) -> Result<&'a [u8], CommandError> {
        let frame = self.frames.next().ok_or(CommandError::Syntax)?;
        Ok(slice(self.bytes, &frame))
    }

    /// Takes the next argument as a value to store: an exact copy, so that the input buffer can be
    /// reused.
    pub fn value(&mut self) -> Result<Bytes, CommandError> {
        self.next().map(Bytes::copy_from_slice)
    }

    /// Takes all arguments left, as values to store.
    pub fn values(&mut self) -> Result<Vec<Bytes>, CommandError> {
        (0..self.len()).map(|_| self.value()).collect()
    }

    /// Takes the next argument as an integer.
    pub fn integer(&mut self) -> Result<i64, CommandError> {
        integer(self.next()?).ok_or(CommandError::NotInteger)
    }

    /// Takes the next argument if it is `word`, in upper or lower case; returns whether it is.
    pub fn take_word(&mut self, word: &str) -> bool {
        let frame = self.frames.as_slice().first();
        let found = frame.is_some_and(|frame| is_word(slice(self.bytes, frame), word));
        if found {
            self.frames.next();
        }
        found
    }
}

/// True if `argument` is `word`, in upper or lower case.
pub(super) fn is_word(argument: &[u8], word: &str) -> bool {
    argument.eq_ignore_ascii_case(word.as_bytes())
}

/// Parses a decimal integer.
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
