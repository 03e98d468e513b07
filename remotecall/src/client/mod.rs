//! The client: the calling side of a queue.
//!
//! ```text
//! caller ─► send window: open frame ─► closed frames ─► sender thread ─► broker
//!              ▲                            ▲ kept until acknowledged
//!              └── replies ◄── reader thread (only when futures are used)
//! ```
//!
//! A call only appends to a buffer in memory. Network I/O happens in the two threads, each with one blocking
//! connection of its own. A caller that waits for the only outstanding call borrows both ([`inline_io`]).

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

use std::cell::RefCell;
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::mpsc::Receiver;
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

/// Flush timeout when the last handle of a client is dropped, 5 s.
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Time after which a server counts as missing, 30 s: its lease is gone from the broker, or the broker is unreachable.
pub const MISSING_AFTER: Duration = Duration::from_secs(30);
/// Granularity of call times, 256 ns: finer bits would be most of the bytes of a small call in a frame, and a time as
/// float64 seconds since 1970 cannot hold them (its neighbours are 238 ns apart).
const CLOCK_STEP: i64 = 256;
/// Longest wait of a closing client for the end of its sender thread, 200 ms.
const GOODBYE: Duration = Duration::from_millis(200);
/// Capacity of the encode buffer that each calling thread keeps, in bytes.
const KEEP_ENCODED: usize = 64 << 10;

/// Options of a client: send window, linger time and spool.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Size of the send window: limit on the unacknowledged bytes in memory. Default 64 MiB.
    pub window: usize,
    /// Policy for a call that finds the window full. Default [`WhenFull::DropNewest`].
    pub when_full: WhenFull,
    /// Linger time: how long a one-way call may wait for others to share its frame. Default 50 ms.
    pub linger: Duration,
    /// Directory of spools. Each call is written there before it returns and kept until it is acknowledged, so it survives a
    /// kill of this process, though not of the machine. Costs about one system call per call. The next client of the
    /// same queue and client id with the same directory delivers the rest before its own calls, as does [`drain`].
    /// Processes may share a directory; each has its own spool in it. Calls that cannot be written stay in memory and
    /// are counted ([`ClientStats::unspooled`]). Default: none.
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

/// Error of [`Client::connect`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The client id is invalid.
    #[error(transparent)]
    ClientId(#[from] ClientIdError),
    /// The address cannot be parsed.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The queue name is invalid.
    #[error(transparent)]
    Queue(#[from] QueueNameError),
    /// The system refused a random id or a thread.
    #[error("the system refused a resource: {0}")]
    System(String),
    /// The spool cannot be used.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// [`WhenFull::Spill`] needs a spool.
    #[error("a full send window can spill only into a spool, and none is configured: name its directory")]
    SpillWithoutSpool,
}

/// Client of a queue under one client id.
///
/// Clones share their threads, their send window and the order of calls. The last one flushes when it is dropped, up
/// to [`CLOSE_TIMEOUT`].
///
/// ```
/// use std::time::Duration;
/// use remotecall::embedded::{BrokerOptions, EmbeddedBroker};
/// use remotecall::{Client, RemoteCall, remote};
///
/// struct Sum(i64);
///
/// #[remote]
/// impl Sum {
///     pub fn add(&mut self, n: i64) -> i64 {
///         self.0 += n;
///         self.0
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let listen = ([127, 0, 0, 1], 0).into();
/// let broker = EmbeddedBroker::start(BrokerOptions::new(listen))?;
/// let server = RemoteCall::new(Sum(0)).queue("sum").has_return_value(true).start(&broker.own_address())?;
///
/// let client = Client::connect(&broker.own_address(), "sum", "agent/1")?;
/// client.send("add", &(1,));
/// let total: i64 = client.call("add", &(2,)).get()?;
/// assert_eq!(total, 3);
/// client.flush(Duration::from_secs(5))?;
/// # drop(server);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client {
    id: Arc<ClientId>,
    handle: Arc<Handle>,
    deadline_ms: Option<u64>,
}

/// State shared by all clones of a client; dropping it closes the connection.
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
    /// Disconnects when the sender thread ends.
    sender_has_ended: Mutex<Option<Receiver<Infallible>>>,
}

impl Client {
    /// Makes a client of `queue` at `address` with the default options. Does not wait for the network: while the broker
    /// is unreachable, calls gather in the send window.
    ///
    /// # Errors
    /// When the address, the queue name or the client id is invalid.
    pub fn connect(address: &str, queue: &str, client_id: &str) -> Result<Self, ConnectError> {
        Self::connect_with(address, queue, client_id, ClientOptions::default())
    }

