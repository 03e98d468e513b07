//! What is still on its way when its last owner lets go, and when the interpreter ends.
//!
//! Python objects die wherever the interpreter is just then, so their end must not wait for the network: a
//! client with calls outstanding gets a thread that waits for it. When the interpreter ends, everything has one
//! deadline together.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use remotecall::{CLOSE_TIMEOUT, Dropped, MISSING_AFTER};
use tensorplex::encode_queue::EncodeQueue;
use tensorplex::local::DirectoryWriter;

use crate::lock::lock;
use crate::owned::Owned;

/// Clients that are in use.
static LIVE: Mutex<Vec<Weak<Connection>>> = Mutex::new(Vec::new());
/// Calls dropped by clients that are gone.
static DROPPED: Mutex<Dropped> = Mutex::new(Dropped::NONE);
/// Threads that wait for the acknowledgements of clients nobody holds any more.
static CLOSING: Mutex<Vec<Owned<JoinHandle<()>>>> = Mutex::new(Vec::new());
/// How often a wait looks at threads that have no other way to tell.
const POLL: Duration = Duration::from_millis(5);

/// Writers of files that are in use.
static FILES: Mutex<Vec<Weak<Files>>> = Mutex::new(Vec::new());

/// A client of this process, shared by the object that calls and its futures.
pub(crate) struct Connection(pub remotecall::Client, AtomicBool, Arc<Records>);

/// What becomes of the records of a connection before they are calls.
#[derive(Default)]
pub(crate) struct Records {
    pub encoder: EncodeQueue,
    /// How many could not be encoded, and why the last of them. The one lock that a thread takes which is not attached.
    pub lost: Mutex<(u64, String)>,
}

/// The files of a local writer of this process.
pub(crate) struct Files(Owned<Arc<DirectoryWriter>>);

impl Files {
    pub fn new(recorder: DirectoryWriter) -> Arc<Self> {
        let files = Arc::new(Self(Owned::new(Arc::new(recorder))));
        let mut all = lock(&FILES);
        all.retain(|other| other.strong_count() > 0);
        all.push(Arc::downgrade(&files));
        files
    }

    /// `None` in a child process.
    pub fn get(&self) -> Option<&DirectoryWriter> {
        self.0.get().map(|recorder| &**recorder)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let Some(recorder) = self.0.take() else { return };
        if !recorder.wait(Duration::ZERO) {
            end_elsewhere(move || drop(recorder));
        }
    }
}

/// Has a thread do what waits: the end of an object must not.
fn end_elsewhere(end: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new()
        .name("tensorplex-close".into())
        .spawn(end);
    let mut closing = lock(&CLOSING);
    closing.retain(|thread| thread.get().is_some_and(|thread| !thread.is_finished()));
    closing.extend(thread.map(Owned::new));
}

impl Connection {
    pub fn new(client: remotecall::Client) -> Arc<Self> {
        let connection = Arc::new(Self(client, AtomicBool::new(false), Arc::default()));
        let mut live = lock(&LIVE);
        live.retain(|other| other.strong_count() > 0);
        live.push(Arc::downgrade(&connection));
        connection
    }

    pub fn records(&self) -> &Arc<Records> {
        &self.2
    }

    /// Records that could not be encoded, and why the last of them.
    pub fn lost(&self) -> (u64, String) {
        // In a child the lock may be held for ever, by a thread that is not there.
        match self.0.is_here() {
            true => lock(&self.2.lost).clone(),
            false => (0, String::new()),
        }
    }

    /// Tells, once for each time that the server goes missing, that somebody waits for it.
    pub fn tell_of_missing_server(&self, py: Python<'_>) -> PyResult<()> {
        let missing = self.0.server_is_missing();
        if self.1.swap(missing, Relaxed) || !missing {
            return Ok(());
        }
        let text = "no server for %d s: calls wait for their results until one comes (%s)";
        let shown = format!("{:?}", self.0);
        py.import("logging")?
            .call_method1("getLogger", ("tensorplex",))?
            .call_method1("warning", (text, MISSING_AFTER.as_secs(), shown))
            .map(drop)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let client = self.0.clone();
        let records = self.2.clone();
        let is_done = records.encoder.wait(Duration::ZERO) && client.flush(Duration::ZERO).is_ok();
        if !client.is_here() {
            return;
        }
        lock(&DROPPED).add(&client.stats().dropped);
        if is_done {
            // Nothing is outstanding, so this does not wait.
            let _ = client.close(Duration::ZERO);
            return;
        }
        end_elsewhere(move || {
            records.encoder.wait(CLOSE_TIMEOUT);
            let _ = client.close(CLOSE_TIMEOUT);
        });
    }
}

/// Flushes and closes every client of this process, and writes every file, within `timeout` seconds.
///
/// Returns a sentence for each client with calls that were not acknowledged and for files that were not written, and the
/// number of dropped calls by cause, if any were.
#[pyfunction]
pub(crate) fn close_all(py: Python<'_>, timeout: f64) -> (Vec<String>, Option<String>) {
    let deadline = Instant::now() + seconds(timeout);
    let clients: Vec<_> = lock(&LIVE)
        .drain(..)
        .filter_map(|client| client.upgrade())
        .collect();
    let files: Vec<_> = lock(&FILES)
        .drain(..)
        .filter_map(|files| files.upgrade())
        .collect();
    let threads: Vec<_> = lock(&CLOSING).drain(..).collect();
    let mut dropped = std::mem::take(&mut *lock(&DROPPED));
    let all = py.detach(|| {
        let left = || deadline.saturating_duration_since(Instant::now());
        let mut all = Vec::new();
        for recorder in files.iter().filter_map(|files| files.get()) {
            if !recorder.wait(left()) {
                all.push("records of a local writer were not encoded before the process ended".to_owned());
            } else if let Err(error) = recorder.flush() {
                all.push(format!("records of a local writer were not written: {error}"));
            }
        }
        for client in clients {
            let is_encoded = client.records().encoder.wait(left());
            let closed = client.0.close(left());
            let stats = client.0.stats();
            if !is_encoded
                || stats.outstanding() > 0
                || matches!(&closed, Err(error) if error.outstanding > 0)
            {
                all.push(undelivered(&client.0, stats.outstanding().max(1)));
            }
            dropped.add(&stats.dropped);
        }
        for mut thread in threads {
            while thread.get().is_some_and(|thread| !thread.is_finished()) && !left().is_zero() {
                std::thread::sleep(POLL.min(left()));
            }
            if thread.take().is_some_and(|thread| !thread.is_finished()) {
                all.push(
                    "calls of a client without owner were not acknowledged before the process ended"
                        .to_owned(),
                );
            }
        }
        all
    });
    (all, (dropped.total() > 0).then(|| dropped.to_string()))
}

/// Sentence about calls that were not acknowledged: how many, to which broker, and why, as far as that is known.
fn undelivered(client: &remotecall::Client, count: u64) -> String {
    let why = client
        .outage()
        .unwrap_or_else(|| "no server acknowledged them".to_owned());
    let calls = if count == 1 { "call" } else { "calls" };
    format!(
        "{count} {calls} to {} were not acknowledged before the process ended: {why}",
        client.address()
    )
}

/// A time as Python gives it; longer than a century is for ever.
pub(crate) fn seconds(seconds: f64) -> Duration {
    const CENTURY: f64 = 3.2e9;
    Duration::try_from_secs_f64(seconds.clamp(0.0, CENTURY)).unwrap_or_default()
}
