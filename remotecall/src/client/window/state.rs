//! State of the send window, guarded by its lock.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::ClientStats;
use super::super::future::RemoteError;
use super::super::future::Slot;
use super::sending::Outgoing;
use super::{CallId, NotQueued};
use remotecall_connection::StreamId;
use remotecall_store::spool::{Location, Spool, StoredFrame};
use remotecall_wire::{Draft, FrameBuilder, NewCall, OVERHEAD, ReplyMode};

/// Limit on the unacknowledged bytes of one producer in the broker, 16 MiB.
pub(super) const IN_FLIGHT: usize = 16 << 20;

/// Frames, futures and counters of a send window.
pub(super) struct State {
    pub(super) open: FrameBuilder,
    pub(super) open_since: Option<Instant>,
    /// Urgency of the open frame.
    pub(super) urgency: Urgency,
    pub(super) frames: VecDeque<Waiting>,
    /// Index in `frames` of the first frame that is not in flight.
    pub(super) unsent: usize,
    /// Number of the open frame.
    pub(super) next: u64,
    pub(super) acked: u64,
    /// Bytes of `frames` in memory.
    pub(super) bytes: usize,
    /// Bytes of `frames[..unsent]` as sent.
    pub(super) in_flight: usize,
    pub(super) pending: BTreeMap<CallId, Pending>,
    pub(super) wants_replies: bool,
    /// Missing results were queried, and may come before the position that was read.
    pub(super) reread: bool,
    pub(super) stats: ClientStats,
    /// One-way calls that were not queued for another reason than a full window.
    pub(super) lost_unheard: u64,
    /// Lost calls that a flush has reported.
    pub(super) lost_before_flush: u64,
    /// Refusals of the server that a flush has reported.
    pub(super) refused_before_flush: u64,
    /// Refusals of this producer that the server counts.
    pub(super) server_refusals: u64,
    /// Last notice of the server to this producer.
    pub(super) server_notice: String,
    pub(super) closed: bool,
    /// End of the sender's sleep; `None` while it works.
    pub(super) sleeps_until: Option<Instant>,
    /// A caller has sent frames inline, so the sender polls the acknowledgement.
    pub(super) sent_by_caller: bool,
    pub(super) reported: Option<NotQueued>,
    pub(super) spool: Option<Spool>,
    /// Number of the last frame whose calls were dropped for newer ones.
    pub(super) given_up: u64,
    /// Futures of calls that were dropped for newer ones.
    pub(super) replaced: Vec<Arc<Slot>>,
    /// Limit on the bytes in flight.
    pub(super) in_flight_limit: usize,
}

/// Notifications deferred until the lock is released, because callbacks may call back into the client.
pub(super) struct DeferredWakeups {
    replaced: Vec<Arc<Slot>>,
    warning: Option<String>,
}

impl DeferredWakeups {
    /// Completes the futures and logs the warning.
    pub(super) fn run(self, limit: usize) {
        for slot in self.replaced {
            slot.complete(Err(RemoteError::NotQueued(NotQueued::Replaced { limit })));
        }
        if let Some(warning) = self.warning {
            tracing::warn!("{warning}");
        }
    }
}

/// Delay of a frame with a future, 1 ms: most callers wait for the result right away, and then send it inline.
pub(super) const SOON: Duration = Duration::from_millis(1);

/// Time at which the open frame is due.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Urgency {
    /// After the linger time.
    No,
    /// After [`SOON`]: a call has a future.
    Soon,
    /// At once: a caller waits.
    Now,
}

/// An outstanding call with a future.
pub(super) struct Pending {
    pub(super) slot: Arc<Slot>,
    pub(super) reply: ReplyMode,
}

/// A closed frame that is not acknowledged.
pub(super) struct Waiting {
    pub(super) seq: u64,
    pub(super) count: usize,
    pub(super) content: Content,
    /// Its location in the spool, when all of it is there.
    pub(super) location: Option<Location>,
    pub(super) entry: Option<StreamId>,
}

