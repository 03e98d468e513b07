//! Where a command ends, found before anything is decoded.
//!
//! ```text
//! command    "*" count CRLF   then count times:   "$" length CRLF   length bytes   CRLF
//! ```
//!
//! The codec starts over when a frame is incomplete, allocates and recurses as the data says. So the
//! extent of a command is found here first: every header is read once, however small the pieces are in
//! which it arrives, and only an array of bulk strings within the limits reaches the codec.

use std::str;

/// Longest argument: 32 MiB. A frame has at most half of that.
pub const MAX_BULK: usize = 32 << 20;
/// Most arguments of one command.
pub const MAX_ARGUMENTS: usize = 1 << 16;
/// Longest command, all arguments together: 64 MiB.
pub const MAX_COMMAND: usize = 64 << 20;
/// Longest header; a sign, twenty digits and the line's end fit.
const MAX_HEADER: usize = 32;

/// What a client may send.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    arguments: usize,
    bulk: usize,
    exceeded: [ProtocolError; 2],
}

impl Limits {
    /// For a client that may use the broker.
    pub const TRUSTED: Self = Self {
        arguments: MAX_ARGUMENTS,
        bulk: MAX_BULK,
        exceeded: [ProtocolError::Arguments, ProtocolError::Bulk],
    };
    /// For a client that has not said the password yet: enough to say it.
    pub const STRANGER: Self = Self {
        arguments: 10,
        bulk: 16 << 10,
        exceeded: [ProtocolError::StrangerArguments, ProtocolError::StrangerBulk],
    };
}

/// The bytes are no command; the connection cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ProtocolError {
    #[error("ERR Protocol error: expected '{want}', got '{got}'")]
    Unexpected { want: char, got: char },
    #[error("ERR Protocol error: invalid multibulk length")]
    Arguments,
    #[error("ERR Protocol error: invalid bulk length")]
    Bulk,
    #[error("ERR Protocol error: unauthenticated multibulk length")]
    StrangerArguments,
    #[error("ERR Protocol error: unauthenticated bulk length")]
    StrangerBulk,
    #[error("ERR Protocol error: too big mbulk count string")]
    ArgumentsHeader,
    #[error("ERR Protocol error: too big bulk count string")]
    BulkHeader,
    #[error("ERR Protocol error: command longer than {MAX_COMMAND} bytes")]
    Command,
    #[error("ERR Protocol error: undecodable command")]
    Codec,
}

/// How far the command at the front of the input has been followed.
#[derive(Debug, Default)]
pub(super) struct Framing {
    /// Bytes of whole headers and arguments.
    scanned: usize,
    /// Arguments still to come, once the count is known.
    left: Option<usize>,
    /// Bytes that are needed before it is worth looking again.
    needed: usize,
}

/// A whole command at the front of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// So many bytes.
    Command(usize),
    /// So many bytes that ask for nothing: an array of no elements.
    Nothing(usize),
}

impl Framing {
    /// Follows the command through `bytes`, which begin where it begins; `None` when it is incomplete.
    pub fn scan(&mut self, bytes: &[u8], limits: Limits) -> Result<Option<Extent>, ProtocolError> {
        if bytes.len() < self.needed {
            return Ok(None);
        }
        let mut left = match self.left {
            Some(left) => left,
            None => match self.count(bytes, limits)? {
                None => return Ok(None),
                Some(0) => return Ok(Some(Extent::Nothing(self.finish()))),
                Some(count) => count,
            },
        };
        while left > 0 {
            self.left = Some(left);
            let Some(end) = self.argument_end(bytes, limits)? else {
                return Ok(None);
            };
            self.scanned = end;
            left -= 1;
        }
        Ok(Some(Extent::Command(self.finish())))
    }

    /// Bytes of the command that are known to be needed.
    pub fn needed(&self) -> usize {
        self.needed
    }

    fn count(&mut self, bytes: &[u8], limits: Limits) -> Result<Option<usize>, ProtocolError> {
        let [too_many, _] = limits.exceeded;
        let Some(header) = header(bytes, '*', ProtocolError::ArgumentsHeader)? else {
            self.needed = bytes.len() + 1;
            return Ok(None);
        };
        let count = header.number.ok_or(ProtocolError::Arguments)?.max(0);
        let count = usize::try_from(count).map_err(|_| ProtocolError::Arguments)?;
        if count > limits.arguments {
            return Err(too_many);
        }
        self.scanned = header.length;
        Ok(Some(count))
    }

    /// Where the next argument ends, or `None` when that is not in `bytes`.
    fn argument_end(&mut self, bytes: &[u8], limits: Limits) -> Result<Option<usize>, ProtocolError> {
        let [_, too_long] = limits.exceeded;
        let rest = bytes.get(self.scanned..).unwrap_or_default();
        let Some(header) = header(rest, '$', ProtocolError::BulkHeader)? else {
            self.needed = bytes.len() + 1;
            return Ok(None);
        };
        let length = header.number.ok_or(ProtocolError::Bulk)?;
        let length = usize::try_from(length).map_err(|_| ProtocolError::Bulk)?;
        if length > limits.bulk {
            return Err(too_long);
        }
        let end = self.scanned + header.length + length + 2;
        if end > MAX_COMMAND {
            return Err(ProtocolError::Command);
        }
        if end > bytes.len() {
            self.needed = end;
            return Ok(None);
        }
        Ok(Some(end))
    }

    fn finish(&mut self) -> usize {
        std::mem::take(self).scanned
    }
}

/// A line such as `$12`.
struct Header {
    number: Option<i64>,
    length: usize,
}

fn header(bytes: &[u8], kind: char, too_long: ProtocolError) -> Result<Option<Header>, ProtocolError> {
    let Some((&first, rest)) = bytes.split_first() else {
        return Ok(None);
    };
    if char::from(first) != kind {
        let got = char::from(first);
        return Err(ProtocolError::Unexpected { want: kind, got });
    }
    let window = rest.get(..MAX_HEADER).unwrap_or(rest);
    let Some(end) = window.iter().position(|&byte| byte == b'\n') else {
        return if window.len() < MAX_HEADER {
            Ok(None)
        } else {
            Err(too_long)
        };
    };
    let line = window.get(..end).unwrap_or_default();
    let number = line.strip_suffix(b"\r").and_then(number);
    let length = end + 2;
    Ok(Some(Header { number, length }))
}

/// A number as Redis writes it: no plus sign, no zeros in front.
fn number(digits: &[u8]) -> Option<i64> {
    let number: i64 = str::from_utf8(digits).ok()?.parse().ok()?;
    let padded = matches!(digits, [b'+', ..] | [b'0', _, ..] | [b'-', b'0', ..]);
    (!padded).then_some(number)
}
