//! The server: serves one object on a queue.

mod admission;
mod commit;
mod event_loop;
mod lease;
mod lease_guard;
mod mutants;
mod object;
mod reply_cache;
mod stats;
mod stream_reader;

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::client::Backoff;
use crate::{DEFAULT_ENVIRONMENT, Durable, Remote};
use remotecall_connection::{
    Address, AddressError, Connection, Endpoint, Environment, Keys, QueueNameError, Role,
};
use remotecall_store::disk::make_dir;
use remotecall_store::journal::JournalError;

use admission::Admission;
use commit::Commit;
use event_loop::EventLoop;
use lease::{Attempt, Lease};
use lease_guard::LeaseGuard;
use object::{Checkpointed, JournalOnly, ServedObject};
pub use stats::StatsSnapshot;
use stats::{Stats, WRONG_TYPE};
use stream_reader::{StreamReader, pause};

/// Error of a server that could not start or had to end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The address cannot be parsed.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The queue name is invalid.
    #[error(transparent)]
    Queue(#[from] QueueNameError),
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// fsync of one of the object's files failed, so the content of the disk is unknown.
    #[error("{0}")]
    Sync(io::Error),
    /// The object failed to save its checkpoint.
    #[error("checkpoint failed: {0}; restart to recover from the journal")]
    Checkpoint(io::Error),
    /// The object rejected its checkpoint.
    #[error("the checkpoint does not fit the object: {0}")]
    Restore(io::Error),
    /// The object failed to write its files during the replay.
    #[error("recovery cannot write to the object's files: {0}")]
    Recovery(io::Error),
    /// Another server serves this queue.
    #[error(
        "{queue_key} is held by the server at {holder}: each queue has one server; stop that one, or give this one another \
         queue (?queue=NAME in its address and in that of its clients)"
    )]
    QueueTaken {
        /// Key of the lease.
        queue_key: String,
        /// Place, process and start time of the other server.
        holder: String,
    },
    /// The system refused a thread or a signal handler.
    #[error("the system refused a resource: {0}")]
    System(io::Error),
    /// A thread of the server panicked.
    #[error("the server's thread panicked")]
    Panicked,
}

/// Server of one object.
///
/// ```no_run
/// # struct MyObject;
/// # impl remotecall::Remote for MyObject {
/// #     fn method(&self, _: &str) -> Option<usize> { None }
/// #     fn call(&mut self, _: &remotecall::CallContext<'_>, _: usize, _: &remotecall::Args<'_>, _: &mut Vec<u8>)
/// #         -> Result<(), remotecall::CallError> { Ok(()) }
/// # }
/// # fn main() -> Result<(), remotecall::RunError> {
/// remotecall::RemoteCall::new(MyObject).queue("remotecall").run("127.0.0.1:6379")
/// # }
/// ```
pub struct RemoteCall<O> {
    object: O,
    queue: String,
    has_client_id: bool,
    has_return_value: bool,
    journal: Option<PathBuf>,
    environment: Environment,
    wrap: fn(O) -> Box<dyn ServedObject>,
}

impl<O: Remote> RemoteCall<O> {
    /// Makes a server of `object` on the queue `remotecall`, with client ids and return values, without a journal.
    ///
    /// Without a journal the server acknowledges a call after it ran. Its effect lives in this process: when the process
    /// dies the object is gone, and calls that were not acknowledged run on the next one.
    pub fn new(object: O) -> Self {
        Self {
            object,
            queue: "remotecall".to_owned(),
            has_client_id: true,
            has_return_value: true,
            journal: None,
            environment: DEFAULT_ENVIRONMENT,
            wrap: |object| Box::new(JournalOnly(object)),
        }
    }

    /// Sets the queue name.
    #[must_use]
    pub fn queue(mut self, name: &str) -> Self {
        name.clone_into(&mut self.queue);
        self
    }

    /// Sets whether the object is told the client id before each call. Default: true.
    #[must_use]
    pub fn has_client_id(mut self, yes: bool) -> Self {
        self.has_client_id = yes;
        self
    }

    /// Sets whether results are returned. Without, a call that wants one ends with an error. Default: true.
    #[must_use]
    pub fn has_return_value(mut self, yes: bool) -> Self {
        self.has_return_value = yes;
        self
    }

    /// Journals every call in `dir`. After a crash the server replays the calls on a new object, in the same order. The
    /// journal grows with every call; an object with checkpoints uses [`durable`](Self::durable) instead.
    #[must_use]
    pub fn journal(mut self, dir: &Path) -> Self {
        self.journal = Some(dir.to_owned());
        self
    }

    /// Environment variables with the credentials that the address does not name: `PREFIX_PASSWORD` and so on. The
    /// default prefix is `REMOTECALL`.
    #[must_use]
    pub fn environment(mut self, prefix: &'static str) -> Self {
        self.environment = Environment::with_prefix(prefix);
        self
    }

    /// Replays the journal and saves a checkpoint, without a broker. Then the settings of the object may change.
    ///
    /// # Errors
    /// When the journal cannot be used, or the object cannot write its files.
    pub fn recover(self) -> Result<(), RunError> {
        let stats = Arc::new(Stats::new(&self.queue));
        let admission = Admission::new(
            (self.wrap)(self.object),
            stats,
            self.has_client_id,
            self.has_return_value,
        );
        Commit::recover(admission, self.journal.as_deref(), Arc::default()).map(drop)
    }