/// Bytes of a frame.
pub(super) enum Content {
    /// Not sealed: this process never sent it.
    Draft(Arc<Draft>),
    /// Sealed: its bytes never change.
    Sealed(Arc<Vec<u8>>),
    /// In the spool only.
    Stored(Location),
}

impl Content {
    /// Bytes in memory.
    pub(super) fn held(&self) -> usize {
        match self {
            Self::Draft(draft) => draft.len(),
            Self::Sealed(bytes) => bytes.len(),
            Self::Stored(_) => 0,
        }
    }

    /// Bytes to be sent; an upper bound until the frame is sealed.
    pub(super) fn wire(&self) -> usize {
        match self {
            Self::Draft(draft) => draft.len() + OVERHEAD,
            Self::Sealed(bytes) => bytes.len(),
            Self::Stored(location) => {
                usize::try_from(location.length).map_or(usize::MAX, |length| length + OVERHEAD)
            }
        }
    }
}

impl State {
    /// Appends a call to the open frame and to the spool.
    pub(super) fn append(&mut self, call: &NewCall<'_>, args: &[u8]) -> CallId {
        let (first, before) = (self.open.count() == 0, self.open.len());
        let index = self.open.append(call, args);
        if let Some(spool) = &mut self.spool {
            let items = self.open.since(before);
            match first {
                true => spool.begin(self.next, call.time_ns, self.frames.is_empty(), items),
                false => spool.more(items),
            }
        }
        (self.next, index)
    }

    pub(super) fn close_frame(&mut self) {
        let draft = self.open.close();
        self.bytes += draft.len();
        let location = self.spool.as_ref().and_then(Spool::frame);
        self.frames.push_back(Waiting {
            seq: self.next,
            count: draft.count(),
            content: Content::Draft(Arc::new(draft)),
            location,
            entry: None,
        });
        self.next += 1;
        self.open_since = None;
        self.urgency = Urgency::No;
    }

    pub(super) fn expect_reply(&mut self, id: CallId, reply: ReplyMode) -> Option<Arc<Slot>> {
        if reply == ReplyMode::Nothing {
            return None;
        }
        self.wants_replies = true;
        let slot = Arc::new(Slot::default());
        self.pending.insert(
            id,
            Pending {
                slot: slot.clone(),
                reply,
            },
        );
        Some(slot)
    }

    /// Time at which the sender has to send; `None` until the next call.
    pub(super) fn due(&self, linger: Duration, now: Instant) -> Option<Instant> {
        // With too much in flight the sender polls for an acknowledgement.
        if let Some(frame) = self.frames.get(self.unsent) {
            return self.may_send(frame).then_some(now);
        }
        self.open_due(linger)
    }

    /// True if the limit on bytes in flight lets a frame be sent now.
    pub(super) fn may_send(&self, frame: &Waiting) -> bool {
        self.in_flight == 0 || self.in_flight + frame.content.wire() <= self.in_flight_limit
    }

    /// Drops the calls of the oldest frame that was never sent; the frame keeps its number. Returns false when there is no
    /// such frame.
    pub(super) fn drop_oldest(&mut self) -> bool {
        let never_sent = |frame: &Waiting| frame.count > 0 && matches!(frame.content, Content::Draft(_));
        let begin = self
            .index_of(self.given_up)
            .map_or(0, |index| index + 1)
            .max(self.unsent);
        let index = (begin..self.frames.len()).find(|&index| never_sent(&self.frames[index]));
        let Some(index) = index else {
            let some = self.open.count() > 0;
            if some {
                self.close_frame();
            }
            return some;
        };
        let (seq, count, slots) = self.empty_frame(index);
        self.stats.dropped.oldest += count;
        self.given_up = seq;
        self.replaced.extend(slots);
        true
    }

