//! Replies to calls, packed into one stream entry per commit.
//!
//! ```text
//! reply   seq u64 LE | index u32 LE | status u8 | length u32 LE | value
//! status  0: value is the result; 1: value is a `CallError`; both MessagePack
//! ```

use crate::{CallError, ProducerId};

/// The method by which a client asks for results that it has not got: `@replies([[seq, index], …])`.
pub const ASK: &str = "@replies";
/// Longest result of one call, encoded.
pub const MAX_RESULT: usize = 8 << 20;
/// Entries of a reply stream are closed when they reach this size.
const ENTRY: usize = 64 << 10;

const STATUS_OK: u8 = 0;
const STATUS_ERROR: u8 = 1;
const HEADER: usize = 17;

/// How a call ended, ready to travel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyValue {
    status: u8,
    value: Vec<u8>,
}

impl ReplyValue {
    pub fn result(value: Vec<u8>) -> Self {
        Self {
            status: STATUS_OK,
            value,
        }
    }

    pub fn error(error: &CallError) -> Self {
        let value = rmp_serde::to_vec_named(error).expect("a plain enum serializes");
        Self {
            status: STATUS_ERROR,
            value,
        }
    }

    pub fn len(&self) -> usize {
        self.value.len()
    }
}

/// The replies to one producer that go out with the next commit.
#[derive(Debug, Default)]
pub struct Outbox {
    /// Closed entries and the one that is being filled.
    entries: Vec<(ProducerId, Vec<u8>)>,
    bytes: usize,
}

impl Outbox {
    pub fn push(&mut self, producer: ProducerId, seq: u64, index: u32, reply: &ReplyValue) {
        let last = self.entries.iter_mut().rev().find(|(to, _)| *to == producer);
        let entry = match last.filter(|(_, entry)| entry.len() < ENTRY) {
            Some((_, entry)) => entry,
            None => {
                self.entries.push((producer, Vec::new()));
                let Some((_, entry)) = self.entries.last_mut() else {
                    return;
                };
                entry
            }
        };
        self.bytes += HEADER + reply.value.len();
        entry.extend_from_slice(&seq.to_le_bytes());
        entry.extend_from_slice(&index.to_le_bytes());
        entry.push(reply.status);
        entry.extend_from_slice(&(reply.value.len() as u32).to_le_bytes());
        entry.extend_from_slice(&reply.value);
    }

    pub fn entries(&self) -> &[(ProducerId, Vec<u8>)] {
        &self.entries
    }

    /// Bytes of all of them.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn clear(&mut self) {
        self.bytes = 0;
        self.entries.clear();
    }
}

/// A reply that carries no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// The call failed on the server.
    #[error(transparent)]
    Call(CallError),
    /// The error of the call cannot be decoded.
    #[error("unreadable error: {0}")]
    Unreadable(String),
}

/// One reply out of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply<'a> {
    pub seq: u64,
    pub index: u32,
    status: u8,
    value: &'a [u8],
}

impl Reply<'_> {
    /// The encoded result of the call.
    ///
    /// # Errors
    /// [`ReplyError::Call`] when the call failed, [`ReplyError::Unreadable`] when its error cannot be decoded.
    pub fn outcome(&self) -> Result<Vec<u8>, ReplyError> {
        match self.status {
            STATUS_OK => Ok(self.value.to_vec()),
            _ => Err(match rmp_serde::from_slice(self.value) {
                Ok(error) => ReplyError::Call(error),
                Err(why) => ReplyError::Unreadable(why.to_string()),
            }),
        }
    }
}

/// The replies of an entry; ends at the first that is cut.
pub struct Replies<'a>(&'a [u8]);

impl<'a> Replies<'a> {
    pub fn new(entry: &'a [u8]) -> Self {
        Self(entry)
    }
}

impl<'a> Iterator for Replies<'a> {
    type Item = Reply<'a>;

    fn next(&mut self) -> Option<Reply<'a>> {
        let (head, rest) = self.0.split_first_chunk::<HEADER>()?;
        let [a, b, c, d, e, f, g, h, i0, i1, i2, i3, status, l0, l1, l2, l3] = *head;
        let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        let (value, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(Reply {
            seq: u64::from_le_bytes([a, b, c, d, e, f, g, h]),
            index: u32::from_le_bytes([i0, i1, i2, i3]),
            status,
            value,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_come_out_as_they_went_in() {
        let producer = ProducerId([1; 16]);
        let mut outbox = Outbox::default();
        outbox.push(producer, 3, 4, &ReplyValue::result(vec![0x05]));
        outbox.push(ProducerId([2; 16]), 1, 0, &ReplyValue::result(vec![]));
        outbox.push(producer, 3, 5, &ReplyValue::error(&CallError::ResultExpired));
        assert_eq!(outbox.entries().len(), 2);
        let entry = &outbox.entries()[0].1;
        let replies: Vec<_> = Replies::new(entry).collect();
        assert_eq!((replies[0].seq, replies[0].index), (3, 4));
        assert_eq!(replies[0].outcome(), Ok(vec![0x05]));
        assert_eq!(
            replies[1].outcome(),
            Err(ReplyError::Call(CallError::ResultExpired))
        );
        for cut in 0..entry.len() {
            assert!(Replies::new(&entry[..cut]).count() < 2, "cut at {cut}");
        }
    }
}
