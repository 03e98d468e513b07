//! What a client has not yet got acknowledged, and who waits for what.
//!
//! Callers append to the open frame; the sender takes closed frames from the front, in order, and keeps
//! them here until the server's ack covers them. Frames `acked + 1 … next - 1` are always all here, so
//! that any of them can be sent again with the same bytes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::future::{Outcome, RemoteError, Slot};
use super::{ClientOptions, ClientStats};
use crate::broker::StreamId;
use crate::frame::{Draft, FrameBuilder, MAX_FRAME, NewCall, ProducerId, Reply};

/// A frame is closed when its body reaches this size.
const FRAME_SIZE: usize = 256 << 10;
/// Longest arguments of one call: a frame must hold them even when they do not compress.
pub(super) const MAX_CALL: usize = MAX_FRAME - (256 << 10);
/// Most bytes sent and not acknowledged: what one producer may occupy in the broker.
const IN_FLIGHT: usize = 16 << 20;
/// Most bytes sent in one go.
const BATCH: usize = 2 << 20;

/// Under which client id a client asks for its results.
const ASKING_CLIENT: &str = "remotecall";

/// Which call: number of the frame, index in the frame.
pub(crate) type CallId = (u64, u32);
/// A call that was taken, and where its reply will be put when it wants one.
pub(super) type Pushed = (CallId, Option<Arc<Slot>>);

/// What happens to a call when the window is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// It is dropped and counted.
    Drop,
    /// Its caller waits for room, this long at most; then it is dropped and counted.
    Block(Duration),
}

/// A call was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotQueued {
    /// The window is full: the server or the broker is away, or slower than this process.
    #[error("the window of {limit} bytes is full of calls that are not acknowledged; the call was dropped")]
    WindowFull {
        /// The window's size in bytes.
        limit: usize,
    },
    /// The arguments do not fit into a frame.
    #[error("arguments of {size} bytes are too large: at most {MAX_CALL} are allowed")]
    TooLarge {
        /// Size of the encoded arguments in bytes.
        size: usize,
    },
    /// The arguments cannot be written as MessagePack.
    #[error("the arguments cannot be encoded: {0}")]
    Unencodable(String),
    /// The client was closed.
    #[error("the client is closed")]
    Closed,
    /// The client was made by another process: this one is its child, after a fork.
    #[error("the client belongs to the process that made it; make another one after a fork")]
    OtherProcess,
}

/// Not everything called so far is on the server's disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{outstanding} calls are not acknowledged yet, {dropped} were dropped since the last flush")]
pub struct FlushError {
    /// Calls taken and not acknowledged when the time was over.
    pub outstanding: u64,
    /// Calls dropped since the last flush.
    pub dropped: u64,
}

pub(crate) struct Window {
    pub producer: ProducerId,
    pub options: ClientOptions,
    state: Mutex<State>,
    /// The sender waits here for something to do.
    work: Condvar,
    /// Callers wait here for acks and for room.
    progress: Condvar,
}

struct State {
    open: FrameBuilder,
    open_since: Option<Instant>,
    /// Somebody waits for the open frame.
    urgent: bool,
    frames: VecDeque<Waiting>,
    /// Index in `frames` of the first that is not sent.
    unsent: usize,
    /// Number of the open frame.
    next: u64,
    acked: u64,
    /// Bytes in `frames`.
    bytes: usize,
    /// Bytes in `frames[..unsent]`.
    in_flight: usize,
    pending: BTreeMap<CallId, Pending>,
    wants_replies: bool,
    stats: ClientStats,
    dropped_before_flush: u64,
    closed: bool,
    /// Until when the sender sleeps; none while it works.
    sleeps_until: Option<Instant>,
    reported: Option<NotQueued>,
}

struct Pending {
    slot: Arc<Slot>,
    reply: Reply,
}

struct Waiting {
    seq: u64,
    count: usize,
    content: Content,
    entry: Option<StreamId>,
}

enum Content {
    Draft(Arc<Draft>),
    Sealed(Arc<Vec<u8>>),
}

impl Content {
    fn len(&self) -> usize {
        match self {
            Self::Draft(draft) => draft.len(),
            Self::Sealed(bytes) => bytes.len(),
        }
    }
}

/// A frame to be sent.
pub(super) struct Outgoing {
    pub seq: u64,
    content: Content,
}

