//! All keys, how long they live, how much they take, and who waits for them.
//!
//! The store has no clock: [`Store::advance`] tells it the time and removes everything that is due, before
//! each command. So no command ever sees an expired key, and an unused one is gone with the next command
//! of anybody.

use std::collections::{BTreeSet, HashMap};
use std::thread::{Thread, ThreadId};

use bytes::Bytes;

use super::error::CommandError;
use super::value::{Typed, Value};

/// Bookkeeping of one key, roughly: table, handle, value and its place among the deadlines.
pub(super) const KEY_COST: usize = 192;

/// The data of a broker.
#[derive(Debug)]
pub(super) struct Store {
    keys: HashMap<Bytes, Slot>,
    deadlines: BTreeSet<(u64, Bytes)>,
    waiting: HashMap<Bytes, Vec<Thread>>,
    now: u64,
    used: usize,
    max_memory: usize,
}

#[derive(Debug)]
struct Slot {
    value: Value,
    deadline: Option<u64>,
}

impl Store {
    /// An empty store that refuses to hold more than `max_memory` bytes.
    pub fn new(max_memory: usize) -> Self {
        Self {
            keys: HashMap::new(),
            deadlines: BTreeSet::new(),
            waiting: HashMap::new(),
            now: 0,
            used: 0,
            max_memory,
        }
    }

    /// Sets the time, in milliseconds since the start, and removes what is due.
    pub fn advance(&mut self, now: u64) {
        self.now = self.now.max(now);
        while let Some((deadline, key)) = self.deadlines.first() {
            if *deadline > self.now {
                break;
            }
            let key = key.clone();
            self.remove(&key);
        }
    }

    /// Refuses what would not fit.
    pub fn admit(&self, bytes: usize) -> Result<(), CommandError> {
        if self.used.saturating_add(bytes) > self.max_memory {
            return Err(CommandError::OutOfMemory);
        }
        Ok(())
    }

    /// Bytes held.
    pub fn used(&self) -> usize {
        self.used
    }

    /// The limit on bytes held.
    pub fn max_memory(&self) -> usize {
        self.max_memory
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// The names of all keys.
    pub fn names(&self) -> impl Iterator<Item = &Bytes> {
        self.keys.keys()
    }

    /// What a key holds.
    pub fn value(&self, key: &[u8]) -> Option<&Value> {
        self.keys.get(key).map(|slot| &slot.value)
    }

    /// What a key holds, if it has the type asked for.
    pub fn get<T: Typed>(&self, key: &[u8]) -> Result<Option<&T>, CommandError> {
        self.value(key).map(T::expect).transpose()
    }

    /// Changes what a key holds; a hash that loses its last field goes.
    pub fn edit<T: Typed, R>(
        &mut self,
        key: &[u8],
        change: impl FnOnce(&mut T) -> R,
    ) -> Result<Option<R>, CommandError> {
        let Some(slot) = self.keys.get_mut(key) else {
            return Ok(None);
        };
        let before = slot.value.cost();
        let value = T::of_mut(&mut slot.value).ok_or(CommandError::WrongType)?;
        let result = change(value);
        self.used = self.used - before + slot.value.cost();
        if slot.value.is_spent() {
            self.remove(key);
        }
        Ok(Some(result))
    }

    /// Gives a key a value, for ever or until a time.
    pub fn insert(&mut self, key: &[u8], value: Value, deadline: Option<u64>) {
        self.remove(key);
        let key = Bytes::copy_from_slice(key);
        self.used += key_cost(&key) + value.cost();
        if let Some(deadline) = deadline {
            self.deadlines.insert((deadline, key.clone()));
        }
        self.keys.insert(key, Slot { value, deadline });
    }

    /// Removes a key, if it is there.
    pub fn remove(&mut self, key: &[u8]) -> bool {
        let Some((key, slot)) = self.keys.remove_entry(key) else {
            return false;
        };
        self.used -= key_cost(&key) + slot.value.cost();
        if let Some(deadline) = slot.deadline {
            self.deadlines.remove(&(deadline, key));
        }
        true
    }

    /// Removes everything.
    pub fn clear(&mut self) {
        self.keys.clear();
        self.deadlines.clear();
        self.used = 0;
    }

    /// Lets a key expire so many milliseconds from now; false when there is no such key.
    pub fn expire_in(&mut self, key: &[u8], ms: u64) -> bool {
        let Some((key, slot)) = self.keys.remove_entry(key) else {
            return false;
        };
        if let Some(old) = slot.deadline {
            self.deadlines.remove(&(old, key.clone()));
        }
        let deadline = self.now.saturating_add(ms);
        self.deadlines.insert((deadline, key.clone()));
        let value = slot.value;
        self.keys.insert(
            key,
            Slot {
                value,
                deadline: Some(deadline),
            },
        );
        true
    }

    /// The time so many milliseconds from now.
    pub fn deadline_in(&self, ms: u64) -> u64 {
        self.now.saturating_add(ms)
    }

    /// Milliseconds until a key expires: `None` without the key, `Some(None)` when it lives for ever.
    pub fn lifetime(&self, key: &[u8]) -> Option<Option<u64>> {
        let slot = self.keys.get(key)?;
        Some(slot.deadline.map(|deadline| deadline.saturating_sub(self.now)))
    }

    /// Wakes `thread` whenever an entry is added to the key.
    pub fn watch(&mut self, key: &Bytes, thread: &Thread) {
        self.waiting.entry(key.clone()).or_default().push(thread.clone());
    }

    /// Ends [`Store::watch`].
    pub fn unwatch(&mut self, key: &[u8], thread: ThreadId) {
        let Some(waiting) = self.waiting.get_mut(key) else {
            return;
        };
        waiting.retain(|waiting| waiting.id() != thread);
        if waiting.is_empty() {
            self.waiting.remove(key);
        }
    }

    /// How many wait.
    #[cfg(test)]
    pub fn waiting(&self) -> usize {
        self.waiting.values().map(Vec::len).sum()
    }

    /// Wakes those who wait for the key.
    pub fn wake(&self, key: &[u8]) {
        for thread in self.waiting.get(key).into_iter().flatten() {
            thread.unpark();
        }
    }
}

/// Bytes that a key takes without its value.
pub(super) fn key_cost(key: &[u8]) -> usize {
    key.len() + KEY_COST
}
