//! The log files of a server elsewhere: listed and read by calls.
//!
//! ```text
//! list_logs(list, change)         what changed since, a look of the server's at most every tenth of a second
//! read_log(path, id, at, max)     bytes of the file with this id, also when it has moved since
//! ```
//!
//! A file is read as far as it was listed, so that a look at many files is one of the same moment.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use remotecall::{CallError, ConnectError, RemoteError, RemoteFuture};
use serde::de::DeserializeOwned;

use super::places::{LogPlace, numbered, places};
use super::source::{LogId, OpenLog, Source};
use crate::listing::{LogState, MAX_PART};
use crate::{LoggerplexClient, QUEUE};

/// How often somebody who waits for an answer is asked whether to go on.
const SLICE: Duration = Duration::from_millis(100);
/// Most parts of files that are on their way at once: 8 MiB.
const MAX_AHEAD: usize = 32;

/// Waits for a server, and may tell of it.
pub trait Patience {
    /// An answer is outstanding for so long. Called several times a second; false gives up, and what was asked ends with
    /// [`io::ErrorKind::TimedOut`].
    fn goes_on(&mut self, since: Duration) -> bool;

    /// An answer has come.
    fn answered(&mut self) {}
}

/// The log files of a server that is reached by a broker.
pub struct ServerSource<P> {
    client: LoggerplexClient,
    patience: P,
    /// Number of the server's list, of the last change that is known, and of its last look.
    known: (u64, u64, u64),
    files: BTreeMap<String, LogState>,
    /// What was asked for before it is wanted, by path and place.
    ahead: HashMap<(PathBuf, u64), RemoteFuture<Option<Vec<u8>>>>,
}

impl<P: Patience> ServerSource<P> {
    /// The files of the server at this address. Does not wait for it.
    ///
    /// # Errors
    /// When the address or the id cannot be used.
    pub fn connect(address: &str, client_id: &str, patience: P) -> Result<Self, ConnectError> {
        Ok(Self {
            client: LoggerplexClient::connect(address, QUEUE, client_id)?,
            patience,
            known: (0, 0, 0),
            files: BTreeMap::new(),
            ahead: HashMap::new(),
        })
    }

    /// Calls until there is an answer: one that was lost is asked for again.
    fn ask<T: DeserializeOwned>(
        &mut self,
        mut future: Option<RemoteFuture<T>>,
        call: impl Fn(&LoggerplexClient) -> RemoteFuture<T>,
    ) -> io::Result<T> {
        let since = Instant::now();
        loop {
            let asked = future.take().unwrap_or_else(|| call(&self.client));
            match self.wait(&asked, since) {
                Err(RemoteError::Call(CallError::ResultExpired)) => {}
                Err(error) => return Err(io::Error::other(explained(error))),
                Ok(None) => {
                    return Err(io::Error::new(
                        io::ErrorKind::TimedOut,
                        "the server does not answer",
                    ));
                }
                Ok(Some(answer)) => {
                    self.patience.answered();
                    return Ok(answer);
                }
            }
        }
    }

    fn wait<T: DeserializeOwned>(
        &mut self,
        future: &RemoteFuture<T>,
        since: Instant,
    ) -> Result<Option<T>, RemoteError> {
        while self.patience.goes_on(since.elapsed()) {
            if let Some(answer) = future.get_timeout(SLICE)? {
                return Ok(Some(answer));
            }
        }
        Ok(None)
    }
}

/// What the user can do about it.
fn explained(error: RemoteError) -> String {
    match error {
        RemoteError::Call(CallError::UnknownMethod(method)) => {
            format!("the server does not know {method}: it is older than this program, update it")
        }
        other => other.to_string(),
    }
}

impl<P: Patience> Source for ServerSource<P> {
    type File = PathBuf;

    fn list(&mut self) -> io::Result<Option<Vec<LogPlace>>> {
        self.ahead.clear();
        let before = self.known;
        loop {
            let (list, change, _) = self.known;
            let news = self.ask(None, |client| client.list_logs(list, change))?;
            if news.list != list {
                self.files.clear();
            }
            for file in news.files {
                match file.log {
                    Some(log) => drop(self.files.insert(file.path, log)),
                    None => drop(self.files.remove(&file.path)),
                }
            }
            self.known = (news.list, news.change, news.look);
            if !news.more {
                break;
            }
        }
        let looked = self.known != before;
        Ok(looked.then(|| places(Path::new(""), self.files.keys().map(|path| &path[..]))))
    }

    fn earlier(&mut self, path: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
        let Some(path) = path.to_str() else {
            return Ok(Vec::new());
        };
        let from = format!("{path}.");
        let names = self.files.range(from.clone()..).map(|(name, _)| name);
        let of_path = names.take_while(|name| name.starts_with(&from));
        let mut earlier: Vec<(u64, PathBuf)> = of_path
            .filter_map(|name| Some((numbered(path, name)?, PathBuf::from(name))))
            .collect();
        earlier.sort();
        Ok(earlier)
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

    fn read_at(&mut self, log: &OpenLog<PathBuf>, at: u64, max: usize) -> io::Result<Vec<u8>> {
        let listed = usize::try_from(log.length.saturating_sub(at)).unwrap_or(usize::MAX);
        let max = max.min(listed).min(MAX_PART);
        if max == 0 {
            return Ok(Vec::new());
        }
        let asked = self.ahead.remove(&(log.file.clone(), at));
        let call = |client: &LoggerplexClient| read(client, &log.file, &log.id, at, max);
        let mut part = self.ask(asked, call)?.ok_or(io::ErrorKind::NotFound)?;
        part.truncate(max);
        Ok(part)
    }

    fn expect(&mut self, path: &Path, from: &dyn Fn(&LogId, u64) -> u64) {
        let Some(log) = path.to_str().and_then(|path| self.files.get(path)) else {
            return;
        };
        let at = from(&log.id, log.length);
        let max = usize::try_from(log.length.saturating_sub(at)).unwrap_or(usize::MAX);
        if max > 0 && self.ahead.len() < MAX_AHEAD {
            let part = read(&self.client, path, &log.id, at, max.min(MAX_PART));
            self.ahead.insert((path.to_owned(), at), part);
        }
    }
}

fn read(
    client: &LoggerplexClient,
    path: &Path,
    id: &LogId,
    at: u64,
    max: usize,
) -> RemoteFuture<Option<Vec<u8>>> {
    client.read_log(&path.to_string_lossy(), id, at, max as u64)
}

impl<P> Drop for ServerSource<P> {
    /// Nothing that was asked for is worth waiting for.
    fn drop(&mut self) {
        let _ = self.client.client().close(Duration::ZERO);
    }
}
