//! Any object, called from other processes over Redis: same method names, same arguments, futures back.

mod backlog;
mod client;
#[doc(hidden)]
pub mod macro_support;
mod mode;
mod remote;
mod server;

pub use backlog::{Backlog, BrokerError, BrokerWatch, WatchError};
pub use client::{
    CLOSE_TIMEOUT, Client, ClientOptions, ClientStats, ConnectError, DrainError, DrainOutcome, Drained,
    Dropped, Encoded, EncodedArgs, FlushError, MISSING_AFTER, NotQueued, RemoteError, RemoteFuture, WhenFull,
    drain,
};
pub use mode::{Mode, OneWay, Returning};
pub use remote::{CallContext, Durable, Method, Remote};
pub use remotecall_broker as embedded;
pub use remotecall_connection::{
    Address, AddressError, Environment, FileError, MAX_PASSWORD, MAX_QUEUE_NAME, QueueNameError, Variable,
    read_password, warn_if_others_can_read,
};
/// Makes the `pub` methods of a struct callable from elsewhere.
///
/// It goes on an inherent `impl` and leaves it as it is. It adds an implementation of [`Remote`], for the server
/// to run, and a client with the same method names and argument lists: `Counter` gets a
/// `CounterClient`, or `#[remote(client = Name)]` says how it is called. Its `connect` reads the credentials that
/// the address lacks from the variables of [`DEFAULT_ENVIRONMENT`], or of `#[remote(environment = "PREFIX")]`.
///
/// ```no_run
/// use remotecall::{CallContext, ClientId, OneWay, remote};
///
/// struct Counter {
///     total: i64,
/// }
///
/// #[remote]
/// impl Counter {
///     /// Without `self`: never remote.
///     pub fn new() -> Self {
///         Self { total: 0 }
///     }
///
///     /// Adds, and returns the new total.
///     pub fn add(&mut self, delta: i64, #[default(1)] times: i64) -> i64 {
///         self.total += delta * times;
///         self.total
///     }
///
///     /// An error of the method reaches the caller.
///     pub fn parse(&mut self, text: &str) -> Result<i64, std::num::ParseIntError> {
///         text.parse().map(|delta: i64| self.add(delta, 1))
///     }
///
///     /// The context says who called and when; it is not part of the client's signature.
///     pub fn who(&self, #[ctx] cx: &CallContext<'_>) -> String {
///         format!("{} at {}", cx.client_id, cx.time_ns)
///     }
///
///     /// Told before each call who makes it.
///     #[remote(client_id)]
///     fn set_client_id(&mut self, _id: &ClientId) {}
///
///     #[remote(skip)]
///     pub fn local_only(&self) {}
/// }
///
/// let counter = CounterClient::connect("redis://localhost:6379", "counters", "agent/17")?;
/// let total = counter.add(10, 2); // a `RemoteFuture<i64>`
/// let quiet: CounterClient<OneWay> = counter.one_way();
/// quiet.add(10, 2); // `()`
/// # Ok::<(), remotecall::ConnectError>(())
/// ```
///
/// # Arguments
///
/// A caller in another language may give them by position or by name. `#[default(value)]` stands in for
/// one that is left out; an `Option` that is left out is `None`. Types are owned or borrowed: `&str` and
/// `&[u8]` point into the bytes of the call, any other `&T` or `&[T]` is decoded and held for the call.
/// `&[u8]` and `Vec<u8>`, also in an `Option`, travel as bytes. At most 16 arguments.
///
/// # Results
///
/// Any value that serde can serialize and the client can deserialize. `&str` arrives as a `String`, and of a
/// `Result<T, E>` arrives the `T`, or [`CallError::Raised`] with the text of `E`.
///
/// # Methods that only read
///
/// `#[remote(read)]` on a method with `&self` promises that it changes nothing. It runs in its turn like any other. It is
/// neither journaled nor repeated after a crash, so it may look at files or a clock; its result is not kept, so one that
/// is lost on its way ends with [`CallError::ResultExpired`], and the caller asks again; and the object is not told
/// who calls (`#[ctx]` says it).
///
/// # The client
///
/// `connect`, `new`, `client`, `one_way`, `returning`, `with_client_id`, `with_deadline`, `flush` and the list `METHODS`
/// belong to every client, so no remote method can have these names. The documentation, `#[deprecated]`,
/// `#[must_use]`, `#[allow]` and `#[cfg]` of a method are copied.
pub use remotecall_macros::remote;
pub use remotecall_store::disk::is_sync_failure;
pub use remotecall_store::files::{FileId, FileSet, NewFile, PickPath};
pub use remotecall_store::journal::JournalError;
pub use remotecall_store::spool::{MAX_SPOOL, SpoolError};
pub use remotecall_wire::{
    Args, ArgsError, CallError, ClientId, ClientIdError, FrameError, MAX_ARGS, MAX_BODY, MAX_CALLS,
    MAX_CLIENT_ID, MAX_DEPTH, MAX_FRAME, MAX_PART, MAX_RESULT, ProducerId,
};
pub use rmp_serde;
pub use server::{RemoteCall, RunError, ServerHandle, StatsSnapshot};

/// Environment variables read unless the application names its own: `REMOTECALL_PASSWORD` and so on.
pub const DEFAULT_ENVIRONMENT: Environment = Environment::with_prefix("REMOTECALL");

/// The tour's code compiles.
#[cfg(doctest)]
#[doc = include_str!("../../docs/remotecall.md")]
struct Tour;
