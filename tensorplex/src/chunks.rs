//! Values that are too long for one call: they come in chunks, and count when the last one is there.
//!
//! The chunks of a value come in order, because calls of one producer do. When one is missing, the caller dropped it, and
//! the rest is worth nothing. What is unfinished is part of the state: a chunk may lie before a checkpoint.

use remotecall::ClientId;
use serde::{Deserialize, Serialize};

use crate::value::RecordError;

/// Most bytes of unfinished values: 256 MiB. The oldest gives way.
const MAX_UNFINISHED: usize = 256 << 20;
/// Most unfinished values.
const MAX_OPEN: usize = 1024;
/// Longest value: 64 MiB.
const MAX_VALUE: usize = 64 << 20;

/// One chunk of a value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chunk<'a> {
    /// Random; tells the values of a client apart.
    pub value: u64,
    /// From 0.
    pub index: u32,
    /// Number of chunks.
    pub count: u32,
    pub bytes: &'a [u8],
}

/// Unfinished values, the oldest first.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct ChunkBuffer {
    open: Vec<Open>,
    /// Values that were dropped because a chunk was missing or too much was unfinished.
    pub dropped: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Open {
    client: String,
    value: u64,
    chunks: u32,
    bytes: Vec<u8>,
}

impl ChunkBuffer {
    /// Takes a chunk; returns the value with its last one.
    pub fn take(&mut self, client: &ClientId, chunk: Chunk<'_>) -> Result<Option<Vec<u8>>, RecordError> {
        let lost = RecordError::MissingChunk { chunk: chunk.index };
        let is_it = |open: &Open| open.value == chunk.value && open.client == client.as_str();
        let mut open = match self.open.iter().position(is_it) {
            Some(at) => self.open.remove(at),
            None if chunk.index == 0 => Open {
                client: client.to_string(),
                value: chunk.value,
                chunks: 0,
                bytes: Vec::new(),
            },
            None => return Err(lost),
        };
        if open.chunks != chunk.index
            || chunk.index >= chunk.count
            || open.bytes.len() + chunk.bytes.len() > MAX_VALUE
        {
            self.dropped += 1;
            return Err(lost);
        }
        open.bytes.extend_from_slice(chunk.bytes);
        open.chunks += 1;
        if open.chunks == chunk.count {
            return Ok(Some(open.bytes));
        }
        self.open.push(open);
        self.make_room();
        Ok(None)
    }

    fn make_room(&mut self) {
        let mut bytes: usize = self.open.iter().map(|open| open.bytes.len()).sum();
        while self.open.len() > MAX_OPEN || bytes > MAX_UNFINISHED {
            bytes -= self.open.remove(0).bytes.len();
            self.dropped += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(value: u64, index: u32, bytes: &[u8]) -> Chunk<'_> {
        let count = 3;
        Chunk {
            value,
            index,
            count,
            bytes,
        }
    }

    #[test]
    fn a_value_is_there_when_all_its_pieces_are() {
        let (a, b) = (ClientId::new("a").unwrap(), ClientId::new("b").unwrap());
        let mut chunks = ChunkBuffer::default();
        for index in 0..2 {
            assert_eq!(chunks.take(&a, chunk(1, index, b"xy")), Ok(None));
            assert_eq!(chunks.take(&b, chunk(1, index, b"zz")), Ok(None));
        }
        assert_eq!(chunks.take(&a, chunk(1, 2, b"!")), Ok(Some(b"xyxy!".to_vec())));
        assert_eq!(chunks.take(&b, chunk(1, 2, b"")), Ok(Some(b"zzzz".to_vec())));
        assert!(chunks.open.is_empty());
    }

    #[test]
    fn a_value_with_a_gap_is_none() {
        let a = ClientId::new("a").unwrap();
        let mut chunks = ChunkBuffer::default();
        assert_eq!(chunks.take(&a, chunk(1, 0, b"x")), Ok(None));
        for index in [2, 1, 2] {
            assert_eq!(
                chunks.take(&a, chunk(1, index, b"x")),
                Err(RecordError::MissingChunk { chunk: index })
            );
        }
        assert_eq!((chunks.open.len(), chunks.dropped), (0, 1));
    }

    #[test]
    fn the_oldest_unfinished_value_gives_way() {
        let a = ClientId::new("a").unwrap();
        let mut chunks = ChunkBuffer::default();
        for value in 0..=MAX_OPEN as u64 {
            assert_eq!(chunks.take(&a, chunk(value, 0, b"x")), Ok(None));
        }
        assert_eq!((chunks.open.len(), chunks.dropped), (MAX_OPEN, 1));
        assert!(chunks.take(&a, chunk(0, 1, b"x")).is_err());
        assert_eq!(chunks.take(&a, chunk(1, 1, b"x")), Ok(None));
    }
}
