//! Frame builder: appends calls to an open frame, closes it to a draft, and seals the draft into
//! bytes.
//!
//! A caller's thread only appends; the sender thread seals, because packing and compression take
//! time.

use std::collections::HashMap;

use super::call::ReplyMode;
use super::column_encoder::pack;
use super::format::{
    BIT_DEADLINE, BIT_NAMED, BIT_SAME, FLAG_BLOCKS, FLAG_LZ4, FOOTER, HEADER, ITEM_CALL, ITEM_DEFINE, MAGIC,
    MAX_BODY, MAX_CALLS, MAX_NAMES,
};
use crate::producer_id::ProducerId;
use crate::varint::{put_varint, zigzag};

/// Length from which on a body is compressed, in bytes.
const COMPRESS_FROM: usize = 128;

/// Call to append, without its arguments.
#[derive(Clone, Copy, Debug)]
pub struct NewCall<'a> {
    /// Name of the method.
    pub method: &'a str,
    /// Client id.
    pub client: &'a str,
    /// Reply that the caller asks for.
    pub reply: ReplyMode,
    /// Time of the call by the caller's clock, in nanoseconds since 1970-01-01 UTC.
    pub time_ns: i64,
    /// Deadline in milliseconds after `time_ns`, if any.
    pub deadline_ms: Option<u64>,
    /// True if a map of named arguments follows the array of positional ones.
    pub has_named: bool,
}

/// Open frame, to which calls are appended.
#[derive(Debug, Default)]
pub struct FrameBuilder {
    body: Vec<u8>,
    names: HashMap<Box<str>, u64, foldhash::fast::RandomState>,
    count: usize,
    first_ns: i64,
    last_ns: i64,
    /// Method and client of the last call, because the next call often has the same.
    last: Option<(Box<str>, Box<str>)>,
}

/// Closed frame without its number, not yet sealed into bytes.
#[derive(Debug)]
pub struct Draft {
    body: Vec<u8>,
    count: usize,
    first_ns: i64,
}

#[expect(
    clippy::len_without_is_empty,
    reason = "`count` is 0 while the frame is empty"
)]
impl FrameBuilder {
    /// Number of calls.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Length of the body, in bytes.
    pub fn len(&self) -> usize {
        self.body.len()
    }

    /// Bytes appended since the body had `before` bytes.
    pub fn since(&self, before: usize) -> &[u8] {
        self.body.get(before..).unwrap_or_default()
    }

    /// True if no further call fits, of any size.
    pub fn is_full(&self) -> bool {
        self.count >= MAX_CALLS || self.names.len() + 2 > MAX_NAMES || self.body.len() >= MAX_BODY / 2
    }

    /// Appends a call with its encoded arguments, and returns its index in the frame.
    pub fn append(&mut self, call: &NewCall<'_>, args: &[u8]) -> u32 {
        if self.count == 0 {
            self.first_ns = call.time_ns;
            self.last_ns = call.time_ns;
        }
        let is_last =
            |(method, client): &(Box<str>, Box<str>)| **method == *call.method && **client == *call.client;
        let same = self.last.as_ref().is_some_and(is_last);
        // Looked up first, because definitions of names stand before the call.
        let names = (!same).then(|| (self.name(call.method), self.name(call.client)));
        let head = ITEM_CALL
            | call.reply.bits()
            | if call.has_named { BIT_NAMED } else { 0 }
            | if call.deadline_ms.is_some() {
                BIT_DEADLINE
            } else {
                0
            }
            | if same { BIT_SAME } else { 0 };
        self.body.push(head);
        if let Some((method, client)) = names {
            put_varint(&mut self.body, method);
            put_varint(&mut self.body, client);
            self.last = Some((call.method.into(), call.client.into()));
        }
        put_varint(&mut self.body, zigzag(call.time_ns.wrapping_sub(self.last_ns)));
        if let Some(deadline_ms) = call.deadline_ms {
            put_varint(&mut self.body, deadline_ms);
        }
        put_varint(&mut self.body, args.len() as u64);
        self.body.extend_from_slice(args);
        self.last_ns = call.time_ns;
        self.count += 1;
        self.count as u32 - 1
    }

    fn name(&mut self, name: &str) -> u64 {
        if let Some(&number) = self.names.get(name) {
            return number;
        }
        let number = self.names.len() as u64;
        self.body.push(ITEM_DEFINE);
        put_varint(&mut self.body, name.len() as u64);
        self.body.extend_from_slice(name.as_bytes());
        self.names.insert(name.into(), number);
        number
    }

    /// Closes the frame; the builder is empty afterwards.
    pub fn close(&mut self) -> Draft {
        // The next frame is probably about as long.
        let next = Self {
            body: Vec::with_capacity(self.body.capacity()),
            ..Self::default()
        };
        let Self {
            body,
            count,
            first_ns,
            ..
        } = std::mem::replace(self, next);
        Draft {
            body,
            count,
            first_ns,
        }
    }
}

#[expect(clippy::len_without_is_empty, reason = "`count` is 0 when the frame is empty")]
impl Draft {
    /// A frame whose `body` has `count` calls, the first at `first_ns`.
    pub fn new(body: Vec<u8>, count: usize, first_ns: i64) -> Self {
        Self {
            body,
            count,
            first_ns,
        }
    }

    #[cfg(test)]
    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }

    /// Length of the body before packing and compression, in bytes.
    pub fn len(&self) -> usize {
        self.body.len()
    }

    /// Number of calls.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Encodes the frame: packs calls into column blocks, compresses the body, adds header and
    /// checksum.
    pub fn seal(&self, producer: ProducerId, seq: u64) -> Vec<u8> {
        let packed = pack(&self.body, self.first_ns).filter(|packed| packed.len() < self.body.len());
        let (blocks, raw) = match &packed {
            Some(packed) => (FLAG_BLOCKS, packed),
            None => (0, &self.body),
        };
        let compressed = (raw.len() >= COMPRESS_FROM)
            .then(|| lz4_flex::block::compress(raw))
            .filter(|compressed| compressed.len() < raw.len());
        let (lz4, body) = match &compressed {
            Some(compressed) => (FLAG_LZ4, compressed),
            None => (0, raw),
        };
        let mut bytes = Vec::with_capacity(HEADER + body.len() + FOOTER);
        bytes.extend_from_slice(&MAGIC);
        bytes.push(blocks | lz4);
        bytes.extend_from_slice(&producer.0);
        bytes.extend_from_slice(&seq.to_le_bytes());
        bytes.extend_from_slice(&self.first_ns.to_le_bytes());
        bytes.extend_from_slice(&(self.count as u32).to_le_bytes());
        bytes.extend_from_slice(&(raw.len() as u32).to_le_bytes());
        bytes.extend_from_slice(body);
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
        bytes
    }
}
