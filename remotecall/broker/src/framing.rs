//! Framing: finds the end of a command before it is decoded.
//!
//! ```text
//! command    "*" count CRLF   then count times:   "$" length CRLF   length bytes   CRLF
//! ```
//!
//! The codec starts over when a command is incomplete, and it allocates and recurses as the data
//! says. So this module finds the extent of a command first. It reads each header once, however
//! small the pieces are in which the command arrives, and passes only an array of bulk strings
//! within the limits.

use std::str;

/// Limit on one argument, 32 MiB: twice the limit on a frame.
pub const MAX_BULK: usize = 32 << 20;
/// Limit on the arguments of one command, 65 536.
pub const MAX_ARGUMENTS: usize = 1 << 16;
/// Limit on one command with all its arguments, 64 MiB.
pub const MAX_COMMAND: usize = 64 << 20;
/// Limit on a header, in bytes: a sign, twenty digits and the end of the line fit.
const MAX_HEADER: usize = 32;

/// Limits on the commands of a client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    arguments: usize,
    bulk: usize,
    exceeded: [ProtocolError; 2],
}

impl Limits {
    /// Limits of an authenticated client.
    pub const AUTHENTICATED: Self = Self {
        arguments: MAX_ARGUMENTS,
        bulk: MAX_BULK,
        exceeded: [ProtocolError::Arguments, ProtocolError::Bulk],
    };
    /// Limits of an unauthenticated client: enough for AUTH and HELLO.
    pub const UNAUTHENTICATED: Self = Self {
        arguments: 10,
        bulk: 16 << 10,
        exceeded: [
            ProtocolError::UnauthenticatedArguments,
            ProtocolError::UnauthenticatedBulk,
        ],
    };
}

/// Protocol error, after which the connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ProtocolError {
    #[error("ERR Protocol error: expected '{want}', got '{got}'")]
    Unexpected { want: char, got: char },
    #[error("ERR Protocol error: invalid multibulk length")]
    Arguments,
    #[error("ERR Protocol error: invalid bulk length")]
    Bulk,
    #[error("ERR Protocol error: unauthenticated multibulk length")]
    UnauthenticatedArguments,
    #[error("ERR Protocol error: unauthenticated bulk length")]
    UnauthenticatedBulk,
    #[error("ERR Protocol error: too big mbulk count string")]
    ArgumentsHeader,
    #[error("ERR Protocol error: too big bulk count string")]
    BulkHeader,
    #[error("ERR Protocol error: command longer than {MAX_COMMAND} bytes")]
    Command,
    #[error("ERR Protocol error: undecodable command")]
    Codec,
}

/// Scan state of the command at the front of the input.
#[derive(Debug, Default)]
pub(super) struct Framing {
    /// Length of the complete headers and arguments, in bytes.
    scanned: usize,
    /// Number of arguments that are missing, once the count is known.
    left: Option<usize>,
    /// Length of the input from which on another scan can make progress, in bytes.
    needed: usize,
}

/// Complete command at the front of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// Length of the command, in bytes.
    Command(usize),
    /// Length of an empty array, in bytes, which asks for nothing.
    Nothing(usize),
}

impl Framing {
    /// Scans `bytes`, which start with the command; `None` when it is incomplete.
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

    /// Length that the command is known to have at least, in bytes.
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

    /// End of the next argument; `None` when it is beyond `bytes`.
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

/// Header line such as `$12`.
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

/// Parses a number as Redis writes it: without a plus sign and leading zeros.
fn number(digits: &[u8]) -> Option<i64> {
    let number: i64 = str::from_utf8(digits).ok()?.parse().ok()?;
    let padded = matches!(digits, [b'+', ..] | [b'0', _, ..] | [b'-', b'0', ..]);
    (!padded).then_some(number)
}
