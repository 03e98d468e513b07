//! What the server needs of an object: names to numbers, and a call by number.
//!
//! `#[remote]` implements [`Remote`]; nobody has to write it by hand.

use crate::{Args, CallError, ClientId};

/// Where a call comes from.
#[derive(Clone, Copy, Debug)]
pub struct CallContext<'a> {
    /// The client that called.
    pub client_id: &'a ClientId,
    /// When it called, by its own clock: nanoseconds since 1970-01-01 UTC.
    pub time_ns: i64,
}

/// One method that can be called remotely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Method {
    /// Its name.
    pub name: &'static str,
    /// Its arguments in order, without `self` and without the context.
    pub args: &'static [&'static str],
}

/// An object whose methods can be called from elsewhere.
///
/// Calls name methods out of a fixed list: data can choose among them and nothing else.
pub trait Remote: Send + 'static {
    /// The number of the method called `name`, if there is one.
    fn method(&self, name: &str) -> Option<usize>;

    /// Whether the method with this number only looks, as `#[remote(read)]` says. Such a call is not repeated after a
    /// crash, its result is not kept, and the object is not told who makes it. The default is no.
    fn is_read(&self, _method: usize) -> bool {
        false
    }

    /// Calls the method with this number. The result is MessagePack, appended to `result`.
    ///
    /// # Errors
    /// When an argument does not fit or the method itself returned an error.
    fn call(
        &mut self,
        cx: &CallContext<'_>,
        method: usize,
        args: &Args<'_>,
        result: &mut Vec<u8>,
    ) -> Result<(), CallError>;

    /// Tells the object who calls next. The default does nothing; `#[remote(client_id)]` marks a method for it.
    fn set_client_id(&mut self, _id: &ClientId) {}

    /// Called at least about once a second while the server runs, also when nobody calls: time for an object's own
    /// housekeeping. The default does nothing.
    fn tick(&mut self) {}
}

/// An object whose state outlives the process.
///
/// The state of an object is a function of the calls it received, in order: after a crash the server
/// restores the last checkpoint and repeats the calls that came after it. An object that also writes
/// files must come out with the same bytes; [`FileSet`](crate::FileSet) is made for that.
pub trait Durable: Remote {
    /// Brings the effects of all calls so far to where readers see them.
    ///
    /// Called once per batch, before its calls are acknowledged. After an error it is called again,
    /// later, until it succeeds; meanwhile no further call is made. After an error of which
    /// [`is_sync_failure`](crate::is_sync_failure) says so, the server ends instead.
    ///
    /// # Errors
    /// When the effects are not all visible yet.
    fn commit(&mut self) -> std::io::Result<()>;

    /// Makes everything durable that [`commit`](Durable::commit) wrote, and returns the state.
    ///
    /// # Errors
    /// When something could not be made durable. The server then ends: after a failed fsync nobody
    /// knows what the disk holds, and only a replay of the journal can tell.
    fn checkpoint(&mut self) -> std::io::Result<Vec<u8>>;

    /// Whether a checkpoint should come soon, for a reason that the object knows and the server does not. The default
    /// is no.
    fn wants_checkpoint(&self) -> bool {
        false
    }

    /// Takes the state that [`checkpoint`](Durable::checkpoint) returned. Called at most once, before any call.
    ///
    /// # Errors
    /// When the bytes are not such a state.
    fn restore(&mut self, state: &[u8]) -> std::io::Result<()>;

    /// What the effects of calls depend on besides the calls: options, formats. Calls that were accepted under other
    /// settings are not repeated under these; the server refuses to start. The default is none.
    fn settings(&self) -> String {
        String::new()
    }
}
