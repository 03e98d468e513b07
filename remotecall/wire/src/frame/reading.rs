//! Reads the items of a body, one after the other.

use super::FrameError;
use super::body::{
    BIT_DEADLINE, BIT_NAMED, BIT_SAME, Call, CallArgs, ITEM_BLOCK, ITEM_CALL, ITEM_DEFINE, MAX_NAME,
    MAX_NAMES, ReplyMode,
};
use super::column_block::ColumnBlock;
use crate::varint::{take_varint, unzigzag};

/// What a body holds besides the definitions of names.
#[derive(Debug)]
pub enum Item<'a> {
    Call(Call<'a>),
    ColumnBlock(Box<ColumnBlock<'a>>),
}

/// A body, as far as it was read.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    pub names: Vec<&'a str>,
    pub rest: &'a [u8],
    /// Where the item that was returned last begins, without the definitions before it.
    pub item: &'a [u8],
    /// Time of the last call.
    pub time_ns: i64,
    /// Method and client of the last call.
    last: Option<(usize, usize)>,
    /// Bytes that further columns may take in memory.
    room: usize,
}

impl<'a> Reader<'a> {
    /// Blocks may take `room` bytes of memory together.
    pub fn new(body: &'a [u8], time_ns: i64, room: usize) -> Self {
        Self {
            names: Vec::new(),
            rest: body,
            item: body,
            time_ns,
            last: None,
            room,
        }
    }

    /// The next call or block.
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
        let block = ColumnBlock::parse(&mut self.rest, method, names, self.time_ns, &mut self.room)?;
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

/// A number below `limit`.
pub(super) fn take_below(rest: &mut &[u8], limit: usize) -> Option<usize> {
    let number = usize::try_from(take_varint(rest).ok()?).ok()?;
    (number < limit).then_some(number)
}

/// Bytes behind their length.
pub(super) fn take_bytes<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], FrameError> {
    let length = usize::try_from(take_varint(rest)?).unwrap_or(usize::MAX);
    take(rest, length)
}

/// As many bytes.
pub(super) fn take<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], FrameError> {
    let (head, tail) = rest
        .split_at_checked(length)
        .ok_or(FrameError::Body("ends inside an item"))?;
    *rest = tail;
    Ok(head)
}
