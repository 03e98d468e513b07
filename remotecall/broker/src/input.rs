//! What a client has sent and what of it is still to be executed.
//!
//! ```text
//! buffer   │ executed │ commands, the last perhaps in part │ room to read into │
//!          0        start                                 end
//! ```
//!
//! The buffer grows by doubling, and only for bytes that have arrived: a length alone takes no memory.

use std::io::{self, ErrorKind, Read};

use redis_protocol::resp2::decode::decode_range;
use redis_protocol::resp2::types::RangeFrame;

use super::args::Args;
use super::framing::{Extent, Framing, Limits, ProtocolError};

/// First size of the buffer.
const INITIAL: usize = 16 << 10;
/// Size up to which the buffer grows because a client sends much at a time.
const BUSY: usize = 256 << 10;
/// A buffer that grew beyond this for a large command is given back.
const KEPT: usize = 512 << 10;

/// Bytes on their way from a socket to the commands.
#[derive(Debug, Default)]
pub(super) struct Input {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    framing: Framing,
    /// Bytes have arrived since the last look for a command.
    fresh: bool,
}

/// Whether the other side may send more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    Open,
    Closed,
}

impl Input {
    /// The next whole command, if it has arrived.
    pub fn next(&mut self, limits: Limits) -> Result<Option<Args<'_>>, ProtocolError> {
        loop {
            let waiting = self.buffer.get(self.start..self.end).unwrap_or_default();
            match self.framing.scan(waiting, limits)? {
                None => {
                    self.fresh = false;
                    return Ok(None);
                }
                Some(Extent::Nothing(length)) => self.start += length,
                Some(Extent::Command(length)) => return self.take(length).map(Some),
            }
        }
    }

    /// Whether bytes have arrived that nobody has looked at, perhaps whole commands.
    pub fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// Reads once; waits if there is nothing.
    pub fn fill(&mut self, source: &mut impl Read) -> io::Result<Peer> {
        self.make_room();
        let room = self.buffer.get_mut(self.end..).unwrap_or_default();
        let count = loop {
            match source.read(room) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        self.end += count;
        self.fresh |= count > 0;
        Ok(if count == 0 { Peer::Closed } else { Peer::Open })
    }

    /// Reads what a source that does not wait has to give, until `limit` bytes wait to be executed.
    pub fn fill_up_to(&mut self, limit: usize, source: &mut impl Read) -> io::Result<Peer> {
        while self.end - self.start < limit {
            match self.fill(source) {
                Ok(Peer::Open) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Peer::Open),
                closed_or_failed => return closed_or_failed,
            }
        }
        Ok(Peer::Open)
    }

    /// Bytes of memory taken.
    #[cfg(test)]
    pub fn size(&self) -> usize {
        self.buffer.capacity()
    }

    fn take(&mut self, length: usize) -> Result<Args<'_>, ProtocolError> {
        let start = self.start;
        self.start += length;
        let bytes = self.buffer.get(start..self.start).unwrap_or_default();
        match decode_range(bytes) {
            Ok(Some((RangeFrame::Array(frames), _))) => Ok(Args::new(bytes, frames)),
            _ => Err(ProtocolError::Codec),
        }
    }

    /// Leaves at least one byte to read into.
    fn make_room(&mut self) {
        let was_full = self.end == self.buffer.len();
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            if self.buffer.len() > KEPT {
                self.buffer = Vec::new();
            }
        }
        let size = self.buffer.len();
        let beyond = self.start + self.framing.needed() > size;
        if self.start > 0 && (self.end == size || beyond) {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let doubled = size.saturating_mul(2).max(INITIAL);
        let needed = self.framing.needed();
        if self.end == size || (was_full && size < BUSY) {
            self.grow(doubled.max(needed.min(BUSY)));
        } else if needed > size {
            self.grow(needed.min(doubled.max(BUSY)));
        }
    }

    fn grow(&mut self, size: usize) {
        self.buffer.reserve_exact(size.saturating_sub(self.buffer.len()));
        self.buffer.resize(size.max(self.buffer.len()), 0);
    }
}
