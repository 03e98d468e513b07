//! Item reader: decodes the items of a body one after the other.
//!
//! It keeps what later items refer to: the names defined so far, and the method, client and time of
//! the last call.

use super::bytes::{take_below, take_bytes};
use super::call::{Call, CallArgs, ReplyMode};
use super::column_block::ColumnBlock;
use super::error::FrameError;
use super::format::{
    BIT_DEADLINE, BIT_NAMED, BIT_SAME, ITEM_BLOCK, ITEM_CALL, ITEM_DEFINE, MAX_NAME, MAX_NAMES,
};
use crate::varint::{take_varint, unzigzag};

/// Item of a body other than a definition.
#[derive(Debug)]
pub enum Item<'a> {
    /// One call.
    Call(Call<'a>),
    /// Calls of one method, as columns.
    ColumnBlock(Box<ColumnBlock<'a>>),
}

#[expect(clippy::len_without_is_empty, reason = "an item is at least one call")]
impl Item<'_> {
    /// Number of calls, at least 1.
    pub fn len(&self) -> usize {
        match self {
            Self::Call(_) => 1,
            Self::ColumnBlock(block) => block.times.len(),
        }
    }

    pub(super) fn call(&self, at: usize) -> Call<'_> {
        match self {
            Self::Call(call) => *call,
            Self::ColumnBlock(block) => block.call(at),
        }
    }
}

/// Body that is decoded up to `rest`.
#[derive(Debug)]
pub(super) struct ItemReader<'a> {
    pub names: Vec<&'a str>,
    pub rest: &'a [u8],
    /// Bytes from the item that was returned last on, without the definitions before it.
    item: &'a [u8],
    /// Time of the last call.
    pub time_ns: i64,
    /// Method and client of the last call.
    last: Option<(usize, usize)>,
    /// Memory that further blocks may take, in bytes.
    budget: usize,
}

impl<'a> ItemReader<'a> {
    /// A reader at the begin of `body`, whose blocks may take `budget` bytes of memory together.
    pub fn new(body: &'a [u8], time_ns: i64, budget: usize) -> Self {
        Self {
            names: Vec::new(),
            rest: body,
            item: body,
            time_ns,
            last: None,
            budget,
        }
    }

    /// The next call or block; `None` at the end of the body.
    pub fn next(&mut self) -> Result<Option<Item<'a>>, FrameError> {
        loop {
            self.item = self.rest;
            let Some((&head, tail)) = self.rest.split_first() else {
                return Ok(None);
            };
            self.rest = tail;
            match head {
                ITEM_DEFINE => self.define()?,
                ITEM_BLOCK => return self.block().map(|block| Some(Item::ColumnBlock(Box::new(block)))),
                _ if head & 1 == ITEM_CALL && head >> 6 == 0 => {
                    return self.call(head).map(|call| Some(Item::Call(call)));
                }
                _ => return Err(FrameError::Body("unknown item")),
            }
        }
    }

    /// Bytes of the item that was returned last.
    pub fn item_bytes(&self) -> &'a [u8] {
        let length = self.item.len() - self.rest.len();
        self.item.get(..length).unwrap_or_default()
    }

    fn define(&mut self) -> Result<(), FrameError> {
        let name = take_bytes(&mut self.rest)?;
        if name.len() > MAX_NAME || self.names.len() >= MAX_NAMES {
            return Err(FrameError::Body("too long a name, or too many"));
        }
        self.names
            .push(std::str::from_utf8(name).map_err(|_| FrameError::Body("a name is not UTF-8"))?);
        Ok(())
    }

    fn call(&mut self, head: u8) -> Result<Call<'a>, FrameError> {
        let (method, client) = match (head & BIT_SAME != 0, self.last) {
            (true, Some(last)) => last,
            (true, None) => return Err(FrameError::Body("the first call refers to a call before it")),
            (false, _) => (self.name()?, self.name()?),
        };
        self.last = Some((method, client));
        self.time_ns = self.time_ns.wrapping_add(unzigzag(take_varint(&mut self.rest)?));
        let has_deadline = head & BIT_DEADLINE != 0;
        let deadline_ms = has_deadline.then(|| take_varint(&mut self.rest)).transpose()?;
        Ok(Call {
            method,
            client,
            reply: ReplyMode::from_bits(head)?,
            time_ns: self.time_ns,
            deadline_ms,
            args: CallArgs::Encoded {
                bytes: take_bytes(&mut self.rest)?,
                has_named: head & BIT_NAMED != 0,
            },
        })
    }

    fn block(&mut self) -> Result<ColumnBlock<'a>, FrameError> {
        let method = self.name()?;
        let names = self.names.len();
        let block = ColumnBlock::parse(&mut self.rest, method, names, self.time_ns, &mut self.budget)?;
        if let Some((client, time_ns)) = block.last() {
            self.last = Some((method, client));
            self.time_ns = time_ns;
        }
        Ok(block)
    }

    fn name(&mut self) -> Result<usize, FrameError> {
        take_below(&mut self.rest, self.names.len()).ok_or(FrameError::Body("a name is not defined"))
    }
}
