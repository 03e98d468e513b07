//! Calls for other languages: arguments and results stay MessagePack, and a wait can be cut into pieces.

use std::task::Waker;
use std::time::Duration;

use serde::Serialize;

use super::future::RemoteError;
use super::{Client, RemoteFuture, WhenFull};
use crate::NotQueued;
use remotecall_wire::ReplyMode;

/// Arguments of one call: a MessagePack array and, when `has_named`, a map from name to value after it.
#[derive(Clone, Debug, Default)]
pub struct EncodedArgs {
    /// The array and the map.
    pub bytes: Vec<u8>,
    /// Whether there is a map.
    pub has_named: bool,
}

/// A result that stays MessagePack: `RemoteFuture<Encoded>`.
#[derive(Debug)]
pub enum Encoded {}

impl Client {
    /// Calls `method` and returns a future of the result's bytes.
    ///
    /// # Errors
    /// When the call cannot be taken.
    pub fn call_encoded(&self, method: &str, args: EncodedArgs) -> Result<RemoteFuture<Encoded>, NotQueued> {
        let pushed = self.push_encoded(method, ReplyMode::Result, &args)?;
        Ok(RemoteFuture::new(self.handle.clone(), Ok(pushed)))
    }

    /// Calls `method`; nothing comes back.
    ///
    /// # Errors
    /// When the call cannot be taken.
    pub fn send_encoded(&self, method: &str, args: EncodedArgs) -> Result<(), NotQueued> {
        self.push_encoded(method, ReplyMode::Nothing, &args).map(drop)
    }

    /// As [`send`](Self::send): `args` are written where the call is kept. But what is wrong is the caller's to tell.
    ///
    /// # Errors
    /// When the call cannot be taken.
    pub fn try_send<A: Serialize + ?Sized>(&self, method: &str, args: &A) -> Result<(), NotQueued> {
        let write = |out: &mut Vec<u8>| rmp_serde::encode::write_named(out, args);
        self.push(method, ReplyMode::Nothing, false, write).map(drop)
    }

    /// What happens to a call when the window is full.
    pub fn when_full(&self) -> WhenFull {
        self.handle.window.options.when_full
    }

    /// Waits until a call of `size` bytes fits into the window, but not longer than `timeout`; returns whether it does. For
    /// callers that have to do something else while [`WhenFull::Block`] has them wait.
    pub fn has_room_within(&self, size: usize, timeout: Duration) -> bool {
        !self.is_here() || self.handle.window.has_room_within(size, timeout)
    }

    fn push_encoded(
        &self,
        method: &str,
        reply: ReplyMode,
        args: &EncodedArgs,
    ) -> Result<super::window::Pushed, NotQueued> {
        self.push_encoded_args(method, reply, args.has_named, &args.bytes)
    }
}

impl RemoteFuture<Encoded> {
    /// Waits for the end of the call, but not longer than `timeout`; returns whether it has ended.
    ///
    /// # Errors
    /// [`RemoteError::OtherProcess`] after a fork.
    pub fn is_done_within(&self, timeout: Duration) -> Result<bool, RemoteError> {
        self.check_process()?;
        Ok(self.is_done_after(timeout))
    }

    /// The result; none while the call has not ended.
    ///
    /// # Errors
    /// What the method raised, or why there is no result; [`RemoteError::Taken`] when it was returned before.
    pub fn take(&self) -> Result<Option<Vec<u8>>, RemoteError> {
        self.check_process()?;
        self.slot.take().transpose()
    }

    /// Has `waker` woken, by another thread, when the call ends; a waker given before is forgotten. Returns false when
    /// the call has ended: nobody will be woken.
    ///
    /// # Errors
    /// [`RemoteError::OtherProcess`] after a fork.
    pub fn wake_when_done(&self, waker: Waker) -> Result<bool, RemoteError> {
        self.check_process()?;
        let waits = self.slot.wake_when_done(waker);
        if waits {
            self.leave_to_threads();
        }
        Ok(waits)
    }
}
