//! What a server counts, for people and for tests.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

/// Cause: one of the queue's keys has another type than the protocol says.
pub(super) const WRONG_TYPE: &str = "key of a wrong type";

/// Numbers of a running server since it started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatsSnapshot {
    /// Client ids seen.
    pub clients: u64,
    /// Calls that ran.
    pub calls: u64,
    /// Frames accepted.
    pub frames: u64,
    /// Bytes of the frames accepted.
    pub bytes: u64,
    /// Frames that came again and were dropped.
    pub duplicates: u64,
    /// Frames dropped because one before them was missing; their senders send them again.
    pub gaps: u64,
    /// Calls that producers have dropped because their windows were full, or for another reason of theirs: what those that
    /// the server heard of since its start said last.
    pub dropped: u64,
    /// Entries in the stream when it was looked at last.
    pub backlog: u64,
    /// What was refused, by cause.
    pub refused: BTreeMap<&'static str, u64>,
}

/// The counters behind [`StatsSnapshot`].
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
    /// Named in log lines.
    queue: String,
}

impl Stats {
    pub fn new(queue: &str) -> Self {
        Self {
            queue: queue.to_owned(),
            ..Self::default()
        }
    }

    /// Counts something refused; the first of a cause is logged.
    pub fn refuse(&self, cause: &'static str, detail: &dyn std::fmt::Display) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let count = refused.entry(cause).or_insert(0);
        *count += 1;
        if *count == 1 {
            tracing::warn!(queue = self.queue, cause, %detail, "refused; more of this cause are only counted");
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
