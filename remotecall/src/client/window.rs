//! The send window: unacknowledged frames, and the threads waiting on them.
//!
//! Callers append to the open frame. The sender takes closed frames in order, and keeps them here until the
//! server's acknowledgement covers them. The window holds every frame from `acked + 1` to `next - 1`, so that each
//! of them can be sent again with the same bytes.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::future::{RemoteError, Slot};
use super::{ClientOptions, ClientStats};
use crate::SpoolError;
use remotecall_store::spool::{Opened, Spool};
use remotecall_wire::{FrameBuilder, MAX_FRAME, NewCall, ProducerId};

mod futures;
mod sending;
mod state;

pub(super) use sending::{Outgoing, SentFrame, Work};
use state::{IN_FLIGHT, State, Urgency, Waiting};

/// Size of its body at which a frame is closed, 256 KiB.
const FRAME_SIZE: usize = 256 << 10;
/// Limit on the encoded arguments of one call, in bytes: a frame holds them even when they do not compress.
pub(super) const MAX_CALL: usize = MAX_FRAME - (256 << 10);
/// Sleep without a deadline, 1 h: what ends it is a wake-up.
const FAR: Duration = Duration::from_secs(3600);

/// Id of a call: number of its frame, and its index there.
pub(crate) type CallId = (u64, u32);
/// A queued call, and the slot of its reply if it asked for one.
pub(super) type Pushed = (CallId, Option<Arc<Slot>>);

/// Policy for a call that finds the send window full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenFull {
    /// Drops and counts the call.
    DropNewest,
    /// Drops and counts the oldest calls that were never sent; their futures end with [`NotQueued::Replaced`]. When
    /// every queued call may have been sent, the new call is dropped.
    DropOldest,
    /// Blocks the caller up to this long until there is room, then drops and counts the call.
    Block(Duration),
    /// Keeps older calls that are not in flight in the spool only, up to [`MAX_SPOOL`](crate::MAX_SPOOL) bytes. Calls
    /// that cannot be written there are dropped and counted while the window is full.
    Spill,
}

/// Error of a call that was not queued, or that left the queue unsent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotQueued {
    /// The send window is full: the server or the broker is unreachable, or slower than this process.
    #[error("send window full: {limit} bytes are unacknowledged; the call was dropped")]
    WindowFull {
        /// Size of the send window in bytes.
        limit: usize,
    },
    /// The call was queued, and dropped for newer ones before it was sent.
    #[error("send window full: {limit} bytes are unacknowledged; this call was dropped for newer ones")]
    Replaced {
        /// Size of the send window in bytes.
        limit: usize,
    },
    /// The call was queued, and the broker refuses its frame for good.
    #[error("the broker refused the frame of this call: {why}")]
    Refused {
        /// The broker's answer.
        why: String,
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
    /// The client was closed before the call.
    #[error("the client is closed")]
    Closed,
    /// Another process made the client, and this process is its child after a fork.
    #[error("the client belongs to the process that made it; make another one after a fork")]
    OtherProcess,
}

impl NotQueued {
    /// True if the same call can succeed later: the window was full.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::WindowFull { .. } | Self::Replaced { .. })
    }
}

/// Error of a flush: not every call so far is on the server's disk and visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{outstanding} calls are not acknowledged yet, {dropped} were dropped and {refused} refused by the server since the \
     last flush"
)]
pub struct FlushError {
    /// Calls that were queued and not acknowledged when the timeout passed.
    pub outstanding: u64,
    /// Calls dropped since the last flush.
    pub dropped: u64,
    /// Calls that the server refused since the last flush, such as records of an unknown group.
    pub refused: u64,
}

/// Send window of one producer.
pub(crate) struct Window {
    pub producer: ProducerId,
    pub options: ClientOptions,
    state: Mutex<State>,
    /// Wakes the sender, which alone waits here: a push notifies one waiter.
    work: Condvar,
    /// Wakes callers that wait for acknowledgements or for room.
    progress: Condvar,
    /// Wakes threads that are backing off; only `close` notifies it.
    end: Condvar,
    /// Futures wait, and the heartbeat found no server.
    missing: AtomicBool,
    /// Directory of the spool, for frames that are not in memory.
    spool_dir: Option<PathBuf>,
    /// The window delivers the spool of another process, so acknowledgements may cover frames that it does not have.
    only_delivers: bool,
}

