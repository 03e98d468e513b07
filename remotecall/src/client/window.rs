//! What a client has not yet got acknowledged, and who waits for what.
//!
//! Callers append to the open frame; the sender takes closed frames from the front, in order, and keeps
//! them here until the server's ack covers them. Frames `acked + 1 … next - 1` are always all here, so
//! that any of them can be sent again with the same bytes.

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

/// A frame is closed when its body reaches this size.
const FRAME_SIZE: usize = 256 << 10;
/// Longest arguments of one call: a frame must hold them even when they do not compress.
pub(super) const MAX_CALL: usize = MAX_FRAME - (256 << 10);
/// A time that never comes.
const FAR: Duration = Duration::from_secs(3600);

/// Which call: number of the frame, index in the frame.
pub(crate) type CallId = (u64, u32);
/// A call that was taken, and where its reply will be put when it wants one.
pub(super) type Pushed = (CallId, Option<Arc<Slot>>);

/// What happens to a call when the window is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// It is dropped and counted.
    DropNewest,
    /// Older calls that were never sent are dropped for it, and counted; their futures end with
    /// [`NotQueued::Replaced`]. When all that is there may have been sent, it is dropped itself.
    DropOldest,
    /// Its caller waits for room, this long at most; then it is dropped and counted.
    Block(Duration),
    /// Older calls that are not on their way stay in the spool only, up to [`MAX_SPOOL`](crate::MAX_SPOOL) bytes. What
    /// cannot be written there is dropped and counted when the window is full.
    Spill,
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
    /// The call was taken, and given up for newer ones before it was sent.
    #[error(
        "the window of {limit} bytes was full of calls that are not acknowledged; this one was dropped for newer ones"
    )]
    Replaced {
        /// The window's size in bytes.
        limit: usize,
    },
    /// The call was taken, and the broker refused its frame for good.
    #[error("the broker refused the frame of this call: {why}")]
    Refused {
        /// Answer of the broker.
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
    /// The client was closed.
    #[error("the client is closed")]
    Closed,
    /// The client was made by another process: this one is its child, after a fork.
    #[error("the client belongs to the process that made it; make another one after a fork")]
    OtherProcess,
}

/// Not everything called so far is on the server's disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{outstanding} calls are not acknowledged yet, {dropped} were dropped and {refused} refused by the server since the \
     last flush"
)]
pub struct FlushError {
    /// Calls taken and not acknowledged when the time was over.
    pub outstanding: u64,
    /// Calls dropped since the last flush.
    pub dropped: u64,
    /// Calls that the server refused since the last flush, such as records of an unknown group.
    pub refused: u64,
}

pub(crate) struct Window {
    pub producer: ProducerId,
    pub options: ClientOptions,
    state: Mutex<State>,
    /// The sender waits here for something to do, and nobody else does: one is woken.
    work: Condvar,
    /// Callers wait here for acks and for room.
    progress: Condvar,
    /// Who only lets time pass waits here for the end.
    end: Condvar,
    /// No server has been seen for a while, and somebody waits.
    missing: AtomicBool,
    /// Where frames lie that are not in memory.
    spool_dir: Option<PathBuf>,
    /// It only delivers what another process left: frames that are acknowledged may be unknown here.
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
            closed: false,
            sleeps_until: None,
            sent_by_caller: false,
            reported: None,
            spool: None,
            given_up: 0,
            replaced: Vec::new(),
            pipe: IN_FLIGHT.min(options.window / 2),
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

    /// A window that begins with what is in a spool, and goes on in it.
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

    /// A window that only delivers what is in a spool.
    pub fn that_only_delivers(opened: Opened, options: ClientOptions) -> Self {
        Self {
            only_delivers: true,
            ..Self::with_spool(opened, options)
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

    /// Appends a call with its encoded arguments to the open frame.
    pub fn push(&self, call: &NewCall<'_>, args: &[u8]) -> Result<Pushed, NotQueued> {
        let (mut state, pushed) = self.push_locked(self.lock(), call, args);
        if let Err(why) = &pushed {
            state.stats.dropped.count(why);
        }
        let aside = state.take_deferred();
        drop(state);
        if let Some(aside) = aside {
            aside.tell(self.options.window);
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

    /// Whether a call of `size` bytes fits into the window.
    fn fits(&self, state: &State, size: usize) -> bool {
        state.bytes + state.open.len() + size <= self.options.window
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

    /// The window is full: does what the options say. An error when there is no room for `size` bytes all the same.
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

    /// Waits until a call of `size` bytes fits, or nothing fits ever again.
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

    /// Counts a call whose arguments cannot be encoded.
    pub fn count_dropped(&self, why: &NotQueued) {
        self.lock().stats.dropped.count(why);
    }

    /// Logs why a call was not taken, once per cause until something is acknowledged again.
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
            tracing::warn!("call not taken: {error}");
        }
    }

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
            // Calls that came meanwhile are not waited for.
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

    /// Refuses all further calls; returns whether it did so before.
    pub fn close(&self) -> bool {
        let mut state = self.lock();
        let before = std::mem::replace(&mut state.closed, true);
        let pending = std::mem::take(&mut state.pending);
        let all_acked = state.frames.is_empty() && state.open.count() == 0;
        let spool = state.spool.take();
        state.stats.unspooled = spool.as_ref().map_or(0, Spool::missed);
        drop(state);
        if let Some(Err(error)) = spool.map(|spool| spool.close(all_acked)) {
            tracing::warn!("cannot clear away what is acknowledged: {error}");
        }
        self.work.notify_all();
        self.progress.notify_all();
        self.end.notify_all();
        for pending in pending.into_values() {
            pending.slot.complete(Err(RemoteError::Closed));
        }
        before
    }

    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    pub fn stats(&self) -> ClientStats {
        self.lock().stats()
    }

    /// Sets the spool aside: no more of it can be delivered.
    pub fn set_spool_aside(&self) -> Option<Result<PathBuf, SpoolError>> {
        let spool = self.lock().spool.take();
        spool.map(Spool::set_aside)
    }
}
