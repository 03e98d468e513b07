//! Replies to calls, packed into stream entries.
//!
//! ```text
//! reply   seq u64 LE | index u32 LE | status u8 | length u32 LE | value
//! status  0: value is the result; 1: value is a `CallError`; both are MessagePack
//! ```

use crate::call_error::CallError;
use crate::producer_id::ProducerId;

/// Method by which a client asks again for lost replies: `@replies([[seq, index], …])`.
pub const ASK: &str = "@replies";
/// Limit on the encoded result of one call, 8 MiB.
pub const MAX_RESULT: usize = 8 << 20;
/// Size at which an entry of a reply stream is closed, 64 KiB.
const ENTRY: usize = 64 << 10;

const STATUS_OK: u8 = 0;
const STATUS_ERROR: u8 = 1;
const HEADER: usize = 17;

/// Encoded reply, without the call that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyValue {
    status: u8,
    value: Vec<u8>,
}

#[expect(
    clippy::len_without_is_empty,
    reason = "a MessagePack value is at least one byte"
)]
impl ReplyValue {
    /// A result, which is MessagePack.
    pub fn result(value: Vec<u8>) -> Self {
        Self {
            status: STATUS_OK,
            value,
        }
    }

    /// An error.
    pub fn error(error: &CallError) -> Self {
        // Encoding an enum of texts and numbers into memory cannot fail.
        let value = rmp_serde::to_vec_named(error).unwrap_or_default();
        Self {
            status: STATUS_ERROR,
            value,
        }
    }

    /// Length of the value, in bytes.
    pub fn len(&self) -> usize {
        self.value.len()
    }
}

/// Replies that the next commit sends, grouped into entries per producer.
#[derive(Debug, Default)]
pub struct Outbox {
    /// Entries in order; the last one of a producer is open below 64 KiB.
    entries: Vec<(ProducerId, Vec<u8>)>,
    bytes: usize,
}

impl Outbox {
    /// Adds the reply to call `index` of frame `seq` of a producer.
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

    /// Entries, each with the producer that it goes to.
    pub fn entries(&self) -> &[(ProducerId, Vec<u8>)] {
        &self.entries
    }

    /// Length of all entries together, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Removes all entries.
    pub fn clear(&mut self) {
        self.bytes = 0;
        self.entries.clear();
    }
}

/// Error that a call ended with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplyError {
    /// The call failed on the server.
    #[error(transparent)]
    Call(CallError),
    /// The error of the call cannot be decoded.
    #[error("unreadable error: {0}")]
    Unreadable(String),
}

/// Reply out of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply<'a> {
    /// Number of the frame.
    pub seq: u64,
    /// Index of the call in the frame.
    pub index: u32,
    status: u8,
    value: &'a [u8],
}

impl Reply<'_> {
    /// The encoded result of the call.
    ///
    /// # Errors
    /// [`ReplyError::Call`] when the call failed, [`ReplyError::Unreadable`] when its error cannot
    /// be decoded.
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

/// Iterator over the replies of an entry; it ends at the first truncated one.
#[derive(Clone, Debug)]
pub struct Replies<'a>(&'a [u8]);

impl<'a> Replies<'a> {
    /// The replies of `entry`.
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
    fn replies_decode_as_they_were_encoded() {
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