impl Window {
    pub fn new(producer: ProducerId, options: ClientOptions) -> Self {
        let state = State {
            open: FrameBuilder::default(),
            open_since: None,
            urgency: Urgency::No,
            frames: VecDeque::new(),
            unsent: 0,
            next: 1,
            acked: 0,
            bytes: 0,
            in_flight: 0,
            pending: BTreeMap::new(),
            wants_replies: false,
            reread: false,
            stats: ClientStats::default(),
            lost_unheard: 0,
            lost_before_flush: 0,
            refused_before_flush: 0,
            server_refusals: 0,
            server_notice: String::new(),
            closed: false,
            sleeps_until: None,
            sent_by_caller: false,
            reported: None,
            spool: None,
            given_up: 0,
            replaced: Vec::new(),
            in_flight_limit: IN_FLIGHT.min(options.window / 2),
        };
        Self {
            producer,
            options,
            state: Mutex::new(state),
            work: Condvar::new(),
            progress: Condvar::new(),
            end: Condvar::new(),
            missing: AtomicBool::new(false),
            spool_dir: None,
            only_delivers: false,
        }
    }

    /// Makes a window that begins with the frames of a spool, and appends to it.
    pub fn with_spool(opened: Opened, options: ClientOptions) -> Self {
        let Opened {
            spool,
            producer,
            rest,
        } = opened;
        let mut window = Self::new(producer, options);
        window.spool_dir = Some(spool.dir().to_owned());
        let state = window.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        state.acked = rest.acked;
        state.next = rest.next();
        state.stats.taken = rest.frames.iter().map(|frame| frame.count as u64).sum();
        state.frames = rest.frames.into_iter().map(Waiting::stored).collect();
        state.spool = Some(spool);
        window
    }

    /// Makes a window that only delivers the frames of a spool.
    pub fn that_only_delivers(opened: Opened, options: ClientOptions) -> Self {
        Self {
            only_delivers: true,
            ..Self::with_spool(opened, options)
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds the lock.
    #[cfg(test)]
    pub fn hold_for_test(&self) -> impl Sized + '_ {
        self.lock()
    }

    /// Appends a call with its encoded arguments to the open frame.
    pub fn push(&self, call: &NewCall<'_>, args: &[u8]) -> Result<Pushed, NotQueued> {
        let (mut state, pushed) = self.push_locked(self.lock(), call, args);
        if let Err(why) = &pushed {
            state.stats.dropped.count(why);
        }
        let deferred = state.take_deferred();
        drop(state);
        if let Some(deferred) = deferred {
            deferred.run(self.options.window);
        }
        pushed
    }

    fn push_locked<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        call: &NewCall<'_>,
        args: &[u8],
    ) -> (MutexGuard<'a, State>, Result<Pushed, NotQueued>) {
        if state.closed {
            return (state, Err(NotQueued::Closed));
        }
        let size = args.len();
        if size > MAX_CALL {
            return (state, Err(NotQueued::TooLarge { size }));
        }
        if !self.fits(&state, size) {
            let refused;
            (state, refused) = self.make_room(state, size);
            if let Err(why) = refused {
                return (state, Err(why));
            }
        }
        if state.open.count() > 0 && state.open.len() + size > MAX_CALL {
            state.close_frame();
        }
        let first = state.open.count() == 0;
        let id = state.append(call, args);
        state.stats.taken += 1;
        let slot = state.expect_reply(id, call.reply);
        if first {
            state.open_since = Some(Instant::now());
        }
        let hastens = slot.is_some() && state.urgency == Urgency::No;
        if hastens {
            state.urgency = Urgency::Soon;
        }
        let full = state.open.len() >= FRAME_SIZE || state.open.is_full();
        if full {
            state.close_frame();
        }
        if full || hastens || first {
            self.wake_sender(&mut state);
        }
        (state, Ok((id, slot)))
    }

    /// True if a call of `size` bytes fits into the window.
    fn fits(&self, state: &State, size: usize) -> bool {
        state.bytes + state.open.len() + size <= self.options.window
    }

    /// Wakes the sender if work is due before its sleep ends.
    fn wake_sender(&self, state: &mut State) {
        let Some(until) = state.sleeps_until else { return };
        let due = state.due(self.options.linger, Instant::now());
        if due.is_some_and(|due| due < until) {
            state.sleeps_until = None;
            self.work.notify_one();
        }
    }

