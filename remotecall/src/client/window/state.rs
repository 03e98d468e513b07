//! What the window's lock guards.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::ClientStats;
use super::super::future::Slot;
use super::sending::Outgoing;
use super::{CallId, NotQueued};
use crate::broker::StreamId;
use crate::frame::{Draft, FrameBuilder, Reply};

/// Most bytes sent and not acknowledged: what one producer may occupy in the broker.
pub(super) const IN_FLIGHT: usize = 16 << 20;

pub(super) struct State {
    pub(super) open: FrameBuilder,
    pub(super) open_since: Option<Instant>,
    /// How soon the open frame is to be sent.
    pub(super) haste: Haste,
    pub(super) frames: VecDeque<Waiting>,
    /// Index in `frames` of the first that is not sent.
    pub(super) unsent: usize,
    /// Number of the open frame.
    pub(super) next: u64,
    pub(super) acked: u64,
    /// Bytes in `frames`.
    pub(super) bytes: usize,
    /// Bytes in `frames[..unsent]`.
    pub(super) in_flight: usize,
    pub(super) pending: BTreeMap<CallId, Pending>,
    pub(super) wants_replies: bool,
    /// Results were asked for: their place in the stream may lie before what was read.
    pub(super) reread: bool,
    pub(super) stats: ClientStats,
    pub(super) dropped_before_flush: u64,
    pub(super) closed: bool,
    /// Until when the sender sleeps; none while it works.
    pub(super) sleeps_until: Option<Instant>,
    /// A caller has sent something itself: the sender shall look for the ack.
    pub(super) sent_by_caller: bool,
    pub(super) reported: Option<NotQueued>,
}

/// A call with a future is not sent at once: most callers wait for the result right away, and then they send it
/// themselves.
pub(super) const SOON: Duration = Duration::from_millis(1);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Haste {
    /// After the linger time.
    No,
    /// Somebody will want the result: after [`SOON`].
    Soon,
    /// Somebody waits.
    Now,
}

pub(super) struct Pending {
    pub(super) slot: Arc<Slot>,
    pub(super) reply: Reply,
}

pub(super) struct Waiting {
    pub(super) seq: u64,
    pub(super) count: usize,
    pub(super) content: Content,
    pub(super) entry: Option<StreamId>,
}

pub(super) enum Content {
    Draft(Arc<Draft>),
    Sealed(Arc<Vec<u8>>),
}

impl Content {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Draft(draft) => draft.len(),
            Self::Sealed(bytes) => bytes.len(),
        }
    }
}

impl State {
    pub(super) fn close_frame(&mut self) {
        let draft = self.open.close();
        self.bytes += draft.len();
        self.frames.push_back(Waiting {
            seq: self.next,
            count: draft.count(),
            content: Content::Draft(Arc::new(draft)),
            entry: None,
        });
        self.next += 1;
        self.open_since = None;
        self.haste = Haste::No;
    }

    pub(super) fn expect_reply(&mut self, id: CallId, reply: Reply) -> Option<Arc<Slot>> {
        if reply == Reply::Nothing {
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

    /// When the sender has something to send; none: when somebody calls.
    pub(super) fn due(&self, linger: Duration, now: Instant) -> Option<Instant> {
        // A full pipe has room again after an ack, and that is polled for.
        if let Some(frame) = self.frames.get(self.unsent) {
            let fits = self.in_flight == 0 || self.in_flight + frame.content.len() <= IN_FLIGHT;
            return fits.then_some(now);
        }
        self.open_due(linger)
    }

    /// When the open frame is to be sent; none while it is empty.
    pub(super) fn open_due(&self, linger: Duration) -> Option<Instant> {
        let opened = self.open_since?;
        Some(match self.haste {
            Haste::No => opened + linger,
            Haste::Soon => opened + SOON.min(linger),
            Haste::Now => opened,
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
        let length = frame.content.len();
        self.bytes -= length;
        self.stats.acked += frame.count as u64;
        if self.unsent > 0 {
            self.unsent -= 1;
            self.in_flight -= length;
        }
    }
}

impl Waiting {
    pub(super) fn outgoing(&self) -> Outgoing {
        let content = match &self.content {
            Content::Draft(draft) => Content::Draft(draft.clone()),
            Content::Sealed(bytes) => Content::Sealed(bytes.clone()),
        };
        Outgoing {
            seq: self.seq,
            content,
        }
    }
}
