//! The caller's end of a queue.
//!
//! ```text
//! caller ─► window: open frame ─► closed frames ─► sender thread ─► broker
//!              ▲                        ▲ kept until acked
//!              └── replies ◄── reader thread (only when futures are used)
//! ```
//!
//! A call only appends to a buffer in memory. Everything that touches the network happens in the two threads, each
//! with one blocking connection of its own; a caller that waits for the only call that is out borrows both
//! ([`caller`]).

mod backoff;
mod drain;
mod fork;
mod future;
mod handoff;
mod heartbeat;
mod inline_io;
mod raw_call;
mod reader;
mod sender;
mod session;
mod stats;
mod window;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{ClientId, ClientIdError, DEFAULT_ENVIRONMENT, SpoolError};
use remotecall_connection::{Address, AddressError, Endpoint, Environment, Keys, QueueNameError, Role};
use remotecall_store::fork::ForkGeneration;
use remotecall_store::spool::{Owner, Spool};
use remotecall_wire::{NewCall, ProducerId, ReplyMode};

pub(crate) use backoff::Backoff;
pub use drain::{DrainError, DrainOutcome, Drained, drain};
pub use future::{RemoteError, RemoteFuture};
use handoff::Handoff;
pub use raw_call::{Encoded, EncodedArgs};
pub use stats::{ClientStats, Dropped};
pub use window::{FlushError, NotQueued, WhenFull};
use window::{Pushed, Window};

/// How long the last handle of a client waits for acknowledgements when it is dropped.
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// A server whose lease is gone from the broker for this long, or that cannot be asked for because the broker is away,
/// counts as missing.
pub const MISSING_AFTER: Duration = Duration::from_secs(30);
/// Times of calls are whole multiples of this, in nanoseconds: an event file has them as float64 seconds, which are 238 ns
/// apart, and what is below would be most of what a call weighs in a frame.
const CLOCK_STEP: i64 = 256;

/// How a client keeps what is not acknowledged yet.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Most bytes kept in memory until they are acknowledged.
    pub window: usize,
    /// What happens to a call when the window is full.
    pub when_full: WhenFull,
    /// How long a call without a future may wait for others to share its frame.
    pub linger: Duration,
    /// A directory in which every call is kept until it is acknowledged, written before the call returns: what was taken
    /// then survives a kill of this process, though not of the machine. It costs about a system call per call. The next
    /// client of the same queue and client id with the same directory delivers the rest, before its own calls, as does
    /// [`drain`]. Processes may share a directory; each has a spool of its own in it. Calls that cannot be written are
    /// kept in memory, and counted ([`ClientStats::unspooled`]).
    pub spool: Option<PathBuf>,
    /// Environment variables with the credentials that the address does not name.
    pub environment: Environment,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            window: 64 << 20,
            when_full: WhenFull::DropNewest,
            linger: Duration::from_millis(50),
            spool: None,
            environment: DEFAULT_ENVIRONMENT,
        }
    }
}

