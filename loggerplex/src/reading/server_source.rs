//! Source of a remote server's log files: lists and reads them by calls.
//!
//! ```text
//! list_logs(list, change)         files that changed since; the server scans at most every 100 ms
//! read_log(path, id, at, max)     bytes of the file with this identity, also after it was renamed
//! ```
//!
//! A file is read up to its listed length, so one pass over many files shows one moment of all of
//! them.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use remotecall::{CallError, ConnectError, RemoteError, RemoteFuture};
use serde::de::DeserializeOwned;

use super::source::{OpenLog, Source};
use crate::files::{ClientFiles, LogId, group_by_client, rotation_number};
use crate::server::{FileSnapshot, LoggerplexClient, MAX_PART, QUEUE};

/// Time between two questions to the [`WaitPolicy`] while a reply is outstanding: 100 ms.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// Limit on prefetch requests in flight: 32, so 8 MiB.
const MAX_PREFETCHED: usize = 32;

/// Policy for waiting on a server that does not reply. It may also report the outage to the user.
///
/// ```
/// use std::time::Duration;
///
/// use loggerplex::reading::WaitPolicy;
///
/// /// Gives up after ten seconds.
/// struct TenSeconds;
///
/// impl WaitPolicy for TenSeconds {
///     fn keep_waiting(&mut self, waited: Duration) -> bool {
///         waited < Duration::from_secs(10)
///     }
/// }
/// ```
pub trait WaitPolicy {
    /// Decides whether to go on waiting for a reply. Called about ten times a second with the time
    /// waited so far. After `false` the read fails with [`io::ErrorKind::TimedOut`].
    fn keep_waiting(&mut self, waited: Duration) -> bool;

    /// Called when a reply has arrived.
    fn reply_arrived(&mut self) {}
}

/// Source of the log files of a server that is reached through its broker.
///
/// ```
/// use std::time::Duration;
///
/// use loggerplex::reading::{ServerSource, Source, WaitPolicy};
///
/// struct Impatient;
///
/// impl WaitPolicy for Impatient {
///     fn keep_waiting(&mut self, waited: Duration) -> bool {
///         waited < Duration::from_millis(200)
///     }
/// }
///
/// // No server listens there, so the policy ends the wait.
/// let mut source = ServerSource::connect("127.0.0.1:1", "reader", Impatient)?;
/// assert_eq!(source.list().unwrap_err().kind(), std::io::ErrorKind::TimedOut);
/// # Ok::<(), remotecall::ConnectError>(())
/// ```
pub struct ServerSource<P> {
    client: LoggerplexClient,
    policy: P,
    version: Version,
    files: BTreeMap<String, FileSnapshot>,
    /// Requests in flight, by path and offset.
    prefetched: HashMap<(PathBuf, u64), RemoteFuture<Option<Vec<u8>>>>,
}

/// Version of the server's list that this reader has.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Version {
    list: u64,
    change: u64,
    scan: u64,
}

impl<P: WaitPolicy> ServerSource<P> {
    /// Connects to the broker at `address` in the background, under this client id.
    ///
    /// # Errors
    /// Fails when the address or the client id is invalid.
    pub fn connect(address: &str, client_id: &str, policy: P) -> Result<Self, ConnectError> {
        Ok(Self {
            client: LoggerplexClient::connect(address, QUEUE, client_id)?,
            policy,
            version: Version::default(),
            files: BTreeMap::new(),
            prefetched: HashMap::new(),
        })
    }

    /// Calls until a reply arrives. A call whose reply expired is repeated, because these methods
    /// only read.
    fn call_until_replied<T: DeserializeOwned>(
        &mut self,
        mut in_flight: Option<RemoteFuture<T>>,
        call: impl Fn(&LoggerplexClient) -> RemoteFuture<T>,
    ) -> io::Result<T> {
        let start = Instant::now();
        loop {
            let future = in_flight.take().unwrap_or_else(|| call(&self.client));
            match self.wait(&future, start) {
                Err(RemoteError::Call(CallError::ResultExpired)) => {}
                Err(error) => return Err(io::Error::other(explain(error))),
                Ok(None) => {
                    return Err(io::Error::new(
                        io::ErrorKind::TimedOut,
                        "the server does not answer",
                    ));
                }
                Ok(Some(reply)) => {
                    self.policy.reply_arrived();
                    return Ok(reply);
                }
            }
        }
    }