    /// Applies the policy for a full window.
    ///
    /// # Errors
    /// When there is still no room for `size` bytes.
    fn make_room<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        size: usize,
    ) -> (MutexGuard<'a, State>, Result<(), NotQueued>) {
        let limit = self.options.window;
        match self.options.when_full {
            WhenFull::DropNewest => {}
            WhenFull::DropOldest => while !self.fits(&state, size) && state.drop_oldest() {},
            WhenFull::Spill => state.spill(),
            WhenFull::Block(longest) => state = self.wait_for_room(state, size, longest),
        }
        let room = match state.closed {
            true => Err(NotQueued::Closed),
            false if self.fits(&state, size) => Ok(()),
            false => Err(NotQueued::WindowFull { limit }),
        };
        (state, room)
    }

    /// Waits until a call of `size` bytes fits, the timeout passes or the client is closed; returns whether a push would
    /// not block.
    pub fn has_room_within(&self, size: usize, timeout: Duration) -> bool {
        let state = self.lock();
        if self.fits(&state, size) || state.closed {
            return true;
        }
        let state = self.wait_for_room(state, size, timeout);
        self.fits(&state, size) || state.closed
    }

    fn wait_for_room<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        size: usize,
        longest: Duration,
    ) -> MutexGuard<'a, State> {
        let deadline = Instant::now() + longest;
        while !state.closed && !self.fits(&state, size) {
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
        state
    }

    /// What happens to calls while the broker cannot be reached, for a log line.
    pub fn waiting_text(&self) -> String {
        let place = if self.spool_dir.is_some() {
            "memory and spool"
        } else {
            "memory"
        };
        format!(
            "calls wait in {place} (up to {} MiB) and are sent when it answers",
            self.options.window >> 20
        )
    }

    /// Counts a call whose arguments cannot be encoded.
    pub fn count_dropped(&self, why: &NotQueued) {
        self.lock().stats.dropped.count(why);
    }

    /// Logs why a one-way call was not queued: once per cause until a frame is acknowledged again.
    pub fn report(&self, error: &NotQueued) {
        let mut state = self.lock();
        if !matches!(error, NotQueued::WindowFull { .. }) {
            state.lost_unheard += 1;
        }
        let same = state
            .reported
            .as_ref()
            .is_some_and(|last| std::mem::discriminant(last) == std::mem::discriminant(error));
        if !same {
            state.reported = Some(error.clone());
            drop(state);
            tracing::warn!("one-way call lost: {error}");
        }
    }

    /// Sends the open frame and waits up to `timeout` until every call so far is acknowledged.
    pub fn flush(&self, timeout: Duration) -> Result<(), FlushError> {
        let deadline = Instant::now().checked_add(timeout);
        let mut state = self.lock();
        if state.open.count() > 0 {
            state.close_frame();
        }
        let target = state.next - 1;
        let before_target = state.stats.taken;
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
            // Calls that other threads made during the wait do not count.
            let later = state.stats.taken - before_target;
            state.stats.outstanding().saturating_sub(later)
        } else {
            0
        };
        let lost = state.lost();
        let dropped = lost - std::mem::replace(&mut state.lost_before_flush, lost);
        let refused = state.take_refused();
        if outstanding == 0 && dropped == 0 && refused == 0 {
            Ok(())
        } else {
            Err(FlushError {
                outstanding,
                dropped,
                refused,
            })
        }
    }

    /// Refuses all further calls and completes waiting futures; returns whether the window was closed before.
    pub fn close(&self) -> bool {
        let mut state = self.lock();
        let before = std::mem::replace(&mut state.closed, true);
        let pending = std::mem::take(&mut state.pending);
        let all_acked = state.frames.is_empty() && state.open.count() == 0;
        let spool = state.spool.take();
        state.stats.unspooled = spool.as_ref().map_or(0, Spool::missed);
        drop(state);
        if let Some(Err(error)) = spool.map(|spool| spool.close(all_acked)) {
            tracing::warn!("cannot remove acknowledged spool segments: {error}");
        }
        self.work.notify_all();
        self.progress.notify_all();
        self.end.notify_all();
        for pending in pending.into_values() {
            pending.slot.complete(Err(RemoteError::Closed));
        }
        before
    }

    /// True if frames were sent and the server acknowledged all of them.
    pub fn has_every_ack(&self) -> bool {
        let state = self.lock();
        state.acked > 0 && state.acked + 1 == state.next && state.open.count() == 0
    }

    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    pub fn stats(&self) -> ClientStats {
        self.lock().stats()
    }

    /// Moves the spool aside, because the rest of it cannot be delivered.
    pub fn set_spool_aside(&self) -> Option<Result<PathBuf, SpoolError>> {
        let spool = self.lock().spool.take();
        spool.map(Spool::set_aside)
    }
}
