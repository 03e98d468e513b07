//! A stream: entries in the order of their ids.
//!
//! Ids only grow, also when the clock steps back and when the stream has been emptied. So entries are
//! added at the end, trimmed at the front, and found by halving.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::error::CommandError;
use super::stream_id::StreamId;

/// Bookkeeping of one entry, roughly: its place in the queue and its list of fields.
const ENTRY_COST: usize = 64;
/// Bookkeeping of one field or value, roughly: its handle and the allocator's share.
const FIELD_COST: usize = 64;
/// A queue with room for this many times its entries is made smaller.
const SLACK: usize = 4;
/// A queue with room for so few entries stays as it is.
const SMALL: usize = 1024;

/// One entry; a clone shares the payload.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub id: StreamId,
    /// Names and values in turn.
    pub fields: Arc<[Bytes]>,
}

/// The id that an entry shall get.
#[derive(Clone, Copy, Debug)]
pub(super) enum NewId {
    /// `*`
    Clock,
    /// `ms-*`
    InMillisecond(u64),
    /// `ms-seq`
    Exact(StreamId),
}

/// Which entries go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trim {
    pub bound: Bound,
    /// Most entries to remove.
    pub limit: Option<usize>,
}

/// What stays after trimming.
#[derive(Clone, Copy, Debug)]
pub(super) enum Bound {
    /// The last so many.
    MaxLen(usize),
    /// This id and those after it.
    MinId(StreamId),
}

/// Entries and what is remembered of those that are gone.
#[derive(Debug, Default)]
pub(super) struct Stream {
    entries: VecDeque<Entry>,
    last: StreamId,
    max_deleted: StreamId,
    added: u64,
    cost: usize,
}

impl Stream {
    /// Adds an entry; `clock` is the wall clock in milliseconds.
    pub fn append(&mut self, id: NewId, clock: u64, fields: Arc<[Bytes]>) -> Result<StreamId, CommandError> {
        let id = self.assign(id, clock)?;
        self.last = id;
        self.added += 1;
        self.cost += entry_cost(&fields);
        self.entries.push_back(Entry { id, fields });
        Ok(id)
    }

    fn assign(&self, id: NewId, clock: u64) -> Result<StreamId, CommandError> {
        if self.last == StreamId::MAX {
            return Err(CommandError::StreamIdsExhausted);
        }
        let id = match id {
            NewId::Exact(id) => id,
            NewId::Clock if clock > self.last.ms => StreamId { ms: clock, seq: 0 },
            NewId::Clock => self.last.next().ok_or(CommandError::StreamIdsExhausted)?,
            NewId::InMillisecond(ms) if ms == self.last.ms => StreamId {
                ms,
                seq: self
                    .last
                    .seq
                    .checked_add(1)
                    .ok_or(CommandError::StreamIdTooSmall)?,
            },
            NewId::InMillisecond(ms) => StreamId { ms, seq: 0 },
        };
        if id > self.last {
            Ok(id)
        } else {
            Err(CommandError::StreamIdTooSmall)
        }
    }

    /// Removes entries from the front and says how many.
    pub fn trim(&mut self, trim: Trim) -> usize {
        let beyond = match trim.bound {
            Bound::MaxLen(length) => self.entries.len().saturating_sub(length),
            Bound::MinId(id) => self.position(id),
        };
        let count = beyond.min(trim.limit.unwrap_or(usize::MAX));
        let removed = self.entries.drain(..count).map(|entry| entry_cost(&entry.fields));
        self.cost -= removed.sum::<usize>();
        self.give_room_back();
        count
    }

    /// Removes one entry, wherever it is.
    pub fn delete(&mut self, id: StreamId) -> bool {
        let Ok(position) = self.entries.binary_search_by_key(&id, |entry| entry.id) else {
            return false;
        };
        if let Some(entry) = self.entries.remove(position) {
            self.cost -= entry_cost(&entry.fields);
        }
        self.max_deleted = self.max_deleted.max(id);
        true
    }

    /// Entries from `first` to `last`, both included, at most `count`.
    pub fn range(&self, first: StreamId, last: StreamId, count: usize) -> Vec<Entry> {
        let start = self.position(first);
        let end = last.next().map_or(self.entries.len(), |id| self.position(id));
        let end = end.min(start.saturating_add(count));
        if start >= end {
            return Vec::new();
        }
        self.entries.range(start..end).cloned().collect()
    }

    /// Entries after `id`, at most `count`.
    pub fn after(&self, id: StreamId, count: usize) -> Vec<Entry> {
        // Most reads wait at the end.
        if id >= self.last {
            return Vec::new();
        }
        id.next()
            .map_or_else(Vec::new, |first| self.range(first, StreamId::MAX, count))
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// The oldest entry.
    pub fn first_entry(&self) -> Option<&Entry> {
        self.entries.front()
    }

    /// The newest entry.
    pub fn last_entry(&self) -> Option<&Entry> {
        self.entries.back()
    }

    /// The highest id ever given.
    pub fn last_id(&self) -> StreamId {
        self.last
    }

    /// The highest id ever deleted by name.
    pub fn max_deleted(&self) -> StreamId {
        self.max_deleted
    }

    /// Entries ever added.
    pub fn added(&self) -> u64 {
        self.added
    }

    /// Bytes held.
    pub fn cost(&self) -> usize {
        self.cost
    }

    /// Where `id` is or would be.
    fn position(&self, id: StreamId) -> usize {
        self.entries.partition_point(|entry| entry.id < id)
    }

    fn give_room_back(&mut self) {
        let length = self.entries.len().max(SMALL);
        if self.entries.capacity() > SLACK * length {
            self.entries.shrink_to(length);
        }
    }
}

/// Bytes that an entry with these fields takes.
pub(super) fn entry_cost(fields: &[Bytes]) -> usize {
    let fields: usize = fields.iter().map(|field| field.len() + FIELD_COST).sum();
    ENTRY_COST + fields
}
