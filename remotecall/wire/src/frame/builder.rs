//! The open frame: calls are appended until it is closed, then it is sealed.

use std::collections::HashMap;

use super::body::{BIT_DEADLINE, BIT_NAMED, BIT_SAME, ITEM_CALL, ITEM_DEFINE, MAX_NAMES, ReplyMode};
use super::column_encoder::pack;
use super::{FLAG_BLOCKS, FLAG_LZ4, FOOTER, HEADER, MAGIC, MAX_BODY, MAX_CALLS, ProducerId};
use crate::varint::{put_varint, zigzag};

/// A body shorter than this is not worth compressing.
const COMPRESS_FROM: usize = 128;

/// One call to be appended.
pub struct NewCall<'a> {
    pub method: &'a str,
    pub client: &'a str,
    pub reply: ReplyMode,
    pub time_ns: i64,
    /// Milliseconds after `time_ns` when nobody wants the call any more.
    pub deadline_ms: Option<u64>,
    /// The arguments are an array and a map, not only an array.
    pub has_named: bool,
}

/// The frame that still takes calls.
#[derive(Default)]
pub struct FrameBuilder {
    body: Vec<u8>,
    names: HashMap<Box<str>, u64, foldhash::fast::RandomState>,
    count: usize,
    first_ns: i64,
    last_ns: i64,
    /// Method and client of the last call: the next one often has the same.
    last: Option<(Box<str>, Box<str>)>,
}

/// A closed frame's content, not yet sealed into bytes.
pub struct Draft {
    body: Vec<u8>,
    count: usize,
    first_ns: i64,
}

impl FrameBuilder {
    /// Calls so far.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Bytes so far.
    pub fn len(&self) -> usize {
        self.body.len()
    }

    /// What was appended since the body had `before` bytes.
    pub fn since(&self, before: usize) -> &[u8] {
        self.body.get(before..).unwrap_or_default()
    }

    /// No further call fits, whatever its size.
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
        // Definitions stand before the call.
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

    /// Closes the frame; the builder is empty again.
    pub fn close(&mut self) -> Draft {
        // The next frame will be about as long.
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

impl Draft {
    /// A frame of `count` calls that begins at `first_ns`.
    pub fn new(body: Vec<u8>, count: usize, first_ns: i64) -> Self {
        Self {
            body,
            count,
            first_ns,
        }
    }

    #[cfg(test)]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    pub fn len(&self) -> usize {
        self.body.len()
    }

    pub fn count(&self) -> usize {
        self.count
    }

    /// The frame's final bytes.
    pub fn seal(&self, producer: ProducerId, seq: u64) -> Vec<u8> {
        let packed = pack(&self.body, self.first_ns).filter(|packed| packed.len() < self.body.len());
        let (blocks, raw) = match &packed {
            Some(packed) => (FLAG_BLOCKS, packed),
            None => (0, &self.body),
        };
        let squeezed = (raw.len() >= COMPRESS_FROM)
            .then(|| lz4_flex::block::compress(raw))
            .filter(|squeezed| squeezed.len() < raw.len());
        let (lz4, body) = match &squeezed {
            Some(squeezed) => (FLAG_LZ4, squeezed),
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