    /// Makes a client with options, like [`connect`](Self::connect).
    ///
    /// # Errors
    /// When the address, the queue name or the client id is invalid, or the spool cannot be used.
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
            queue: access.address.queue(queue),
            client_id: client_id.to_owned(),
            address: access.address.to_string(),
        };
        let handle = Handle::open(access, Keys::new(&owner.queue)?, owner, options)?;
        Ok(Self {
            id: Arc::new(id),
            handle: Arc::new(handle),
            deadline_ms: None,
        })
    }

    /// Returns the same client under another client id.
    ///
    /// # Errors
    /// When the client id is invalid.
    pub fn with_client_id(&self, client_id: &str) -> Result<Self, ClientIdError> {
        Ok(Self {
            id: Arc::new(ClientId::new(client_id)?),
            ..self.clone()
        })
    }

    /// Returns the same client with a deadline for its calls, in whole milliseconds after each call. A server that comes to
    /// a call later does not run it, and its future ends with [`CallError::DeadlineExceeded`]. The broker's clock
    /// measures the delay, so the clocks of worker and server need not agree.
    ///
    /// [`CallError::DeadlineExceeded`]: crate::CallError::DeadlineExceeded
    #[must_use]
    pub fn with_deadline(&self, deadline: Duration) -> Self {
        Self {
            deadline_ms: Some(u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX)),
            ..self.clone()
        }
    }

    /// Client id of this handle.
    pub fn client_id(&self) -> &ClientId {
        &self.id
    }

    /// Calls `method` and returns a future of its result. `args` serializes as an array with one element per argument.
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

    /// Calls `method` one-way. A call that cannot be queued is counted ([`stats`](Self::stats)) and logged.
    pub fn send<A: Serialize + ?Sized>(&self, method: &str, args: &A) {
        let write = |out: &mut Vec<u8>| rmp_serde::encode::write_named(out, args);
        if let Err(error) = self.push(method, ReplyMode::Nothing, false, write) {
            self.handle.report(&error);
        }
    }

    /// Calls `method` with positional and named arguments. The future ends with the call's error, or with `()` once the
    /// call is acknowledged: the server sends no reply for a call without an error.
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
        encode(write, |args| match args {
            Ok(args) => self.push_encoded_args(method, reply, has_named, args),
            Err(error) => Err(self.unencodable(&error)),
        })
    }

    fn push_encoded_args(
        &self,
        method: &str,
        reply: ReplyMode,
        has_named: bool,
        args: &[u8],
    ) -> Result<Pushed, NotQueued> {
        if !self.is_here() {
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
        self.handle.window.push(&call, args)
    }

    fn unencodable(&self, error: &impl std::fmt::Display) -> NotQueued {
        let error = NotQueued::Unencodable(error.to_string());
        if self.is_here() {
            self.handle.window.count_dropped(&error);
        }
        error
    }

    /// Waits up to `timeout` until every call so far is on the server's disk and visible to readers.
    ///
    /// # Errors
    /// When the timeout passes, with the number of outstanding calls; and when calls were dropped, or refused by the
    /// server, since the last flush.
    pub fn flush(&self, timeout: Duration) -> Result<(), FlushError> {
        self.handle.flush(timeout)
    }

    /// Flushes up to `timeout` and closes the client and its clones; later calls are refused.
    ///
    /// # Errors
    /// As for [`flush`](Self::flush); outstanding calls are lost, or stay in the spool.
    pub fn close(&self, timeout: Duration) -> Result<(), FlushError> {
        self.handle.close(timeout)
    }

    /// True if the client was closed, so that calls are refused.
    pub fn is_closed(&self) -> bool {
        self.handle.fork_generation.is_current() && self.handle.window.is_closed()
    }

    /// True if futures wait and no server has been seen for [`MISSING_AFTER`]. Futures go on waiting, because the server
    /// may come back. The client logs it once.
    pub fn server_is_missing(&self) -> bool {
        self.handle.fork_generation.is_current() && self.handle.window.server_is_missing()
    }

    /// Reason why the broker cannot be reached; `None` while it can, or before the first attempt.
    pub fn outage(&self) -> Option<String> {
        self.is_here().then(|| self.handle.access.outage()).flatten()
    }

    /// Address of the broker, without secrets.
    pub fn address(&self) -> String {
        self.handle.access.address.to_string()
    }

    /// Counters since the client was made.
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

    /// Spawns the sender thread; the reader thread starts with the first future.
    fn start(access: Endpoint, keys: Keys, owner: Owner, window: Window) -> Result<Self, ConnectError> {
        let window = Arc::new(window);
        let sending = Arc::new(Handoff::new());
        let (sender, sender_has_ended) =
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
            sender_has_ended: Mutex::new(Some(sender_has_ended)),
        })
    }

    fn report(&self, error: &NotQueued) {
        match self.fork_generation.is_current() {
            true => self.window.report(error),
            false => tracing::warn!("one-way call lost: {error}"),
        }
    }

    /// Flushes; in a child process after a fork nothing is outstanding.
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
        let (window, handoff) = (self.window.clone(), self.reading.clone());
        match reader::start(window, self.access.clone(), self.keys.lease.clone(), handoff) {
            Ok(thread) => *reader = Some(thread),
            Err(error) => tracing::error!(%error, "cannot start the reply thread; futures will not complete"),
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
            tracing::warn!(%address, unspooled, "client closed; dropped calls: {}", stats.dropped);
        }
        if result.is_ok() {
            // It says goodbye to the server; a process that exits at once would cut it off.
            let ended = self
                .sender_has_ended
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let _ = ended.as_ref().map(|ended| ended.recv_timeout(GOODBYE));
        }
        // The threads end by themselves; a thread that hangs in network I/O is not joined.
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