    /// Drops the calls of a frame, which keeps its number; returns the number, the count of calls and their futures.
    pub(super) fn empty_frame(&mut self, index: usize) -> (u64, u64, Vec<Arc<Slot>>) {
        let frame = &mut self.frames[index];
        self.bytes -= frame.content.held();
        if index < self.unsent {
            self.in_flight -= frame.content.wire();
        }
        frame.content = Content::Draft(Arc::new(Draft::new(Vec::new(), 0, 0)));
        if index < self.unsent {
            self.in_flight += frame.content.wire();
        }
        frame.location = None;
        let (seq, count) = (frame.seq, std::mem::take(&mut frame.count) as u64);
        let calls = (seq, 0)..=(seq, u32::MAX);
        let ids: Vec<CallId> = self.pending.range(calls).map(|(&id, _)| id).collect();
        let slots = ids.into_iter().filter_map(|id| self.pending.remove(&id));
        (seq, count, slots.map(|pending| pending.slot).collect())
    }

    /// Drops frames that are not in flight from memory; the spool has them.
    pub(super) fn spill(&mut self) {
        if self.open.count() > 0 {
            self.close_frame();
        }
        for frame in self.frames.range_mut(self.unsent..).rev() {
            match (&frame.content, frame.location) {
                (Content::Draft(draft), Some(location)) => {
                    self.bytes -= draft.len();
                    frame.content = Content::Stored(location);
                }
                // The frames before it were spilled already.
                (Content::Stored(_), _) => return,
                _ => {}
            }
        }
    }

    /// Takes the notifications for after the lock; `None` as a rule.
    #[inline]
    pub(super) fn take_deferred(&mut self) -> Option<DeferredWakeups> {
        let warning = self.spool.as_mut().and_then(Spool::take_news);
        (warning.is_some() || !self.replaced.is_empty()).then(|| DeferredWakeups {
            replaced: std::mem::take(&mut self.replaced),
            warning,
        })
    }

    pub(super) fn stats(&self) -> ClientStats {
        ClientStats {
            unspooled: self.spool.as_ref().map_or(self.stats.unspooled, Spool::missed),
            ..self.stats
        }
    }

    /// Calls that were lost without an error to their callers.
    pub(super) fn lost(&self) -> u64 {
        let dropped = &self.stats.dropped;
        dropped.newest + dropped.oldest + dropped.unreadable + dropped.refused + self.lost_unheard
    }

    /// Calls refused by the server since the last flush.
    pub(super) fn take_refused(&mut self) -> u64 {
        let refused = self.stats.refused;
        refused - std::mem::replace(&mut self.refused_before_flush, refused)
    }

    /// Time at which the open frame is due; `None` while it is empty.
    pub(super) fn open_due(&self, linger: Duration) -> Option<Instant> {
        let opened = self.open_since?;
        Some(match self.urgency {
            Urgency::No => opened + linger,
            Urgency::Soon => opened + SOON.min(linger),
            Urgency::Now => opened,
        })
    }

    pub(super) fn index_of(&self, seq: u64) -> Option<usize> {
        let first = self.frames.front()?.seq;
        let index = usize::try_from(seq.checked_sub(first)?).ok()?;
        (index < self.frames.len()).then_some(index)
    }

    pub(super) fn drop_front(&mut self) {
        let Some(frame) = self.frames.pop_front() else {
            return;
        };
        self.bytes -= frame.content.held();
        self.stats.acked += frame.count as u64;
        if self.unsent > 0 {
            self.unsent -= 1;
            self.in_flight -= frame.content.wire();
        }
    }
}

impl Waiting {
    /// Makes a frame of the window from a frame of the spool.
    pub(super) fn stored(frame: StoredFrame) -> Self {
        Self {
            seq: frame.seq,
            count: frame.count,
            content: Content::Stored(frame.location),
            location: Some(frame.location),
            entry: None,
        }
    }

    pub(super) fn outgoing(&self) -> Outgoing {
        let content = match &self.content {
            Content::Draft(draft) => Content::Draft(draft.clone()),
            Content::Sealed(bytes) => Content::Sealed(bytes.clone()),
            Content::Stored(location) => Content::Stored(*location),
        };
        Outgoing {
            seq: self.seq,
            content,
        }
    }
}