/// A client could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The client id cannot be used.
    #[error(transparent)]
    ClientId(#[from] ClientIdError),
    /// The address cannot be understood.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The queue's name cannot be used.
    #[error(transparent)]
    Queue(#[from] QueueNameError),
    /// The system gave no random id or no thread.
    #[error("the system refused a resource: {0}")]
    System(String),
    /// The spool cannot be used.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// Frames cannot be spilled into a spool when there is none.
    #[error("a full window can spill only into a spool, and there is none: name its directory")]
    SpillWithoutSpool,
}

/// A handle to a queue under one client id. Handles made from one another share their threads, their
/// window and their place in the order of calls.
#[derive(Clone)]
pub struct Client {
    id: Arc<ClientId>,
    handle: Arc<Handle>,
    deadline_ms: Option<u64>,
}

/// What all handles share; its end closes the connection.
struct Handle {
    window: Arc<Window>,
    access: Endpoint,
    keys: Keys,
    owner: Owner,
    fork_generation: ForkGeneration,
    sending: Arc<Handoff<session::Session>>,
    reading: Arc<Handoff<reader::Reader>>,
    reader: Mutex<Option<std::thread::JoinHandle<()>>>,
    sender: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl Client {
    /// A client of `queue` at `address` with the default options. Does not wait for the network: when the
    /// broker is away, calls gather in the window until it comes.
    ///
    /// # Errors
    /// When the address, the queue's name or the id cannot be used.
    pub fn connect(address: &str, queue: &str, client_id: &str) -> Result<Self, ConnectError> {
        Self::connect_with(address, queue, client_id, ClientOptions::default())
    }

    /// Like [`connect`](Self::connect), with options.
    ///
    /// # Errors
    /// When the address, the queue's name or the id cannot be used.
    pub fn connect_with(
        address: &str,
        queue: &str,
        client_id: &str,
        options: ClientOptions,
    ) -> Result<Self, ConnectError> {
        let id = ClientId::new(client_id)?;
        let address = Address::parse_with(address, &options.environment)?;
        let access = Endpoint::new(address, Role::Worker);
        let owner = Owner {
            queue: queue.to_owned(),
            client_id: client_id.to_owned(),
            address: access.address.to_string(),
        };
        let handle = Handle::open(access, Keys::new(queue)?, owner, options)?;
        Ok(Self {
            id: Arc::new(id),
            handle: Arc::new(handle),
            deadline_ms: None,
        })
    }

    /// The same connection under another client id.
    ///
    /// # Errors
    /// When the id cannot be used.
    pub fn with_client_id(&self, client_id: &str) -> Result<Self, ClientIdError> {
        Ok(Self {
            id: Arc::new(ClientId::new(client_id)?),
            ..self.clone()
        })
    }

    /// The same connection for calls that are worth nothing later than `deadline` after they were made: a server that
    /// gets to one only then does not run it, and its future ends with [`CallError::DeadlineExceeded`]. How late it
    /// is says the broker's clock, so that the clocks of worker and server need not agree. In whole milliseconds.
    ///
    /// [`CallError::DeadlineExceeded`]: crate::CallError::DeadlineExceeded
    #[must_use]
    pub fn with_deadline(&self, deadline: Duration) -> Self {
        Self {
            deadline_ms: Some(u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX)),
            ..self.clone()
        }
    }

    /// The client id of this handle.
    pub fn client_id(&self) -> &ClientId {
        &self.id
    }

    /// Calls `method` and returns a future of its result. `args` serializes as an array, one element per argument.
    pub fn call<A: Serialize + ?Sized, T: DeserializeOwned>(
        &self,
        method: &str,
        args: &A,
    ) -> RemoteFuture<T> {
        let write = |out: &mut Vec<u8>| rmp_serde::encode::write_named(out, args);
        RemoteFuture::new(
            self.handle.clone(),
            self.push(method, ReplyMode::Result, false, write),
        )
    }

    /// Calls `method`; nothing comes back. A call that cannot be taken is counted, see [`stats`](Self::stats).
    pub fn send<A: Serialize + ?Sized>(&self, method: &str, args: &A) {
        let write = |out: &mut Vec<u8>| rmp_serde::encode::write_named(out, args);
        if let Err(error) = self.push(method, ReplyMode::Nothing, false, write) {
            self.handle.report(&error);
        }
    }

    /// Calls `method` with arguments by place and by name. The future ends with the call's error, or, when
    /// there was none, with `()` as soon as the call is acknowledged: nothing travels back for a call that
    /// went well.
    pub fn check<A: Serialize + ?Sized, N: Serialize + ?Sized>(
        &self,
        method: &str,
        args: &A,
        named: &N,
    ) -> RemoteFuture<()> {
        let write = |out: &mut Vec<u8>| {
            rmp_serde::encode::write_named(out, args)?;
            rmp_serde::encode::write_named(out, named)
        };
        RemoteFuture::new(
            self.handle.clone(),
            self.push(method, ReplyMode::ErrorOnly, true, write),
        )
    }

    fn push<E: std::fmt::Display>(
        &self,
        method: &str,
        reply: ReplyMode,
        has_named: bool,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<Pushed, NotQueued> {
        if !self.handle.fork_generation.is_current() {
            return Err(NotQueued::OtherProcess);
        }
        if reply != ReplyMode::Nothing {
            self.handle.start_reader();
        }
        let call = NewCall {
            method,
            client: self.id.as_str(),
            reply,
            time_ns: now_ns(),
            deadline_ms: self.deadline_ms,
            has_named,
        };
        self.handle.window.push(&call, write)
    }

    /// Waits until everything called before is on the server's disk and visible to readers.
    ///
    /// # Errors
    /// When that has not happened after `timeout`, with the number of calls outstanding; and when calls
    /// were dropped since the last flush.
    pub fn flush(&self, timeout: Duration) -> Result<(), FlushError> {
        self.handle.flush(timeout)
    }

    /// Flushes and ends the connection for all handles; later calls are refused.
    ///
    /// # Errors
    /// As for [`flush`](Self::flush); what is outstanding then is lost, or stays in the spool.
    pub fn close(&self, timeout: Duration) -> Result<(), FlushError> {
        self.handle.close(timeout)
    }

    /// Whether the client was closed; later calls are refused.
    pub fn is_closed(&self) -> bool {
        self.handle.fork_generation.is_current() && self.handle.window.is_closed()
    }

    /// Whether calls wait for their results and no server has been seen for [`MISSING_AFTER`]. A future still waits: the
    /// server may come back. The client logs it once.
    pub fn server_is_missing(&self) -> bool {
        self.handle.fork_generation.is_current() && self.handle.window.server_is_missing()
    }

    /// What happened so far.
    pub fn stats(&self) -> ClientStats {
        match self.handle.fork_generation.is_current() {
            true => self.handle.window.stats(),
            false => ClientStats::default(),
        }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("id", &self.id)
            .field("address", &self.handle.access.address)
            .finish()
    }
}

impl Handle {
    fn open(
        access: Endpoint,
        keys: Keys,
        owner: Owner,
        options: ClientOptions,
    ) -> Result<Self, ConnectError> {
        let producer = ProducerId::random().map_err(refused)?;
        let window = match &options.spool {
            None if options.when_full == WhenFull::Spill => return Err(ConnectError::SpillWithoutSpool),
            None => Window::new(producer, options),
            Some(root) => Window::with_spool(Spool::open(root, producer, owner.clone())?, options),
        };
        Self::start(access, keys, owner, window)
    }

    /// Has threads work for `window`.
    fn start(access: Endpoint, keys: Keys, owner: Owner, window: Window) -> Result<Self, ConnectError> {
        let window = Arc::new(window);
        let sending = Arc::new(Handoff::new());
        let sender =
            sender::start(window.clone(), access.clone(), keys.clone(), sending.clone()).map_err(refused)?;
        Ok(Self {
            window,
            access,
            keys,
            owner,
            fork_generation: ForkGeneration::now().map_err(refused)?,
            sending,
            reading: Arc::new(Handoff::new()),
            reader: Mutex::new(None),
            sender: Mutex::new(Some(sender)),
        })
    }

    fn report(&self, error: &NotQueued) {
        match self.fork_generation.is_current() {
            true => self.window.report(error),
            false => tracing::warn!("call not taken: {error}"),
        }
    }

    /// In another process nothing is outstanding.
    fn flush(&self, timeout: Duration) -> Result<(), FlushError> {
        match self.fork_generation.is_current() {
            true => self.window.flush(timeout),
            false => Ok(()),
        }
    }

    fn start_reader(&self) {
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        if reader.is_some() {
            return;
        }
        let (window, turn) = (self.window.clone(), self.reading.clone());
        match reader::start(window, self.access.clone(), self.keys.lease.clone(), turn) {
            Ok(thread) => *reader = Some(thread),
            Err(error) => tracing::error!(%error, "no thread for the replies; futures will not be answered"),
        }
    }

    fn close(&self, timeout: Duration) -> Result<(), FlushError> {
        if !self.fork_generation.is_current() {
            return Ok(());
        }
        let result = self.window.flush(timeout);
        let stats = self.window.stats();
        if !self.window.close() && stats.dropped.total() + stats.unspooled > 0 {
            let (address, unspooled) = (&self.access.address, stats.unspooled);
            tracing::warn!(%address, unspooled, "client closed; calls were dropped: {}", stats.dropped);
        }
        // The threads end by themselves; one that hangs in the network is not waited for.
        for thread in [&self.sender, &self.reader] {
            let thread = thread.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(thread) = thread.filter(|thread| thread.is_finished()) {
                let _ = thread.join();
            }
        }
        result
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if !self.fork_generation.is_current() {
            return self.leave_threads_alone();
        }
        if self.window.is_closed() {
            return;
        }
        if let Err(error) = self.close(CLOSE_TIMEOUT) {
            tracing::warn!(address = %self.access.address, "client dropped: {error}");
        }
    }
}

fn refused(error: impl std::fmt::Display) -> ConnectError {
    ConnectError::System(error.to_string())
}

/// The caller's clock: nanoseconds since 1970-01-01 UTC, in steps of [`CLOCK_STEP`].
fn now_ns() -> i64 {
    let ns = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_secs() as i64 * 1_000_000_000 + i64::from(since.subsec_nanos()),
        Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |ns| -ns),
    };
    ns & !(CLOCK_STEP - 1)
}
