//! Remote calls over Redis: the methods of any object, called from other processes with the same names and arguments,
//! returning futures.
//!
//! # Quick start
//!
//! ```
//! use std::time::Duration;
//! use remotecall::embedded::{BrokerOptions, EmbeddedBroker};
//! use remotecall::{RemoteCall, remote};
//!
//! struct Account {
//!     balance: i64,
//! }
//!
//! #[remote]
//! impl Account {
//!     pub fn add(&mut self, amount: i64) -> i64 {
//!         self.balance += amount;
//!         self.balance
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // A broker in this process stands in for Redis: "localhost:6379" works the same.
//! let listen = ([127, 0, 0, 1], 0).into();
//! let broker = EmbeddedBroker::start(BrokerOptions::new(listen))?;
//! let address = broker.own_address();
//!
//! // The server, here in a thread of its own; `run` serves in the calling thread.
//! let server = RemoteCall::new(Account { balance: 0 }).queue("account").has_return_value(true).start(&address)?;
//!
//! // The caller, as a rule another process.
//! let account = AccountClient::connect(&address, "account", "alice")?;
//! assert_eq!(account.add(10).get()?, 10);
//! account.one_way().add(5); // returns (), and never waits
//! account.flush(Duration::from_secs(5))?;
//! # drop(server);
//! # Ok(())
//! # }
//! ```
//!
//! # Guarantees
//!
//! - A call only appends to a buffer in memory. It never waits for the network, unless [`WhenFull::Block`] says so.
//! - An acknowledged call ran once, in the order of its client, whatever was killed. With a journal
//!   ([`RemoteCall::journal`]) it is on the server's disk.
//! - [`Client::flush`] returns `Ok` only when every call so far is acknowledged.
//! - Each future ends: with the result, with the method's error, or with the reason why there is no result.
//! - Data never names code: methods come from a fixed list ([`Remote::method`]), values are plain data.
//!
//! # Where to go
//!
//! [`remote`] makes a struct callable, [`RemoteCall`] serves it, [`Client`] and the generated clients call it,
//! [`RemoteFuture`] is a result to come. [`Durable`] and [`FileSet`] are for objects with checkpoints and files.
//! [`embedded`] is a broker without Redis, [`BrokerWatch`] shows backlogs, [`drain`] delivers spools of dead processes.
//!
//! The crates below are `remotecall-wire` (bytes), `remotecall-connection` (endpoints), `remotecall-store` (disk) and
//! `remotecall-broker`; their public items are for this crate and may change in any release.

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
/// Makes the `pub` methods of a struct callable from other processes.
///
/// The attribute goes on an inherent `impl` and leaves it as it is. It adds an implementation of [`Remote`], which the
/// server runs, and a client with the same method names and argument lists: `Counter` gets a
/// `CounterClient`; `#[remote(client = Name)]` names it otherwise. Its `connect` reads credentials that the address
/// lacks from the variables of [`DEFAULT_ENVIRONMENT`], or of `#[remote(environment = "PREFIX")]`.
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
/// A caller in another language may pass them by position or by name. `#[default(value)]` replaces a missing
/// argument; a missing `Option` is `None`. Types are owned or borrowed: `&str` and `&[u8]` point into the bytes of
/// the call, any other `&T` or `&[T]` is decoded and owned during the call. `&[u8]` and `Vec<u8>`, also in an `Option`,
/// travel as bytes. A method has at most 16 arguments.
///
/// # Results
///
/// A result is any value that serde can serialize and the client can deserialize. `&str` arrives as a `String`. A
/// `Result<T, E>` arrives as `T`, or as [`CallError::Raised`] with the text of `E`.
///
/// # Read-only methods
///
/// `#[remote(read)]` on a method with `&self` promises that it changes nothing. It runs in order like any other method. It
/// is neither journaled nor replayed, so it may read files or a clock. Its result is not cached: a lost one ends with
/// [`CallError::ResultExpired`], and the caller calls again. `set_client_id` is not called for it; `#[ctx]` names
/// the client.
///
/// # The client
///
/// `connect`, `new`, `client`, `one_way`, `returning`, `with_client_id`, `with_deadline`, `flush` and the list `METHODS`
/// belong to every client, so no remote method can have these names. The client copies the documentation,
/// `#[deprecated]`, `#[must_use]`, `#[allow]` and `#[cfg]` of each method.
pub use remotecall_macros::remote;
pub use remotecall_store::disk::is_sync_failure;
pub use remotecall_store::files::{FileId, FileSet, NewFile, PickPath};
#[doc(hidden)]
pub use remotecall_store::fork::ForkGeneration;
pub use remotecall_store::journal::JournalError;
pub use remotecall_store::spool::{MAX_SPOOL, SpoolError};
pub use remotecall_wire::{
    Args, ArgsError, CallError, ClientId, ClientIdError, FrameError, MAX_ARGS, MAX_BODY, MAX_CALLS,
    MAX_CLIENT_ID, MAX_DEPTH, MAX_FRAME, MAX_PART, MAX_RESULT, ProducerId, name_hash, safe_part,
};
pub use rmp_serde;
pub use server::{RemoteCall, RunError, ServerHandle, StatsSnapshot};

/// Environment variables read unless the application names its own: `REMOTECALL_PASSWORD` and so on.
pub const DEFAULT_ENVIRONMENT: Environment = Environment::with_prefix("REMOTECALL");

/// The tour's code compiles.
#[cfg(doctest)]
#[doc = include_str!("../../docs/guide/remote-calls.md")]
struct Tour;
