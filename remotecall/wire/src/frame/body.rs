//! The items of a frame's body.
//!
//! ```text
//! define   0x00 | varint length | UTF-8          the next name: 0, 1, 2 …
//! call     0x01 + bits | method | client | time | deadline | varint length | arguments
//!            bits 1-2   reply: 0 none, 1 the result, 2 only an error
//!            bit  3     named arguments follow the positional ones
//!            bit  4     method and client are those of the call before; both are left out
//!            bit  5     the call has a deadline; without it, that is left out
//!          method, client   varint, number of a name
//!          time             zigzag varint, nanoseconds after the call before (the first: after the frame's time)
//!          deadline         varint, milliseconds after the call's time
//!          arguments        see `Args`
//! block    0x02 …        see [`block`](super::column_block)
//! ```
//!
//! Varints are LEB128, at most ten bytes.

use super::column_block::ColumnBlock;
use super::reading::{Item, Reader};
use super::{FrameError, MAX_BODY};
use crate::args::{Args, ArgsError};

/// Longest name (method, client id) in a frame.
pub const MAX_NAME: usize = 64 << 10;
/// Most names in a frame.
pub const MAX_NAMES: usize = 64 << 10;

pub(super) const ITEM_DEFINE: u8 = 0;
pub(super) const ITEM_CALL: u8 = 1;
pub(super) const ITEM_BLOCK: u8 = 2;
pub(super) const REPLY_SHIFT: u8 = 1;
pub(super) const BIT_NAMED: u8 = 1 << 3;
pub(super) const BIT_SAME: u8 = 1 << 4;
pub(super) const BIT_DEADLINE: u8 = 1 << 5;

/// What the caller wants to hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyMode {
    Nothing,
    Result,
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
    /// Index into [`Calls::names`].
    pub method: usize,
    /// Index into [`Calls::names`].
    pub client: usize,
    pub reply: ReplyMode,
    pub time_ns: i64,
    /// Milliseconds after `time_ns` when nobody wants the call any more.
    pub deadline_ms: Option<u64>,
    pub args: CallArgs<'a>,
}

/// Where the arguments of a call are.
#[derive(Clone, Copy, Debug)]
pub enum CallArgs<'a> {
    Encoded { bytes: &'a [u8], has_named: bool },
    Row(&'a ColumnBlock<'a>, usize),
}

impl<'a> CallArgs<'a> {
    pub fn get(self) -> Result<Args<'a>, ArgsError> {
        match self {
            Self::Encoded { bytes, has_named } => Args::parse(bytes, has_named),
            Self::Row(block, row) => Ok(Args::of_row(block, row)),
        }
    }
}

/// All calls of a frame: read whole before the first one runs.
#[derive(Debug)]
pub struct Calls<'a> {
    pub names: Vec<&'a str>,
    items: Vec<Item<'a>>,
}

impl<'a> Calls<'a> {
    pub fn parse(body: &'a [u8], time_ns: i64, count: usize) -> Result<Self, FrameError> {
        let mut reader = Reader::new(body, time_ns, MAX_BODY);
        // An item takes at least three bytes, whatever the header says.
        let mut items = Vec::with_capacity(count.min(body.len() / 3));
        let mut found = 0;
        while let Some(item) = reader.next()? {
            found += item.len();
            items.push(item);
        }
        match found == count {
            true => Ok(Self {
                names: reader.names,
                items,
            }),
            false => Err(FrameError::Body("another number of calls than the header says")),
        }
    }

    /// Single calls and blocks, in order.
    pub fn items(&self) -> &[Item<'a>] {
        &self.items
    }

    pub fn iter(&self) -> impl Iterator<Item = Call<'_>> {
        self.items
            .iter()
            .flat_map(|item| (0..item.len()).map(move |at| item.call(at)))
    }
}

impl<'a> Item<'a> {
    /// How many calls it is.
    pub fn len(&self) -> usize {
        match self {
            Self::Call(_) => 1,
            Self::ColumnBlock(block) => block.times.len(),
        }
    }

    fn call(&self, at: usize) -> Call<'_> {
        match self {
            Self::Call(call) => *call,
            Self::ColumnBlock(block) => block.call(at),
        }
    }
}
