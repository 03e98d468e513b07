//! Merging by time. The order of a client's entries stays, also when its clock went back: an entry
//! counts as no earlier than the client's entry before it.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use loggerplex::reading::LogEntry;

/// Last entries of all clients.
pub(super) struct LastEntries {
    limit: usize,
    /// Entries by time, client and line.
    entries: BTreeMap<(DateTime<Utc>, u64, u64), LogEntry>,
    clients: u64,
}

impl LastEntries {
    /// Keeps at most `limit` entries.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            entries: BTreeMap::new(),
            clients: 0,
        }
    }

    /// Adds the entries of one client, in their order.
    pub fn add(&mut self, entries: Vec<LogEntry>) {
        self.clients += 1;
        let mut latest = DateTime::<Utc>::MIN_UTC;
        for (line, entry) in (0..).zip(entries) {
            latest = latest.max(entry.time);
            self.entries.insert((latest, self.clients, line), entry);
            // Bounds the memory to what is printed.
            if self.entries.len() > self.limit {
                self.entries.pop_first();
            }
        }
    }

    /// Returns the entries in order.
    pub fn into_entries(self) -> Vec<LogEntry> {
        self.entries.into_values().collect()
    }
}

/// Merges new entries of several clients; those of each client are in their order.
pub(super) fn merge_by_time(entries: Vec<LogEntry>) -> Vec<LogEntry> {
    let mut latest: HashMap<String, DateTime<Utc>> = HashMap::new();
    let mut timed: Vec<(DateTime<Utc>, LogEntry)> = Vec::with_capacity(entries.len());
    for entry in entries {
        let latest = latest.entry(entry.client.clone()).or_insert(entry.time);
        *latest = entry.time.max(*latest);
        timed.push((*latest, entry));
    }
    timed.sort_by_key(|(time, _)| *time);
    timed.into_iter().map(|(_, entry)| entry).collect()
}