/// Why the sender was woken.
pub(super) enum Work {
    Send,
    Poll,
    Stop,
}

impl Window {
    pub fn new(producer: ProducerId, options: ClientOptions) -> Self {
        let state = State {
            open: FrameBuilder::default(),
            open_since: None,
            urgent: false,
            frames: VecDeque::new(),
            unsent: 0,
            next: 1,
            acked: 0,
            bytes: 0,
            in_flight: 0,
            pending: BTreeMap::new(),
            wants_replies: false,
            stats: ClientStats::default(),
            dropped_before_flush: 0,
            closed: false,
            sleeps_until: None,
            reported: None,
        };
        Self {
            producer,
            options,
            state: Mutex::new(state),
            work: Condvar::new(),
            progress: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps everybody else out.
    #[cfg(test)]
    pub fn hold_for_test(&self) -> impl Sized + '_ {
        self.lock()
    }

    // ---- callers ----

    /// Appends a call to the open frame.
    pub fn push<E: std::fmt::Display>(
        &self,
        call: &NewCall<'_>,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<Pushed, NotQueued> {
        let mut state = self.lock();
        if state.closed {
            return Err(NotQueued::Closed);
        }
        let size = state
            .open
            .take_args(write)
            .map_err(|error| NotQueued::Unencodable(error.to_string()))?;
        if size > MAX_CALL {
            return Err(NotQueued::TooLarge { size });
        }
        if state.bytes + state.open.len() + size > self.options.window {
            state = self.wait_for_room(state, size)?;
        }
        if state.open.count() > 0 && state.open.len() + size > MAX_CALL {
            state.close_frame();
        }
        let first = state.open.count() == 0;
        let id = (state.next, state.open.append(call));
        state.stats.taken += 1;
        let slot = state.expect_reply(id, call.reply);
        if first {
            state.open_since = Some(Instant::now());
        }
        state.urgent |= slot.is_some();
        let full = state.open.len() >= FRAME_SIZE || state.open.is_full();
        if full {
            state.close_frame();
        }
        if full || state.urgent || first {
            self.wake_sender(&mut state);
        }
        Ok((id, slot))
    }

    /// Wakes the sender when it sleeps longer than it should now.
    fn wake_sender(&self, state: &mut State) {
        let Some(until) = state.sleeps_until else { return };
        let due = state.due(self.options.linger, Instant::now());
        if due.is_some_and(|due| due < until) {
            state.sleeps_until = None;
            self.work.notify_one();
        }
    }

    fn wait_for_room<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        size: usize,
    ) -> Result<MutexGuard<'a, State>, NotQueued> {
        let limit = self.options.window;
        if let WhenFull::Block(longest) = self.options.when_full {
            // Other callers take their arguments meanwhile.
            let args = state.open.give_args();
            let deadline = Instant::now() + longest;
            while !state.closed && state.bytes + state.open.len() + size > limit {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    break;
                }
                if state.open.count() > 0 {
                    state.close_frame();
                    self.work.notify_one();
                }
                state = self
                    .progress
                    .wait_timeout(state, left)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0;
            }
            state.open.put_args(args);
            if state.closed {
                return Err(NotQueued::Closed);
            }
            if state.bytes + state.open.len() + size <= limit {
                return Ok(state);
            }
        }
        state.stats.dropped += 1;
        Err(NotQueued::WindowFull { limit })
    }

    /// Logs why a call was not taken, once per cause until something is acknowledged again.
    pub fn report(&self, error: &NotQueued) {
        let mut state = self.lock();
        let same = state
            .reported
            .as_ref()
            .is_some_and(|last| std::mem::discriminant(last) == std::mem::discriminant(error));
        if !same {
            state.reported = Some(error.clone());
            drop(state);
            tracing::warn!("call not taken: {error}");
        }
    }

    pub fn flush(&self, timeout: Duration) -> Result<(), FlushError> {
        let deadline = Instant::now().checked_add(timeout);
        let mut state = self.lock();
        if state.open.count() > 0 {
            state.close_frame();
        }
        let (target, taken) = (state.next - 1, state.stats.taken);
        self.work.notify_one();
        while state.acked < target && !state.closed {
            let left = deadline.map_or(timeout, |at| at.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                break;
            }
            state = self
                .progress
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        let outstanding = if state.acked < target {
            taken.saturating_sub(state.stats.acked)
        } else {
            0
        };
        let all_dropped = state.stats.dropped;
        let dropped = all_dropped - std::mem::replace(&mut state.dropped_before_flush, all_dropped);
        if outstanding == 0 && dropped == 0 {
            Ok(())
        } else {
            Err(FlushError { outstanding, dropped })
        }
    }

    pub fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let pending = std::mem::take(&mut state.pending);
        drop(state);
        self.work.notify_all();
        self.progress.notify_all();
        for pending in pending.into_values() {
            pending.slot.complete(Err(RemoteError::Closed));
        }
    }

    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    pub fn stats(&self) -> ClientStats {
        self.lock().stats
    }

    // ---- futures ----

    pub fn forget(&self, id: CallId) {
        self.lock().pending.remove(&id);
    }

    pub fn complete(&self, id: CallId, outcome: Outcome) {
        let pending = self.lock().pending.remove(&id);
        if let Some(pending) = pending {
            pending.slot.complete(outcome);
        }
    }

    /// The highest ack so far, and whether somebody waits only for errors.
    pub fn acked(&self) -> (u64, bool) {
        let state = self.lock();
        let only_errors = state
            .pending
            .values()
            .take(1)
            .any(|pending| pending.reply == Reply::ErrorOnly);
        (state.acked, only_errors)
    }

    /// Every reply to frames up to `acked` has been read: calls of which no error came went well.
    pub fn no_more_errors(&self, acked: u64) {
        const NIL: u8 = 0xc0;
        let mut state = self.lock();
        let done: Vec<CallId> = state
            .pending
            .range(..=(acked, u32::MAX))
            .filter(|(_, pending)| pending.reply == Reply::ErrorOnly)
            .map(|(&id, _)| id)
            .collect();
        let done: Vec<_> = done.iter().filter_map(|id| state.pending.remove(id)).collect();
        drop(state);
        for pending in done {
            pending.slot.complete(Ok(vec![NIL]));
        }
    }

    /// Calls up to frame `acked` whose results have not come.
    pub fn unanswered(&self, acked: u64, most: usize) -> Vec<CallId> {
        let state = self.lock();
        let results = state
            .pending
            .range(..=(acked, u32::MAX))
            .filter(|(_, p)| p.reply == Reply::Result);
        results.map(|(&id, _)| id).take(most).collect()
    }

    /// Asks the server for results that did not come.
    pub fn ask(&self, missing: &[CallId]) {
        let call = NewCall {
            method: crate::reply::ASK,
            client: ASKING_CLIENT,
            reply: Reply::Nothing,
            time_ns: super::now_ns(),
            has_named: false,
        };
        if let Err(error) = self.push(&call, |out| rmp_serde::encode::write(out, &(missing,))) {
            self.report(&error);
        }
    }

    // ---- the sender ----

    /// Sleeps until there is something to send, `poll` has come, or the client is closed.
    pub fn wait(&self, poll: Option<Instant>) -> Work {
        let mut state = self.lock();
        loop {
            if state.closed {
                return Work::Stop;
            }
            let now = Instant::now();
            let due = state.due(self.options.linger, now);
            if due.is_some_and(|due| due <= now) {
                state.sleeps_until = None;
                return Work::Send;
            }
            if poll.is_some_and(|poll| poll <= now) {
                state.sleeps_until = None;
                return Work::Poll;
            }
            let far = now + Duration::from_secs(3600);
            let until = due.unwrap_or(far).min(poll.unwrap_or(far));
            state.sleeps_until = Some(until);
            state = self
                .work
                .wait_timeout(state, until - now)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Sleeps for `time`, or until the client is closed; returns whether it is.
    pub fn pause(&self, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        let mut state = self.lock();
        while !state.closed {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self
                .work
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        state.closed
    }

    /// The next frames to send, and the ack known now.
    pub fn take_batch(&self) -> (Vec<Outgoing>, u64) {
        let mut state = self.lock();
        if state.open.count() > 0 && state.open_is_due(self.options.linger, Instant::now()) {
            state.close_frame();
        }
        let mut batch = Vec::new();
        let mut size = 0;
        while let Some(frame) = state.frames.get(state.unsent) {
            let length = frame.content.len();
            let fits = size + length <= BATCH && state.in_flight + length <= IN_FLIGHT;
            let alone = batch.is_empty() && state.in_flight == 0;
            if !(fits || alone) {
                break;
            }
            size += length;
            batch.push(frame.outgoing());
            state.in_flight += length;
            state.unsent += 1;
        }
        (batch, state.acked)
    }

    /// Gives a frame its final bytes, outside the lock, and keeps them.
    pub fn seal(&self, frame: &Outgoing) -> Arc<Vec<u8>> {
        let draft = match &frame.content {
            Content::Sealed(bytes) => return bytes.clone(),
            Content::Draft(draft) => draft,
        };
        let bytes = Arc::new(draft.seal(self.producer, frame.seq));
        let mut state = self.lock();
        let (before, after) = (draft.len(), bytes.len());
        if let Some(index) = state.index_of(frame.seq) {
            state.frames[index].content = Content::Sealed(bytes.clone());
            state.bytes = state.bytes + after - before;
            if index < state.unsent {
                state.in_flight = state.in_flight + after - before;
            }
        }
        bytes
    }

    /// The broker stored a frame under this id.
    pub fn stored(&self, seq: u64, entry: StreamId) {
        let mut state = self.lock();
        if let Some(index) = state.index_of(seq) {
            state.frames[index].entry = Some(entry);
        }
    }

    /// The server has done everything up to `acked`. Returns whether that is news.
    pub fn on_ack(&self, acked: u64) -> bool {
        let mut state = self.lock();
        if acked <= state.acked {
            return false;
        }
        if acked >= state.next {
            drop(state);
            tracing::warn!(acked, "ack of a frame that was never sent; ignored");
            return false;
        }
        state.acked = acked;
        while state.frames.front().is_some_and(|frame| frame.seq <= acked) {
            state.drop_front();
        }
        state.reported = None;
        drop(state);
        self.progress.notify_all();
        true
    }

    /// Sends everything from frame `from` on again.
    pub fn rewind(&self, from: u64) {
        let mut state = self.lock();
        let Some(index) = state
            .index_of(from)
            .or(Some(0))
            .filter(|&index| index < state.unsent)
        else {
            return;
        };
        let back: usize = state
            .frames
            .range(index..state.unsent)
            .map(|frame| frame.content.len())
            .sum();
        state.in_flight -= back;
        state.unsent = index;
        state.stats.rewinds += 1;
        for frame in state.frames.range_mut(index..) {
            frame.entry = None;
        }
    }

    /// First and last frame that are sent and not acked, with the ids under which they were stored.
    pub fn sent(&self) -> Option<(SentFrame, SentFrame)> {
        let state = self.lock();
        let at = |index: usize| {
            state.frames.get(index).map(|frame| SentFrame {
                seq: frame.seq,
                entry: frame.entry,
            })
        };
        let last = state.unsent.checked_sub(1)?;
        Some((at(0)?, at(last)?))
    }

    /// Frames with replies may be among those to be sent.
    pub fn wants_replies(&self) -> bool {
        self.lock().wants_replies
    }
}

/// A frame that was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct SentFrame {
    pub seq: u64,
    /// None while the broker's answer is missing.
    pub entry: Option<StreamId>,
}

impl State {
    fn close_frame(&mut self) {
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
        self.urgent = false;
    }

    fn expect_reply(&mut self, id: CallId, reply: Reply) -> Option<Arc<Slot>> {
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
    fn due(&self, linger: Duration, now: Instant) -> Option<Instant> {
        // A full pipe has room again after an ack, and that is polled for.
        if let Some(frame) = self.frames.get(self.unsent) {
            let fits = self.in_flight == 0 || self.in_flight + frame.content.len() <= IN_FLIGHT;
            return fits.then_some(now);
        }
        let opened = self.open_since?;
        Some(if self.urgent { now } else { opened + linger })
    }

    fn open_is_due(&self, linger: Duration, now: Instant) -> bool {
        self.urgent || self.open_since.is_some_and(|since| since + linger <= now)
    }

    fn index_of(&self, seq: u64) -> Option<usize> {
        let first = self.frames.front()?.seq;
        let index = usize::try_from(seq.checked_sub(first)?).ok()?;
        (index < self.frames.len()).then_some(index)
    }

    fn drop_front(&mut self) {
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
    fn outgoing(&self) -> Outgoing {
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