/// Encodes the arguments of a call with `write` and passes them to `with`.
///
/// No lock is held while `write` runs, because it calls the user's `Serialize`, which may call this client again. Each
/// thread reuses one buffer; a call inside a call gets a buffer of its own.
fn encode<E, R>(
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    with: impl FnOnce(Result<&[u8], E>) -> R,
) -> R {
    thread_local! {
        static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    // Taken out, so that a call made by `write` finds an empty buffer instead of a borrowed one.
    let mut buffer = BUFFER.try_with(RefCell::take).unwrap_or_default();
    let written = write(&mut buffer);
    let result = with(written.map(|()| buffer.as_slice()));
    buffer.clear();
    buffer.shrink_to(KEEP_ENCODED);
    // While the thread ends there is no buffer to give back.
    let _ = BUFFER.try_with(|kept| kept.replace(buffer));
    result
}

fn refused(error: impl std::fmt::Display) -> ConnectError {
    ConnectError::System(error.to_string())
}

/// Time by the caller's clock, in nanoseconds since 1970-01-01 UTC, rounded down to [`CLOCK_STEP`].
fn now_ns() -> i64 {
    let ns = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_secs() as i64 * 1_000_000_000 + i64::from(since.subsec_nanos()),
        Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |ns| -ns),
    };
    ns & !(CLOCK_STEP - 1)
}

#[cfg(test)]
mod tests {
    use serde::Serializer;

    use super::*;

    /// An argument whose encoding logs through the same client.
    struct Logging<'a>(&'a Client);

    impl Serialize for Logging<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            self.0.send("log", &("encoding",));
            serializer.serialize_i64(7)
        }
    }

    #[test]
    fn an_argument_may_call_the_client_while_it_is_encoded() {
        let (done, is_done) = std::sync::mpsc::channel();
        // In a thread, so that a deadlock is a failure and not a hanging test.
        std::thread::spawn(move || {
            let client = Client::connect("127.0.0.1:1", "q", "c").unwrap();
            client.send("set", &(Logging(&client),));
            let stats = client.stats();
            let _ = client.close(Duration::ZERO);
            done.send((stats.taken, stats.dropped.total())).unwrap();
        });
        assert_eq!(is_done.recv_timeout(Duration::from_secs(60)), Ok((2, 0)));
    }

    #[test]
    fn a_call_inside_an_argument_keeps_both_encodings() {
        let inner = |out: &mut Vec<u8>| {
            out.extend_from_slice(b"inner");
            Ok::<(), ()>(())
        };
        let outer = |out: &mut Vec<u8>| {
            out.extend_from_slice(b"out");
            encode(inner, |args| assert_eq!(args, Ok(&b"inner"[..])));
            out.extend_from_slice(b"er");
            Ok::<(), ()>(())
        };
        encode(outer, |args| assert_eq!(args, Ok(&b"outer"[..])));
    }
}
