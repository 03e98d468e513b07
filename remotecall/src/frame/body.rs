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
//! ```
//!
//! Varints are LEB128, at most ten bytes.

use super::FrameError;

/// Longest name (method, client id) in a frame.
pub(crate) const MAX_NAME: usize = 64 << 10;
/// Most names in a frame.
pub(crate) const MAX_NAMES: usize = 64 << 10;

pub(super) const ITEM_DEFINE: u8 = 0;
pub(super) const ITEM_CALL: u8 = 1;
pub(super) const REPLY_SHIFT: u8 = 1;
pub(super) const BIT_NAMED: u8 = 1 << 3;
pub(super) const BIT_SAME: u8 = 1 << 4;
pub(super) const BIT_DEADLINE: u8 = 1 << 5;

/// What the caller wants to hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Nothing,
    Result,
    ErrorOnly,
}

impl Reply {
    pub(super) fn bits(self) -> u8 {
        (self as u8) << REPLY_SHIFT
    }

    fn from_bits(head: u8) -> Result<Self, FrameError> {
        match head >> REPLY_SHIFT & 3 {
            0 => Ok(Self::Nothing),
            1 => Ok(Self::Result),
            2 => Ok(Self::ErrorOnly),
            _ => Err(FrameError::Body("unknown kind of reply")),
        }
    }
}

/// One call of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Call<'a> {
    /// Index into [`Calls::names`].
    pub method: usize,
    /// Index into [`Calls::names`].
    pub client: usize,
    pub reply: Reply,
    pub time_ns: i64,
    /// Milliseconds after `time_ns` when nobody wants the call any more.
    pub deadline_ms: Option<u64>,
    pub has_named: bool,
    pub args: &'a [u8],
}

/// All calls of a frame: read whole before the first one runs.
#[derive(Debug)]
pub(crate) struct Calls<'a> {
    pub names: Vec<&'a str>,
    pub calls: Vec<Call<'a>>,
}

impl<'a> Calls<'a> {
    pub fn parse(body: &'a [u8], time_ns: i64, count: usize) -> Result<Self, FrameError> {
        // A call takes at least three bytes, whatever the header says.
        let mut all = Self {
            names: Vec::new(),
            calls: Vec::with_capacity(count.min(body.len() / 3)),
        };
        let mut rest = body;
        let mut time_ns = time_ns;
        while let Some((&head, tail)) = rest.split_first() {
            rest = tail;
            match head {
                ITEM_DEFINE => all.define(&mut rest)?,
                _ if head & 1 == ITEM_CALL && head >> 6 == 0 => all.call(head, &mut rest, &mut time_ns)?,
                _ => return Err(FrameError::Body("unknown item")),
            }
        }
        if all.calls.len() != count {
            return Err(FrameError::Body("another number of calls than the header says"));
        }
        Ok(all)
    }

    fn define(&mut self, rest: &mut &'a [u8]) -> Result<(), FrameError> {
        let name = bytes(rest)?;
        if name.len() > MAX_NAME || self.names.len() >= MAX_NAMES {
            return Err(FrameError::Body("too long a name, or too many"));
        }
        self.names
            .push(std::str::from_utf8(name).map_err(|_| FrameError::Body("a name is not UTF-8"))?);
        Ok(())
    }

    fn call(&mut self, head: u8, rest: &mut &'a [u8], time_ns: &mut i64) -> Result<(), FrameError> {
        let (method, client) = match (head & BIT_SAME != 0, self.calls.last()) {
            (true, Some(before)) => (before.method, before.client),
            (true, None) => return Err(FrameError::Body("the first call refers to a call before it")),
            (false, _) => (self.name(rest)?, self.name(rest)?),
        };
        *time_ns = time_ns.wrapping_add(unzigzag(varint(rest)?));
        let has_deadline = head & BIT_DEADLINE != 0;
        let deadline_ms = has_deadline.then(|| varint(rest)).transpose()?;
        self.calls.push(Call {
            method,
            client,
            reply: Reply::from_bits(head)?,
            time_ns: *time_ns,
            deadline_ms,
            has_named: head & BIT_NAMED != 0,
            args: bytes(rest)?,
        });
        Ok(())
    }

    fn name(&self, rest: &mut &'a [u8]) -> Result<usize, FrameError> {
        let number = varint(rest)? as usize;
        if number < self.names.len() {
            Ok(number)
        } else {
            Err(FrameError::Body("a name is not defined"))
        }
    }
}

fn bytes<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], FrameError> {
    let length = usize::try_from(varint(rest)?).unwrap_or(usize::MAX);
    let (head, tail) = rest
        .split_at_checked(length)
        .ok_or(FrameError::Body("ends inside an item"))?;
    *rest = tail;
    Ok(head)
}

fn varint(rest: &mut &[u8]) -> Result<u64, FrameError> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, tail) = rest
            .split_first()
            .ok_or(FrameError::Body("ends inside an item"))?;
        *rest = tail;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(FrameError::Body("a number is longer than ten bytes"))
}

pub(super) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

pub(super) fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}
