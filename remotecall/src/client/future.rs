//! Futures of calls: waiting for results, and the reasons why there is none.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use remotecall_wire::ReplyError;
use serde::de::DeserializeOwned;

use super::Handle;
use super::window::{CallId, NotQueued, Pushed};
use crate::CallError;

/// Error of a call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// The call failed on the server.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The call never left this process.
    #[error(transparent)]
    NotQueued(#[from] NotQueued),
    /// The client was closed before the result came; whether the call ran is unknown.
    #[error("the client was closed before the result came")]
    Closed,
    /// The result has another type than the caller expects.
    #[error("result has the wrong type: {0}")]
    BadResult(String),
    /// Another process made the call, and this process is its child after a fork.
    #[error("the future belongs to the process that made the call, not to its forked child")]
    OtherProcess,
    /// The result was taken already.
    #[error("the result was taken already")]
    Taken,
}

impl RemoteError {
    /// True if the call certainly did not run, and can be repeated: it never left this process, or the server came to it
    /// after its deadline.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::NotQueued(error) => error.is_retryable(),
            Self::Call(CallError::DeadlineExceeded { .. }) => true,
            _ => false,
        }
    }
}

impl From<ReplyError> for RemoteError {
    fn from(error: ReplyError) -> Self {
        match error {
            ReplyError::Call(error) => Self::Call(error),
            other => Self::BadResult(other.to_string()),
        }
    }
}

/// Outcome of a call: its result as MessagePack, or its error.
pub(crate) type Outcome = Result<Vec<u8>, RemoteError>;

/// State shared by a future and the thread that completes it.
#[derive(Default)]
pub(crate) struct Slot {
    state: Mutex<SlotState>,
    ready: Condvar,
}

#[derive(Default)]
struct SlotState {
    outcome: Option<Outcome>,
    waker: Option<Waker>,
}

impl Slot {
    fn lock(&self) -> MutexGuard<'_, SlotState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn complete(&self, outcome: Outcome) {
        let waker = {
            let mut state = self.lock();
            state.outcome = Some(outcome);
            state.waker.take()
        };
        self.ready.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub fn is_done(&self) -> bool {
        self.lock().outcome.is_some()
    }

    /// Takes the outcome and leaves [`RemoteError::Taken`] in its place.
    pub fn take(&self) -> Option<Outcome> {
        let mut state = self.lock();
        let outcome = state.outcome.take()?;
        state.outcome = Some(Err(RemoteError::Taken));
        Some(outcome)
    }

    /// Registers `waker` for the outcome; returns false when the outcome has arrived already.
    pub fn wake_when_done(&self, waker: Waker) -> bool {
        let mut state = self.lock();
        let waits = state.outcome.is_none();
        if waits {
            state.waker = Some(waker);
        }
        waits
    }

    /// Waits until another thread has completed it, or until `deadline`.
    pub fn wait(&self, deadline: Option<Instant>) {
        let mut state = self.lock();
        while state.outcome.is_none() {
            state = match deadline {
                None => self.ready.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(at) => {
                    let left = at.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return;
                    }
                    let waited = self.ready.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}

/// Result of an outstanding call. Dropping it does no I/O, and the call runs all the same.
pub struct RemoteFuture<T> {
    pub(super) slot: Arc<Slot>,
    /// Client and id of the call; `None` when the call was never queued.
    waiting: Option<(Arc<Handle>, CallId)>,
    result: PhantomData<fn() -> T>,
}

impl<T> RemoteFuture<T> {
    pub(super) fn new(handle: Arc<Handle>, pushed: Result<Pushed, NotQueued>) -> Self {
        match pushed {
            Ok((id, Some(slot))) => Self {
                slot,
                waiting: Some((handle, id)),
                result: PhantomData,
            },
            Ok((_, None)) => Self::failed(RemoteError::Closed),
            Err(error) => Self::failed(error.into()),
        }
    }

    fn failed(error: RemoteError) -> Self {
        let slot = Arc::new(Slot::default());
        slot.complete(Err(error));
        Self {
            slot,
            waiting: None,
            result: PhantomData,
        }
    }

    /// Refuses a child process after a fork: a thread that it does not have may hold the slot's lock.
    pub(super) fn check_process(&self) -> Result<(), RemoteError> {
        match &self.waiting {
            Some((handle, _)) if !handle.fork_generation.is_current() => Err(RemoteError::OtherProcess),
            _ => Ok(()),
        }
    }

    /// Waits until the outcome has arrived, or until `deadline`.
    fn wait(&self, deadline: Option<Instant>) {
        if let Some((handle, id)) = &self.waiting {
            handle.work_for(&self.slot, *id, deadline);
        }
        self.slot.wait(deadline);
    }

    pub(super) fn leave_to_threads(&self) {
        if let Some((handle, id)) = &self.waiting {
            handle.leave_to_threads(*id);
        }
    }

    /// Waits up to `timeout`; returns whether the outcome has arrived.
    pub(super) fn is_done_after(&self, timeout: Duration) -> bool {
        if !timeout.is_zero() {
            self.wait(Instant::now().checked_add(timeout));
        }
        self.slot.is_done()
    }
}

impl<T: DeserializeOwned> RemoteFuture<T> {
    /// Waits for the result, without a timeout.
    ///
    /// # Errors
    /// The error that the method raised, or the reason why there is no result.
    pub fn get(self) -> Result<T, RemoteError> {
        self.check_process()?;
        self.wait(None);
        decode(self.slot.take().unwrap_or(Err(RemoteError::Closed)))
    }

    /// Waits up to `timeout` for the result. `Ok(None)` means that it has not arrived yet; it can still be waited for.
    ///
    /// # Errors
    /// The error that the method raised, or the reason why there is no result; [`RemoteError::Taken`] when an earlier
    /// call returned it.
    pub fn get_timeout(&self, timeout: Duration) -> Result<Option<T>, RemoteError> {
        self.check_process()?;
        self.is_done_after(timeout);
        self.slot.take().map(decode).transpose()
    }

    /// Drops the future. The call runs all the same.
    pub fn discard(self) {}
}

impl<T> Drop for RemoteFuture<T> {
    fn drop(&mut self) {
        if let Some((handle, id)) = &self.waiting
            && handle.fork_generation.is_current()
        {
            handle.window.forget(*id);
        }
    }
}

impl<T: DeserializeOwned> Future for RemoteFuture<T> {
    type Output = Result<T, RemoteError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.check_process()?;
        let mut state = self.slot.lock();
        match state.outcome.replace(Err(RemoteError::Taken)) {
            Some(outcome) => Poll::Ready(decode(outcome)),
            None => {
                state.outcome = None;
                state.waker = Some(cx.waker().clone());
                drop(state);
                self.leave_to_threads();
                Poll::Pending
            }
        }
    }
}

impl<T> std::fmt::Debug for RemoteFuture<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let done = self.check_process().is_ok() && self.slot.lock().outcome.is_some();
        f.debug_struct("RemoteFuture").field("done", &done).finish()
    }
}

fn decode<T: DeserializeOwned>(outcome: Outcome) -> Result<T, RemoteError> {
    rmp_serde::from_slice(&outcome?).map_err(|error| RemoteError::BadResult(error.to_string()))
}
