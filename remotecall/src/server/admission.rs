//! Which frames count: the part of the server that knows no broker and no disk. What their calls do is in
//! [`running`].
//!
//! A frame counts when it is the next of its producer: `seq == max(watermark, acked) + 1`, where `acked`
//! is what its sender had acknowledged when it sent. Lower: it came again. Higher: one before it is
//! missing, and the sender will send both. A producer that this server has never seen goes on where
//! another server, or another log directory, acknowledged its frames.

mod dispatch;
mod names;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::object::ServedObject;
use super::reply_cache::ReplyCache;
use super::stats::Stats;
use crate::{CallError, ClientId};
use remotecall_connection::StreamId;
use remotecall_store::journal::Producers;
use remotecall_store::mutants::{self, Mutant};
use remotecall_wire::Outbox;
use remotecall_wire::{Calls, Frame, FrameError, ProducerId};

/// Client ids, and producers that dropped calls, that are told apart in the statistics.
const MAX_COUNTED_CLIENTS: usize = 1 << 20;
/// Only a frame of at most this many bytes is looked into before it is journaled: those who read ask little.
const MAX_READS_FRAME: usize = 8 << 10;

/// What becomes of a frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Accepted,
    Duplicate,
    Gap,
    Garbage,
}

pub(super) struct Admission {
    pub host: Box<dyn ServedObject>,
    pub producers: Producers,
    /// Producers with a notice to be published in this round.
    pub noticed: BTreeSet<ProducerId>,
    /// Entries below this one were in a broker that went back to an older state: see [`Producers::is_older_than_forgotten`].
    pub suspect_below: Option<StreamId>,
    pub outbox: Outbox,
    stats: Arc<Stats>,
    kept: ReplyCache,
    clients: HashSet<ClientId>,
    /// Calls dropped, by producer.
    dropped: HashMap<ProducerId, u64>,
    has_client_id: bool,
    has_return_value: bool,
    result: Vec<u8>,
    /// What the reads of this round have taken.
    read_time: Duration,
}

impl Admission {
    pub fn new(
        host: Box<dyn ServedObject>,
        stats: Arc<Stats>,
        has_client_id: bool,
        has_return_value: bool,
    ) -> Self {
        Self {
            host,
            producers: Producers::default(),
            noticed: BTreeSet::new(),
            suspect_below: None,
            outbox: Outbox::default(),
            stats,
            kept: ReplyCache::default(),
            clients: HashSet::new(),
            dropped: HashMap::new(),
            has_client_id,
            has_return_value,
            result: Vec::new(),
            read_time: Duration::ZERO,
        }
    }

    /// The replies so far have gone out.
    pub fn end_round(&mut self) {
        self.outbox.clear();
        self.noticed.clear();
        self.read_time = Duration::ZERO;
    }

    /// Decides about a frame of a stream entry. In a broker that went back to an older state a frame of an unknown producer
    /// does not count: it may be one of a forgotten producer, which counted already. A live sender sends it again.
    pub fn admit_entry(
        &mut self,
        id: StreamId,
        acked: u64,
        clock_ms: u64,
        bytes: &[u8],
    ) -> (Verdict, Option<ProducerId>) {
        if self.suspect_below.is_some_and(|below| id < below)
            && let Ok(frame) = Frame::parse(bytes)
            && self.producers.get(frame.producer).is_none()
        {
            self.stats.gaps.fetch_add(1, Relaxed);
            return (Verdict::Gap, Some(frame.producer));
        }
        self.admit(acked, clock_ms, bytes)
    }

