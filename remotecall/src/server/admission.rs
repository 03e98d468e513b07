//! Admission: decides which frames are accepted. Knows no broker and no disk; [`dispatch`] runs the calls.
//!
//! A frame is accepted when it is the next of its producer: `seq == max(watermark, acked) + 1`, where `acked` is the
//! acknowledgement that its sender had when it sent. A lower number is a duplicate. A higher one is a gap: a frame
//! before it is missing, and the sender sends both again. A producer that this server has never seen continues after
//! the frames that another server, or another log directory, acknowledged.

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

/// Limit on the client ids, and on the producers with dropped calls, that the statistics tell apart.
const MAX_COUNTED_CLIENTS: usize = 1 << 20;
/// Longest frame that is checked for read-only calls before it is journaled, 8 KiB: queries are short.
const MAX_READS_FRAME: usize = 8 << 10;

/// Decision about a frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Accepted,
    Duplicate,
    Gap,
    Garbage,
}

/// Admission state: producers, replies of the round, and the served object.
pub(super) struct Admission {
    pub object: Box<dyn ServedObject>,
    pub producers: Producers,
    /// Producers with a notice to be published in this round.
    pub noticed: BTreeSet<ProducerId>,
    /// Entries below this one were in a broker that went back to an older state: see [`Producers::is_older_than_forgotten`].
    pub suspect_below: Option<StreamId>,
    pub outbox: Outbox,
    stats: Arc<Stats>,
    reply_cache: ReplyCache,
    clients: HashSet<ClientId>,
    /// Dropped calls that each producer has reported.
    dropped: HashMap<ProducerId, u64>,
    has_client_id: bool,
    has_return_value: bool,
    result: Vec<u8>,
    /// Time that read-only calls have taken in this round.
    read_time: Duration,
    /// Limit on `read_time`. Tests set their own, so that no result depends on a busy machine.
    max_read_time: Duration,
}

impl Admission {
    pub fn new(
        object: Box<dyn ServedObject>,
        stats: Arc<Stats>,
        has_client_id: bool,
        has_return_value: bool,
    ) -> Self {
        Self {
            object,
            producers: Producers::default(),
            noticed: BTreeSet::new(),
            suspect_below: None,
            outbox: Outbox::default(),
            stats,
            reply_cache: ReplyCache::default(),
            clients: HashSet::new(),
            dropped: HashMap::new(),
            has_client_id,
            has_return_value,
            result: Vec::new(),
            read_time: Duration::ZERO,
            max_read_time: dispatch::MAX_READ_TIME,
        }
    }

    /// Ends a round: its replies are published.
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
            // Acknowledged by another server.
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

    /// Records how many calls a producer reports as dropped so far.
    pub fn record_dropped(&mut self, producer: ProducerId, count: u64) {
        if count == 0 || (self.dropped.len() >= MAX_COUNTED_CLIENTS && !self.dropped.contains_key(&producer))
        {
            return;
        }
        let before = self.dropped.entry(producer).or_insert(0);
        let more = count.saturating_sub(*before);
        *before += more;
        self.stats.dropped.fetch_add(more, Relaxed);
    }

    /// Number before the last accepted frame of `producer`. A replay takes it for acknowledged, because read-only frames
    /// before it are not in the journal.
    pub fn number_before(&self, producer: ProducerId) -> u64 {
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

    /// Logs warnings of the object about a client, and leaves its producer a notice.
    fn warn(&mut self, producer: ProducerId, client_id: &ClientId, warnings: Vec<String>) {
        for text in warnings {
            tracing::warn!(queue = self.stats.queue(), client = %client_id, "{text}");
            self.producers.notify(producer, &text);
            self.noticed.insert(producer);
        }
    }

    /// True for a frame with read-only calls alone, which needs no journal record. False for a frame that is too long to
    /// check: it costs a journal record and nothing else.
    pub fn is_read_only(&mut self, bytes: &[u8]) -> bool {
        let remote = self.object.remote();
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
