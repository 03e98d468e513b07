//! Input buffer: bytes that a client has sent, and the commands that are still to be executed.
//!
//! ```text
//! buffer   │ executed │ commands, the last perhaps in part │ room to read into │
//!          0        start                                 end
//! ```
//!
//! The buffer grows by doubling, and only when bytes have filled it: a claimed length allocates
//! nothing.

use std::io::{self, ErrorKind, Read};

use redis_protocol::resp2::decode::decode_range;
use redis_protocol::resp2::types::RangeFrame;

use super::args::Args;
use super::framing::{Extent, Framing, Limits, ProtocolError};

/// Initial size of the buffer.
const INITIAL: usize = 16 << 10;
/// Size up to which the buffer grows when single reads fill it.
const BUSY: usize = 256 << 10;
/// Size above which the buffer is freed once it is empty.
const KEPT: usize = 512 << 10;

/// Buffer between a socket and the commands.
#[derive(Debug, Default)]
pub(super) struct Input {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    framing: Framing,
    /// True if bytes have arrived since the last look for a command.
    fresh: bool,
}

/// State of the other side of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    /// The client may send more.
    Open,
    /// The client has closed the connection.
    Closed,
}

impl Input {
    /// The next complete command; `None` until it has arrived.
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

    /// True if bytes have arrived since the last look for a command.
    pub fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// Reads once; blocks until there are bytes, if `source` does.
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

    /// Reads from a non-blocking source until it has no more or `limit` bytes wait to be executed.
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

    /// Memory of the buffer, in bytes.
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

    /// Makes room for at least one byte.
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
