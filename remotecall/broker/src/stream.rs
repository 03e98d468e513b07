//! Streams: entries in the order of their ids.
//!
//! Ids only grow, even when the clock steps back or the stream has been emptied. So entries are
//! added at the end, trimmed at the front, and found by binary search.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::error::CommandError;
use super::stream_id::StreamId;

/// Approximate overhead per entry, in bytes: its place in the queue and its list of fields.
const ENTRY_COST: usize = 64;
/// Approximate overhead per field or value, in bytes: its handle and the share of the allocator.
const FIELD_COST: usize = 64;
/// Ratio of capacity to entries above which the queue shrinks.
const SLACK: usize = 4;
/// Capacity below which the queue does not shrink, in entries.
const SMALL: usize = 1024;

/// Entry of a stream; a clone shares the payload.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub id: StreamId,
    /// Names and values, alternating.
    pub fields: Arc<[Bytes]>,
}

/// Id to assign to a new entry.
#[derive(Clone, Copy, Debug)]
pub(super) enum NewId {
    /// `*`: the clock's, or the next one.
    Clock,
    /// `ms-*`: the next number in this millisecond.
    InMillisecond(u64),
    /// `ms-seq`: this id.
    Exact(StreamId),
}

/// Trim operation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trim {
    pub bound: Bound,
    /// Limit on the entries to remove.
    pub limit: Option<usize>,
}

/// Entries that a trim keeps.
#[derive(Clone, Copy, Debug)]
pub(super) enum Bound {
    /// The last entries, so many.
    MaxLen(usize),
    /// The entries from this id on.
    MinId(StreamId),
}

/// Stream: its entries, and the counters that outlive removed entries.
#[derive(Debug, Default)]
pub(super) struct Stream {
    entries: VecDeque<Entry>,
    last: StreamId,
    max_deleted: StreamId,
    added: u64,
    cost: usize,
}

impl Stream {
    /// Adds an entry and returns its id; `clock` is the wall clock in milliseconds since 1970.
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

    /// Removes entries from the front; returns how many.
    pub fn trim(&mut self, trim: Trim) -> usize {
        let beyond = match trim.bound {
            Bound::MaxLen(length) => self.entries.len().saturating_sub(length),
            Bound::MinId(id) => self.position(id),
        };
        let count = beyond.min(trim.limit.unwrap_or(usize::MAX));
        let removed = self.entries.drain(..count).map(|entry| entry_cost(&entry.fields));
        self.cost -= removed.sum::<usize>();
        self.shrink();
        count
    }

    /// Removes the entry with this id; returns whether it existed.
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
        // Most reads are at the end already.
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

    /// Oldest entry.
    pub fn first_entry(&self) -> Option<&Entry> {
        self.entries.front()
    }

    /// Newest entry.
    pub fn last_entry(&self) -> Option<&Entry> {
        self.entries.back()
    }

    /// Highest id ever assigned.
    pub fn last_id(&self) -> StreamId {
        self.last
    }

    /// Highest id ever removed by XDEL.
    pub fn max_deleted(&self) -> StreamId {
        self.max_deleted
    }

    /// Number of entries ever added.
    pub fn added(&self) -> u64 {
        self.added
    }

    /// Size in memory, in bytes.
    pub fn cost(&self) -> usize {
        self.cost
    }

    /// Index of the first entry at or after `id`.
    fn position(&self, id: StreamId) -> usize {
        self.entries.partition_point(|entry| entry.id < id)
    }

    fn shrink(&mut self) {
        let length = self.entries.len().max(SMALL);
        if self.entries.capacity() > SLACK * length {
            self.entries.shrink_to(length);
        }
    }
}

/// Size of an entry with these fields in memory, in bytes.
pub(super) fn entry_cost(fields: &[Bytes]) -> usize {
    let fields: usize = fields.iter().map(|field| field.len() + FIELD_COST).sum();
    ENTRY_COST + fields
}
