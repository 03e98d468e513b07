//! Counters of a server.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

/// Refusal cause: a key of the queue has the wrong type.
pub(super) const WRONG_TYPE: &str = "key of a wrong type";

/// Counters of a running server since its start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StatsSnapshot {
    /// Distinct client ids.
    pub clients: u64,
    /// Calls that ran.
    pub calls: u64,
    /// Accepted frames.
    pub frames: u64,
    /// Bytes of the accepted frames.
    pub bytes: u64,
    /// Duplicate frames, which were dropped.
    pub duplicates: u64,
    /// Frames dropped because of a gap; their senders send them again.
    pub gaps: u64,
    /// Calls that producers dropped, as those that sent since the server's start reported last.
    pub dropped: u64,
    /// Entries in the stream at the last look, about once a second.
    pub backlog: u64,
    /// Refused frames, calls and keys, by cause.
    pub refused: BTreeMap<&'static str, u64>,
}

/// Counters behind [`StatsSnapshot`].
#[derive(Debug, Default)]
pub(crate) struct Stats {
    pub clients: AtomicU64,
    pub calls: AtomicU64,
    pub frames: AtomicU64,
    pub bytes: AtomicU64,
    pub duplicates: AtomicU64,
    pub gaps: AtomicU64,
    pub dropped: AtomicU64,
    pub backlog: AtomicU64,
    refused: Mutex<BTreeMap<&'static str, u64>>,
    /// Name of the queue, for log lines.
    queue: String,
}

impl Stats {
    /// Name of the queue.
    pub fn queue(&self) -> &str {
        &self.queue
    }

    pub fn new(queue: &str) -> Self {
        Self {
            queue: queue.to_owned(),
            ..Self::default()
        }
    }

    /// Counts a refusal; logs the first of each cause.
    pub fn refuse(&self, cause: &'static str, detail: &dyn std::fmt::Display) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let count = refused.entry(cause).or_insert(0);
        *count += 1;
        if *count == 1 {
            tracing::warn!(queue = self.queue, cause, %detail, "refused; further refusals of this cause are only counted");
        }
    }

    pub fn snapshot(&self) -> StatsSnapshot {
        StatsSnapshot {
            clients: self.clients.load(Relaxed),
            calls: self.calls.load(Relaxed),
            frames: self.frames.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            duplicates: self.duplicates.load(Relaxed),
            gaps: self.gaps.load(Relaxed),
            dropped: self.dropped.load(Relaxed),
            backlog: self.backlog.load(Relaxed),
            refused: self
                .refused
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
        }
    }
}
