//! Store: the keys with their values, expiry, size in memory, and the threads that wait for them.
//!
//! The store has no clock. [`Store::advance`] sets the time before each command and removes the
//! keys that have expired, so that no command sees one.

use std::collections::{BTreeSet, HashMap};
use std::thread::{Thread, ThreadId};

use bytes::Bytes;

use super::error::CommandError;
use super::value::{Typed, Value};

/// Approximate overhead per key, in bytes: table, handle, value and entry among the deadlines.
pub(super) const KEY_COST: usize = 192;

/// Data of a broker.
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

    /// Sets the time, in milliseconds since the start, and removes expired keys. Time never goes
    /// back.
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

    /// Checks that so many more bytes fit.
    pub fn admit(&self, bytes: usize) -> Result<(), CommandError> {
        if self.used.saturating_add(bytes) > self.max_memory {
            return Err(CommandError::OutOfMemory);
        }
        Ok(())
    }

    /// Size of the data in memory, in bytes.
    pub fn used(&self) -> usize {
        self.used
    }

    /// Limit on the size of the data, in bytes.
    pub fn max_memory(&self) -> usize {
        self.max_memory
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Names of all keys.
    pub fn names(&self) -> impl Iterator<Item = &Bytes> {
        self.keys.keys()
    }

    /// Value of a key.
    pub fn value(&self, key: &[u8]) -> Option<&Value> {
        self.keys.get(key).map(|slot| &slot.value)
    }

    /// Value of a key; another type is an error.
    pub fn get<T: Typed>(&self, key: &[u8]) -> Result<Option<&T>, CommandError> {
        self.value(key).map(T::expect).transpose()
    }

    /// Changes the value of a key, if it exists; removes a hash that has lost its last field.
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

    /// Sets the value of a key and its deadline, if any.
    pub fn insert(&mut self, key: &[u8], value: Value, deadline: Option<u64>) {
        self.remove(key);
        let key = Bytes::copy_from_slice(key);
        self.used += key_cost(&key) + value.cost();
        if let Some(deadline) = deadline {
            self.deadlines.insert((deadline, key.clone()));
        }
        self.keys.insert(key, Slot { value, deadline });
    }

    /// Removes a key; returns whether it existed.
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

    /// Removes all keys.
    pub fn clear(&mut self) {
        self.keys.clear();
        self.deadlines.clear();
        self.used = 0;
    }

    /// Sets the deadline of a key to `ms` milliseconds from now; returns whether the key exists.
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

    /// Deadline `ms` milliseconds from now.
    pub fn deadline_in(&self, ms: u64) -> u64 {
        self.now.saturating_add(ms)
    }

    /// Milliseconds until a key expires: `None` without the key, `Some(None)` without a deadline.
    pub fn lifetime(&self, key: &[u8]) -> Option<Option<u64>> {
        let slot = self.keys.get(key)?;
        Some(slot.deadline.map(|deadline| deadline.saturating_sub(self.now)))
    }

    /// Registers `thread` to be unparked whenever an entry is added to the key.
    pub fn watch(&mut self, key: &Bytes, thread: &Thread) {
        self.waiting.entry(key.clone()).or_default().push(thread.clone());
    }

    /// Reverts [`Store::watch`].
    pub fn unwatch(&mut self, key: &[u8], thread: ThreadId) {
        let Some(waiting) = self.waiting.get_mut(key) else {
            return;
        };
        waiting.retain(|waiting| waiting.id() != thread);
        if waiting.is_empty() {
            self.waiting.remove(key);
        }
    }

    /// Number of registered threads.
    #[cfg(test)]
    pub fn waiting(&self) -> usize {
        self.waiting.values().map(Vec::len).sum()
    }

    /// Unparks the threads that are registered for the key.
    pub fn wake(&self, key: &[u8]) {
        for thread in self.waiting.get(key).into_iter().flatten() {
            thread.unpark();
        }
    }
}

/// Size of a key without its value in memory, in bytes.
pub(super) fn key_cost(key: &[u8]) -> usize {
    key.len() + KEY_COST
}