    fn wait<T: DeserializeOwned>(
        &mut self,
        future: &RemoteFuture<T>,
        start: Instant,
    ) -> Result<Option<T>, RemoteError> {
        while self.policy.keep_waiting(start.elapsed()) {
            if let Some(reply) = future.get_timeout(POLL_INTERVAL)? {
                return Ok(Some(reply));
            }
        }
        Ok(None)
    }
}

/// Error text that tells the user what to do, where that is known.
fn explain(error: RemoteError) -> String {
    match error {
        RemoteError::Call(CallError::UnknownMethod(method)) => {
            format!("the server does not know {method}: it is older than this program, update it")
        }
        other => other.to_string(),
    }
}

impl<P: WaitPolicy> Source for ServerSource<P> {
    type File = PathBuf;

    fn list(&mut self) -> io::Result<Option<Vec<ClientFiles>>> {
        self.prefetched.clear();
        let before = self.version;
        loop {
            let Version { list, change, .. } = self.version;
            let listing = self.call_until_replied(None, |client| client.list_logs(list, change))?;
            if listing.list != list {
                self.files.clear();
            }
            for file in listing.files {
                match file.log {
                    Some(log) => drop(self.files.insert(file.path, log)),
                    None => drop(self.files.remove(&file.path)),
                }
            }
            self.version = Version {
                list: listing.list,
                change: listing.change,
                scan: listing.look,
            };
            if !listing.more {
                break;
            }
        }
        if self.version == before {
            return Ok(None);
        }
        let paths = self.files.keys().map(String::as_str);
        Ok(Some(group_by_client(Path::new(""), paths)))
    }

    fn rotated(&mut self, path: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
        let Some(path) = path.to_str() else {
            return Ok(Vec::new());
        };
        let prefix = format!("{path}.");
        let names = self.files.range(prefix.clone()..).map(|(name, _)| name);
        let candidates = names.take_while(|name| name.starts_with(&prefix));
        let mut rotated: Vec<(u64, PathBuf)> = candidates
            .filter_map(|name| Some((rotation_number(path, name)?, PathBuf::from(name))))
            .collect();
        rotated.sort();
        Ok(rotated)
    }

    fn open(&mut self, path: &Path) -> io::Result<OpenLog<PathBuf>> {
        let log = path.to_str().and_then(|path| self.files.get(path));
        let log = log.ok_or(io::ErrorKind::NotFound)?;
        Ok(OpenLog {
            id: log.id.clone(),
            length: log.length,
            modified: DateTime::<Utc>::from_timestamp_nanos(log.modified_ns),
            file: path.to_owned(),
        })
    }

    fn read_at(&mut self, log: &OpenLog<PathBuf>, offset: u64, max: usize) -> io::Result<Vec<u8>> {
        let listed = usize::try_from(log.length.saturating_sub(offset)).unwrap_or(usize::MAX);
        let max = max.min(listed).min(MAX_PART);
        if max == 0 {
            return Ok(Vec::new());
        }
        let in_flight = self.prefetched.remove(&(log.file.clone(), offset));
        let call = |client: &LoggerplexClient| request(client, &log.file, &log.id, offset, max);
        let mut part = self
            .call_until_replied(in_flight, call)?
            .ok_or(io::ErrorKind::NotFound)?;
        part.truncate(max);
        Ok(part)
    }

    fn prefetch(&mut self, path: &Path, offset: &dyn Fn(&LogId, u64) -> u64) {
        let Some(log) = path.to_str().and_then(|path| self.files.get(path)) else {
            return;
        };
        let offset = offset(&log.id, log.length);
        let max = usize::try_from(log.length.saturating_sub(offset)).unwrap_or(usize::MAX);
        if max > 0 && self.prefetched.len() < MAX_PREFETCHED {
            let part = request(&self.client, path, &log.id, offset, max.min(MAX_PART));
            self.prefetched.insert((path.to_owned(), offset), part);
        }
    }
}

fn request(
    client: &LoggerplexClient,
    path: &Path,
    id: &LogId,
    offset: u64,
    max: usize,
) -> RemoteFuture<Option<Vec<u8>>> {
    client.read_log(&path.to_string_lossy(), id, offset, max as u64)
}

impl<P> Drop for ServerSource<P> {
    /// Closes at once: no outstanding read matters any more.
    fn drop(&mut self) {
        let _ = self.client.client().close(Duration::ZERO);
    }
}