    /// Decides about a frame and, when it is accepted, moves its producer's watermark. `clock_ms` is what the sender's
    /// clock showed when the server took the frame.
    pub fn admit(&mut self, acked: u64, clock_ms: u64, bytes: &[u8]) -> (Verdict, Option<ProducerId>) {
        let frame = match Frame::parse(bytes) {
            Ok(frame) => frame,
            Err(error) => {
                self.stats.refuse(garbage_cause(&error), &error);
                return (Verdict::Garbage, None);
            }
        };
        let watermark = self.producers.watermark(frame.producer);
        let before = watermark.max(acked);
        let verdict = match frame.seq {
            seq if seq <= watermark && mutants::is_on(Mutant::DedupeByStreamId) => Verdict::Accepted,
            seq if seq <= watermark => Verdict::Duplicate,
            seq if Some(seq) == before.checked_add(1) => Verdict::Accepted,
            // Acked by another server: not for us, and not missing either.
            seq if seq <= before => Verdict::Duplicate,
            _ if mutants::is_on(Mutant::AcceptGaps) => Verdict::Accepted,
            _ => Verdict::Gap,
        };
        match verdict {
            Verdict::Accepted => {
                self.producers.accept(frame.producer, frame.seq, clock_ms);
                self.stats.frames.fetch_add(1, Relaxed);
                self.stats.bytes.fetch_add(bytes.len() as u64, Relaxed);
            }
            Verdict::Duplicate => drop(self.stats.duplicates.fetch_add(1, Relaxed)),
            Verdict::Gap => drop(self.stats.gaps.fetch_add(1, Relaxed)),
            Verdict::Garbage => {}
        }
        (verdict, Some(frame.producer))
    }

    /// A producer says how many calls it has dropped so far.
    pub fn hear_of_drops(&mut self, producer: ProducerId, count: u64) {
        if count == 0 || (self.dropped.len() >= MAX_COUNTED_CLIENTS && !self.dropped.contains_key(&producer))
        {
            return;
        }
        let before = self.dropped.entry(producer).or_insert(0);
        let more = count.saturating_sub(*before);
        *before += more;
        self.stats.dropped.fetch_add(more, Relaxed);
    }

    /// The number before that of the frame of `producer` that was accepted last. A replay takes it for acknowledged:
    /// frames before it that only read are not in the journal.
    pub fn before(&self, producer: ProducerId) -> u64 {
        self.producers.watermark(producer).saturating_sub(1)
    }

    /// Forgets a producer that said goodbye and whose acks are published.
    pub fn forget(&mut self, producer: ProducerId) {
        self.producers.forget(producer);
        self.dropped.remove(&producer);
    }

    /// Forgets producers that have been silent for too long.
    pub fn forget_expired(&mut self) {
        for producer in self.producers.forget_expired() {
            self.dropped.remove(&producer);
        }
    }

    /// Counts a refused one-way call, and leaves its producer a notice.
    fn refuse_call(&mut self, producer: ProducerId, call: &str, error: &CallError) {
        let detail = format!("{call}: {error}");
        self.stats.refuse(dispatch::cause(error), &detail);
        self.producers.refuse(producer, &detail);
        self.noticed.insert(producer);
    }

    /// Whether a frame holds only calls that read, so that it need not be journaled. No for one that is too long to be
    /// looked into: that costs a line in the journal and nothing else.
    pub fn only_reads(&mut self, bytes: &[u8]) -> bool {
        let remote = self.host.remote();
        let reads = |name: &str| remote.method(name).is_some_and(|number| remote.is_read(number));
        let look = || {
            let frame = Frame::parse(bytes).ok()?;
            let body = frame.body().ok()?;
            let calls = Calls::parse(&body, frame.time_ns, frame.count).ok()?;
            Some(frame.count > 0 && calls.iter().all(|call| reads(calls.names[call.method])))
        };
        bytes.len() <= MAX_READS_FRAME && look().unwrap_or(false)
    }
}

fn garbage_cause(error: &FrameError) -> &'static str {
    match error {
        FrameError::NotAFrame(_) => "not a frame",
        FrameError::TooLong(_) => "frame too long",
        FrameError::UnknownFlags(_) => "frame of an unknown version",
        FrameError::BadChecksum { .. } => "frame with a wrong checksum",
        _ => "unreadable frame",
    }
}

#[cfg(test)]
mod tests;
