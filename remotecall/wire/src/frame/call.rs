//! One call of a frame: method, client, time and arguments.

use super::args::{Args, ArgsError};
use super::column_block::ColumnBlock;
use super::error::FrameError;
use super::format::REPLY_SHIFT;

/// Reply that the caller asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyMode {
    /// No reply.
    Nothing,
    /// The result or the error.
    Result,
    /// The error, if there is one.
    ErrorOnly,
}

impl ReplyMode {
    pub(super) fn bits(self) -> u8 {
        (self as u8) << REPLY_SHIFT
    }

    pub(super) fn from_bits(head: u8) -> Result<Self, FrameError> {
        match head >> REPLY_SHIFT & 3 {
            0 => Ok(Self::Nothing),
            1 => Ok(Self::Result),
            2 => Ok(Self::ErrorOnly),
            _ => Err(FrameError::Body("unknown kind of reply")),
        }
    }
}

/// One call of a frame.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// Method, an index into [`Calls::names`](super::Calls::names).
    pub method: usize,
    /// Client id, an index into [`Calls::names`](super::Calls::names).
    pub client: usize,
    /// Reply that the caller asks for.
    pub reply: ReplyMode,
    /// Time of the call by the caller's clock, in nanoseconds since 1970-01-01 UTC.
    pub time_ns: i64,
    /// Deadline in milliseconds after `time_ns`, if any: a server that comes to the call later does
    /// not run it.
    pub deadline_ms: Option<u64>,
    /// Arguments, not yet decoded.
    pub args: CallArgs<'a>,
}

/// Arguments of a call: bytes of their own, or a row of a column block.
#[derive(Clone, Copy, Debug)]
pub enum CallArgs<'a> {
    /// MessagePack values, see [`Args::parse`].
    Encoded {
        /// Array of positional values, and the map of named ones behind it.
        bytes: &'a [u8],
        /// True if there is a map.
        has_named: bool,
    },
    /// A row of a block.
    Row(&'a ColumnBlock<'a>, usize),
}

impl<'a> CallArgs<'a> {
    /// Splits the arguments into values.
    ///
    /// # Errors
    /// When the bytes have another shape or break a limit.
    pub fn get(self) -> Result<Args<'a>, ArgsError> {
        match self {
            Self::Encoded { bytes, has_named } => Args::parse(bytes, has_named),
            Self::Row(block, row) => Ok(Args::of_row(block, row)),
        }
    }
}

impl ColumnBlock<'_> {
    /// The call in `row`, which is below the number of [`times`](Self::times).
    ///
    /// # Panics
    /// When there is no such row.
    #[expect(clippy::indexing_slicing, reason = "rows are numbered by the caller's loop")]
    pub fn call(&self, row: usize) -> Call<'_> {
        Call {
            method: self.method,
            client: self.clients[row] as usize,
            reply: ReplyMode::Nothing,
            time_ns: self.times[row],
            deadline_ms: None,
            args: CallArgs::Row(self, row),
        }
    }
}
