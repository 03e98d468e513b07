//! Stream ids: milliseconds of the broker's clock, and a number within the millisecond.

use std::fmt;
use std::str;

use super::error::CommandError;

/// Id of a stream entry, `ms-seq`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct StreamId {
    pub ms: u64,
    pub seq: u64,
}

impl StreamId {
    /// Lowest id, which no entry has.
    pub const MIN: Self = Self { ms: 0, seq: 0 };
    /// Highest id.
    pub const MAX: Self = Self {
        ms: u64::MAX,
        seq: u64::MAX,
    };

    /// Parses `ms-seq`, or `ms` with `missing_seq` as its number.
    pub fn parse(text: &[u8], missing_seq: u64) -> Result<Self, CommandError> {
        let mut parts = text.splitn(2, |&byte| byte == b'-');
        let ms = decimal(parts.next().unwrap_or_default())?;
        let seq = parts.next().map_or(Ok(missing_seq), decimal)?;
        Ok(Self { ms, seq })
    }

    /// The next id; `None` after the highest.
    pub fn next(self) -> Option<Self> {
        match self.seq.checked_add(1) {
            Some(seq) => Some(Self { ms: self.ms, seq }),
            None => self.ms.checked_add(1).map(|ms| Self { ms, seq: 0 }),
        }
    }

    /// The id before; `None` before the lowest.
    pub fn previous(self) -> Option<Self> {
        match self.seq.checked_sub(1) {
            Some(seq) => Some(Self { ms: self.ms, seq }),
            None => self.ms.checked_sub(1).map(|ms| Self { ms, seq: u64::MAX }),
        }
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

/// Parses an unsigned decimal number without a sign.
pub(super) fn decimal(text: &[u8]) -> Result<u64, CommandError> {
    let text = str::from_utf8(text).map_err(|_| CommandError::StreamId)?;
    if text.starts_with('+') {
        return Err(CommandError::StreamId);
    }
    text.parse().map_err(|_| CommandError::StreamId)
}