    /// Serves until SIGTERM or SIGINT, then drains the queue, makes a checkpoint, and returns.
    ///
    /// # Errors
    /// When the server cannot start or has to end.
    pub fn run(self, address: &str) -> Result<(), RunError> {
        let stop = Arc::new(AtomicBool::new(false));
        for number in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
            signal_hook::flag::register(number, stop.clone()).map_err(RunError::System)?;
        }
        self.run_until(address, stop)
    }

    /// Serves in this thread until `stop` becomes true, then drains the queue, makes a checkpoint, and returns. This thread
    /// makes every call of the object.
    ///
    /// # Errors
    /// When the server cannot start or has to end.
    pub fn run_until(self, address: &str, stop: Arc<AtomicBool>) -> Result<(), RunError> {
        self.prepare(address, stop)?.run()
    }

    /// Recovers from the journal, then serves in a thread of its own. Waits for a broker that is unreachable.
    ///
    /// # Errors
    /// When the address, the queue name or the journal cannot be used.
    pub fn start(self, address: &str) -> Result<ServerHandle, RunError> {
        let name = format!("serve-{}", self.queue);
        let stop = Arc::new(AtomicBool::new(false));
        let starting = self.prepare(address, stop.clone())?;
        let stats = starting.stats.clone();
        let thread = std::thread::Builder::new()
            .name(name)
            .spawn(move || starting.run())
            .map_err(RunError::System)?;
        Ok(ServerHandle { stop, stats, thread })
    }

    fn prepare(self, address: &str, stop: Arc<AtomicBool>) -> Result<Starting, RunError> {
        let access = Endpoint::new(Address::parse_with(address, &self.environment)?, Role::Server);
        let queue = access.address.queue(&self.queue);
        let keys = Keys::new(&queue)?;
        let stats = Arc::new(Stats::new(&queue));
        let place = place(self.journal.as_deref());
        let admission = Admission::new(
            (self.wrap)(self.object),
            stats.clone(),
            self.has_client_id,
            self.has_return_value,
        );
        let commit = Commit::recover(admission, self.journal.as_deref(), stop.clone())?;
        Ok(Starting {
            commit,
            access,
            keys,
            place,
            stop,
            stats,
        })
    }
}

impl<O: Durable> RemoteCall<O> {
    /// Journals every call in `dir`, for an object with checkpoints: each one shortens the journal.
    #[must_use]
    pub fn durable(mut self, dir: &Path) -> Self {
        self.wrap = |object| Box::new(Checkpointed(object));
        self.journal(dir)
    }
}

/// Handle of a server that runs in a thread of its own.
pub struct ServerHandle {
    stop: Arc<AtomicBool>,
    stats: Arc<Stats>,
    thread: JoinHandle<Result<(), RunError>>,
}

impl ServerHandle {
    /// Counters since the start.
    pub fn stats(&self) -> StatsSnapshot {
        self.stats.snapshot()
    }

    /// True if the server has ended by itself; [`stop`](Self::stop) returns the reason.
    pub fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// Asks the server to drain the queue, make a checkpoint and end; does not wait.
    pub fn request_stop(&self) {
        self.stop.store(true, Relaxed);
    }

    /// Works off what is in the queue, saves, and ends. Returns the last numbers.
    ///
    /// # Errors
    /// Why the server had to end.
    pub fn stop(self) -> Result<StatsSnapshot, RunError> {
        self.request_stop();
        self.thread.join().map_err(|_| RunError::Panicked)??;
        Ok(self.stats.snapshot())
    }
}

/// A server that waits for its lease.
struct Starting {
    commit: Commit,
    access: Endpoint,
    keys: Keys,
    place: String,
    stop: Arc<AtomicBool>,
    stats: Arc<Stats>,
}

impl Starting {
    fn run(self) -> Result<(), RunError> {
        let mut lease = Lease::new(&self.keys, self.place.clone());
        let Some(link) = self.wait_for_lease(&mut lease)? else {
            return Ok(());
        };
        let reader = StreamReader::start(
            self.access.clone(),
            self.keys.clone(),
            self.stop.clone(),
            self.stats.clone(),
        )
        .map_err(RunError::System)?;
        let event_loop = EventLoop {
            commit: self.commit,
            access: self.access,
            keys: self.keys,
            stop: self.stop,
            stats: self.stats,
            reader,
            lease: LeaseGuard::new(lease, link),
            checked: 0,
        };
        event_loop.run()
    }

    /// Waits for the lease; `None` when the server is stopped first.
    fn wait_for_lease(&self, lease: &mut Lease) -> Result<Option<Connection>, RunError> {
        let mut backoff = Backoff::new();
        while !self.stop.load(Relaxed) {
            let attempt = Connection::open(&self.access, Duration::ZERO).and_then(|mut link| {
                let attempt = lease.hold(&mut link)?;
                Ok((attempt, link))
            });
            match attempt {
                Ok((Attempt::Held, link)) => return Ok(Some(link)),
                Ok((Attempt::Taken(holder), _)) => {
                    return Err(RunError::QueueTaken {
                        queue_key: lease.key.clone(),
                        holder,
                    });
                }
                Ok((Attempt::Wait, _)) => {}
                Ok((Attempt::WrongType, _)) => {
                    self.stats.refuse(WRONG_TYPE, &self.keys.lease);
                }
                Err(error) => self.access.is_out(&error, "waiting for it"),
            }
            pause(backoff.next(), &self.stop);
        }
        Ok(None)
    }
}

/// Place of this server: two servers with the same place share the lock of one directory.
fn place(journal: Option<&Path>) -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let place = journal.and_then(|dir| {
        make_dir(dir).ok()?;
        let meta = std::fs::metadata(dir).ok()?;
        // Containers may give the same path to several directories.
        Some(format!(
            "{} ({:x}:{:x})",
            dir.canonicalize().ok()?.display(),
            meta.dev(),
            meta.ino()
        ))
    });
    match place {
        Some(place) => format!("{host}:{place}"),
        None => format!("{host}:{:016x}", getrandom::u64().unwrap_or_default()),
    }
}
