//! Traits of a served object: methods by number, and checkpoints.
//!
//! `#[remote]` implements [`Remote`].

use std::cell::RefCell;

use crate::{Args, CallError, ClientId, ProducerId};

/// Origin of a call.
#[derive(Clone, Copy, Debug)]
pub struct CallContext<'a> {
    /// The client that called.
    pub client_id: &'a ClientId,
    /// Time of the call by the client's clock, in nanoseconds since 1970-01-01 UTC.
    pub time_ns: i64,
    /// Random id of the [`Client`](crate::Client) that called: one for each connection of each process. `None` outside a
    /// server.
    pub producer: Option<ProducerId>,
    /// Warnings for the caller, collected by the server.
    warnings: Option<&'a RefCell<Vec<String>>>,
}

impl<'a> CallContext<'a> {
    /// Context of a call outside a server, such as in a test.
    ///
    /// ```
    /// use remotecall::{CallContext, ClientId};
    ///
    /// let id = ClientId::new("agent/17")?;
    /// let cx = CallContext::new(&id, 1_700_000_000_000_000_000);
    /// assert_eq!((cx.client_id.as_str(), cx.producer), ("agent/17", None));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(client_id: &'a ClientId, time_ns: i64) -> Self {
        Self {
            client_id,
            time_ns,
            producer: None,
            warnings: None,
        }
    }

    /// The same context with another time.
    pub fn with_time(self, time_ns: i64) -> Self {
        Self { time_ns, ..self }
    }

    /// Warns the caller, in the log of its process and in that of the server.
    ///
    /// Texts longer than 512 bytes are cut. Of several warnings in one round of the server the caller gets the last, so
    /// warn rarely: once per cause.
    pub fn warn(&self, text: impl Into<String>) {
        if let Some(warnings) = self.warnings {
            warnings.borrow_mut().push(text.into());
        }
    }

    /// Context of a call in a server, which collects the warnings.
    pub(crate) fn of_producer(
        client_id: &'a ClientId,
        time_ns: i64,
        producer: ProducerId,
        warnings: &'a RefCell<Vec<String>>,
    ) -> Self {
        Self {
            client_id,
            time_ns,
            producer: Some(producer),
            warnings: Some(warnings),
        }
    }
}

/// One method that can be called remotely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Method {
    /// Its name.
    pub name: &'static str,
    /// Names of its arguments in order, without `self` and the context.
    pub args: &'static [&'static str],
}

/// An object with remote methods.
///
/// A call names a method from this fixed list; data can reach no other code.
pub trait Remote: Send + 'static {
    /// Number of the method called `name`.
    fn method(&self, name: &str) -> Option<usize>;

    /// True if the method with this number is read-only (`#[remote(read)]`). A read-only call is not journaled, not
    /// replayed after a crash, its result is not cached, and `set_client_id` is not called for it. Default: false.
    fn is_read(&self, _method: usize) -> bool {
        false
    }

    /// Calls the method with this number, and appends its result to `result` as MessagePack.
    ///
    /// # Errors
    /// When an argument has the wrong type, or the method returned an error.
    fn call(
        &mut self,
        cx: &CallContext<'_>,
        method: usize,
        args: &Args<'_>,
        result: &mut Vec<u8>,
    ) -> Result<(), CallError>;

    /// Announces the client of the next call. Does nothing by default; `#[remote(client_id)]` marks a method for it.
    fn set_client_id(&mut self, _id: &ClientId) {}

    /// Housekeeping of the object: called about once a second or more often, also while no calls come. Does nothing by
    /// default.
    fn tick(&mut self) {}
}

/// An object whose state survives the process.
///
/// The state of an object is a function of the calls it received, in order: after a crash the server
/// restores the last checkpoint and replays the calls after it. An object that writes files must produce the
/// same bytes in a replay; [`FileSet`](crate::FileSet) does that.
pub trait Durable: Remote {
    /// Makes the effects of all calls so far visible to readers.
    ///
    /// The server calls it once per round, before it acknowledges the round. After an error it retries with back-off,
    /// and makes no further call until it succeeds. The server ends after an error for which
    /// [`is_sync_failure`](crate::is_sync_failure) is true.
    ///
    /// # Errors
    /// When some effects are not visible yet.
    fn commit(&mut self) -> std::io::Result<()>;

    /// Makes everything durable that [`commit`](Durable::commit) wrote, and returns the state.
    ///
    /// # Errors
    /// When something could not be made durable. The server then ends: after a failed fsync the content of the disk
    /// is unknown, and only a replay of the journal restores it.
    fn checkpoint(&mut self) -> std::io::Result<Vec<u8>>;

    /// True if the object asks for a checkpoint soon. Default: false.
    fn wants_checkpoint(&self) -> bool {
        false
    }

    /// Restores the state that [`checkpoint`](Durable::checkpoint) returned. Called at most once, before any call.
    ///
    /// # Errors
    /// When the bytes are no such state.
    fn restore(&mut self, state: &[u8]) -> std::io::Result<()>;

    /// Settings that the effects of calls depend on, such as options and formats. The server refuses to replay calls
    /// under other settings than those they were accepted under. Default: none.
    fn settings(&self) -> String {
        String::new()
    }
}
