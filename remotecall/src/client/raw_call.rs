//! Raw calls, for bindings of other languages: arguments and results stay MessagePack, and waits can be interrupted.

use std::task::Waker;
use std::time::Duration;

use serde::Serialize;

use super::future::RemoteError;
use super::{Client, RemoteFuture, WhenFull};
use crate::NotQueued;
use remotecall_wire::ReplyMode;

/// Encoded arguments of one call: a MessagePack array and, when `has_named`, a map from name to value after it.
#[derive(Clone, Debug, Default)]
pub struct EncodedArgs {
    /// The array and the map.
    pub bytes: Vec<u8>,
    /// True if a map follows the array.
    pub has_named: bool,
}

/// Type of a result that stays MessagePack: `RemoteFuture<Encoded>`.
#[derive(Debug)]
pub enum Encoded {}

impl Client {
    /// Calls `method` and returns a future of the encoded result.
    ///
    /// # Errors
    /// When the call cannot be queued.
    pub fn call_encoded(&self, method: &str, args: EncodedArgs) -> Result<RemoteFuture<Encoded>, NotQueued> {
        let pushed = self.push_encoded(method, ReplyMode::Result, &args)?;
        Ok(RemoteFuture::new(self.handle.clone(), Ok(pushed)))
    }

    /// Calls `method` one-way.
    ///
    /// # Errors
    /// When the call cannot be queued.
    pub fn send_encoded(&self, method: &str, args: EncodedArgs) -> Result<(), NotQueued> {
        self.push_encoded(method, ReplyMode::Nothing, &args).map(drop)
    }

    /// Calls `method` one-way, like [`send`](Self::send), but returns the error instead of logging it.
    ///
    /// # Errors
    /// When the call cannot be queued.
    pub fn try_send<A: Serialize + ?Sized>(&self, method: &str, args: &A) -> Result<(), NotQueued> {
        let write = |out: &mut Vec<u8>| rmp_serde::encode::write_named(out, args);
        self.push(method, ReplyMode::Nothing, false, write).map(drop)
    }

    /// Policy for calls that find the send window full.
    pub fn when_full(&self) -> WhenFull {
        self.handle.window.options.when_full
    }

    /// Waits up to `timeout` until a call of `size` bytes fits into the send window; returns whether it does. For callers that
    /// have other work while [`WhenFull::Block`] would block them.
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
    /// Waits up to `timeout` for the outcome; returns whether it has arrived.
    ///
    /// # Errors
    /// [`RemoteError::OtherProcess`] after a fork.
    pub fn is_done_within(&self, timeout: Duration) -> Result<bool, RemoteError> {
        self.check_process()?;
        Ok(self.is_done_after(timeout))
    }

    /// Takes the encoded result; `None` while it has not arrived.
    ///
    /// # Errors
    /// The error that the method raised, or the reason why there is no result; [`RemoteError::Taken`] on a second call.
    pub fn take(&self) -> Result<Option<Vec<u8>>, RemoteError> {
        self.check_process()?;
        self.slot.take().transpose()
    }

    /// Registers `waker`, which another thread wakes when the outcome arrives; replaces an earlier waker. Returns false when
    /// the outcome has arrived already, and wakes nothing then.
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
