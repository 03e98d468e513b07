//! Stream reader: reads entries in the serving thread, or in a thread that reads ahead.
//!
//! ```text
//! direct   the serving thread waits for entries itself: no thread has to be woken between broker and object
//!    │ ▲
//!    │ └─ the stream is empty for a moment, or the connection is lost
//!    ▼ much came at once
//! ahead    the read-ahead thread reads while the serving thread works
//! ```
//!
//! The connection moves with the task, so there is one reader at any time.
//!
//! Each session reads from `0-0`, never from a saved position: a broker that came back from an older snapshot, or with
//! another clock, may give new entries lower ids. Duplicates are recognised by their frame number, not by their entry
//! id. A read that found nothing also restarts at `0-0`, because a broker that was emptied while its clock stepped back
//! breaks no connection. The stream holds only unacknowledged frames, so a restart costs nothing.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SendError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use redis::{Pipeline, RedisResult, Value};

use super::stats::{Stats, WRONG_TYPE};
use crate::client::Backoff;
use remotecall_connection::{Connection, Endpoint, Entry, Keys, StreamId, entries, time_ms};

/// Limit on the batches between the read-ahead thread and the serving thread.
const QUEUE: usize = 2;
/// `XREAD BLOCK` timeout, 200 ms; a stop is noticed after it.
const BLOCK: Duration = Duration::from_millis(200);
/// `XREAD BLOCK` timeout of an idle server, 1 s, and the number of empty reads in a row that make a server idle.
const BLOCK_AT_REST: (Duration, u32) = (Duration::from_secs(1), 50);
/// `XREAD BLOCK` timeout of the read-ahead thread, 5 ms; an empty read returns the task to the serving thread.
const LINGER: Duration = Duration::from_millis(5);
/// `XREAD COUNT` at most, in entries. A frame has up to 256 KiB as a rule, and 16 MiB at most.
const COUNT: usize = 16;
/// Bytes that one read aims at, 8 MiB: long frames lower the count of entries.
const ENOUGH: usize = 8 << 20;
/// Bytes of one read from which on the read-ahead thread takes over, 64 KiB.
const MUCH: usize = 64 << 10;
/// Interval at which a pause checks for a stop, 50 ms.
const SLICE: Duration = Duration::from_millis(50);

/// Entries of one read.
pub(super) struct Batch {
    /// Number of their connection: entries of an earlier one must not decide what is trimmed.
    pub connection: u64,
    pub list: Vec<Entry>,
    /// The broker's clock at the read, in milliseconds since 1970.
    pub broker_ms: u64,
}

/// Outcome of a read.
pub(super) enum Input {
    Batch(Batch),
    /// No entries yet.
    Nothing,
    /// The server stops, and the stream is empty or unreachable.
    Drained,
}

/// Reader of the stream of one queue.
pub(super) struct StreamReader {
    access: Endpoint,
    keys: Keys,
    stop: Arc<AtomicBool>,
    stats: Arc<Stats>,
    /// Number of the current connection.
    connection: u64,
    backoff: Backoff,
    retry_at: Option<Instant>,
    /// Empty reads in a row.
    empty: u32,
    source: Source,
    ahead: Ahead,
}

enum Source {
    Unconnected,
    Direct(Box<Session>),
    Ahead,
}

impl StreamReader {
    pub fn start(access: Endpoint, keys: Keys, stop: Arc<AtomicBool>, stats: Arc<Stats>) -> io::Result<Self> {
        Ok(Self {
            access,
            keys,
            stop,
            stats,
            connection: 0,
            backoff: Backoff::new(),
            retry_at: None,
            empty: 0,
            source: Source::Unconnected,
            ahead: Ahead::start()?,
        })
    }

    /// Number of the current connection.
    pub fn connection(&self) -> u64 {
        self.connection
    }

    /// Waits for entries up to the `XREAD BLOCK` timeout.
    pub fn next(&mut self) -> Input {
        match std::mem::replace(&mut self.source, Source::Unconnected) {
            Source::Unconnected => self.connect(),
            Source::Direct(session) => self.read(session),
            Source::Ahead => {
                self.source = Source::Ahead;
                match self.ahead.read.recv_timeout(BLOCK) {
                    Ok(read) => self.take(read),
                    Err(RecvTimeoutError::Timeout) => Input::Nothing,
                    Err(RecvTimeoutError::Disconnected) => Input::Drained,
                }
            }
        }
    }

    /// Returns entries that were read ahead, without waiting.
    pub fn more(&mut self) -> Input {
        match self.source {
            Source::Ahead => self
                .ahead
                .read
                .try_recv()
                .map_or(Input::Nothing, |read| self.take(read)),
            _ => Input::Nothing,
        }
    }

    fn take(&mut self, read: Read) -> Input {
        match read {
            Read::Batch(batch) => Input::Batch(batch),
            Read::Empty(session) => {
                self.source = Source::Direct(session);
                Input::Nothing
            }
            Read::Lost(error) => self.lost(&error),
        }
    }

    fn connect(&mut self) -> Input {
        let now = Instant::now();
        if let Some(at) = self.retry_at.filter(|&at| at > now) {
            pause((at - now).min(BLOCK), &self.stop);
            return self.out_of_reach();
        }
        match Connection::open(&self.access, BLOCK_AT_REST.0) {
            Ok(link) => {
                self.access.is_back();
                self.connection += 1;
                self.source = Source::Direct(Box::new(Session {
                    link,
                    key: self.keys.input.clone(),
                    stats: self.stats.clone(),
                    connection: self.connection,
                    last: super::mutants::begin(&self.keys.input),
                    count: 1,
                }));
                Input::Nothing
            }
            Err(error) => self.lost(&error),
        }
    }

    fn lost(&mut self, error: &redis::RedisError) -> Input {
        self.access.is_out(error, "waiting for it");
        self.source = Source::Unconnected;
        self.retry_at = Some(Instant::now() + self.backoff.next());
        self.out_of_reach()
    }

    fn out_of_reach(&self) -> Input {
        match self.stop.load(Relaxed) {
            true => Input::Drained,
            false => Input::Nothing,
        }
    }

    fn read(&mut self, mut session: Box<Session>) -> Input {
        let stopping = self.stop.load(Relaxed);
        let (at_rest, after) = BLOCK_AT_REST;
        let block = if self.empty < after { BLOCK } else { at_rest };
        let batch = match session.read((!stopping).then_some(block)) {
            Ok(batch) => batch,
            Err(error) => return self.lost(&error),
        };
        self.backoff.reset();
        self.empty = self.empty.saturating_add(1);
        if batch.list.is_empty() {
            session.last = super::mutants::begin(&session.key);
        } else {
            self.empty = 0;
        }
        let bytes: usize = batch
            .list
            .iter()
            .flat_map(|entry| &entry.frame)
            .map(Vec::len)
            .sum();
        self.source = match bytes >= MUCH {
            true => self.ahead.go_on(session),
            false => Source::Direct(session),
        };
        match batch.list.is_empty() {
            true if stopping => Input::Drained,
            true => Input::Nothing,
            false => Input::Batch(batch),
        }
    }
}

/// One connection and its position in the stream.
struct Session {
    link: Connection,
    key: String,
    stats: Arc<Stats>,
    connection: u64,
    last: StreamId,
    /// `XREAD COUNT` of the next read, adapted to the length of the frames.
    count: usize,
}

impl Session {
    fn read(&mut self, block: Option<Duration>) -> RedisResult<Batch> {
        let mut command = redis::cmd("XREAD");
        command.arg("COUNT").arg(self.count);
        if let Some(block) = block {
            command.arg("BLOCK").arg(block.as_millis() as u64);
        }
        command.arg("STREAMS").arg(&self.key).arg(self.last.to_string());
        let mut pipeline = Pipeline::new();
        pipeline.add_command(command).cmd("TIME");
        let mut answers = self.link.run(&pipeline)?.into_iter();
        let list = match answers.next() {
            Some(Value::ServerError(error)) if error.code() == "WRONGTYPE" => {
                self.stats.refuse(WRONG_TYPE, &self.key);
                self.link.one(redis::cmd("DEL").arg(&self.key))?;
                Vec::new()
            }
            Some(Value::ServerError(error)) => return Err(error.into()),
            answer => entries(answer.unwrap_or(Value::Nil)),
        };
        // Deadlines of calls are measured by it.
        let broker_ms = match answers.next() {
            Some(Value::ServerError(error)) => return Err(error.into()),
            answer => answer.as_ref().and_then(time_ms).unwrap_or(0),
        };
        let frames = list.iter().flat_map(|entry| &entry.frame);
        if let Some(longest) = frames.map(Vec::len).max() {
            // Starts at one and doubles, because the length of the first frames is unknown.
            self.count = (ENOUGH / longest.max(1)).clamp(1, COUNT.min(2 * self.count));
        }
        if let Some(entry) = list.last() {
            self.last = entry.id;
            super::mutants::remember(&self.key, entry.id);
        }
        Ok(Batch {
            connection: self.connection,
            list,
            broker_ms,
        })
    }
}

/// The read-ahead thread: has the session until a read finds the stream empty.
struct Ahead {
    sessions: Option<SyncSender<Box<Session>>>,
    read: Receiver<Read>,
    thread: Option<JoinHandle<()>>,
}

enum Read {
    Batch(Batch),
    Empty(Box<Session>),
    Lost(redis::RedisError),
}

impl Ahead {
    fn start() -> io::Result<Self> {
        let (sessions, to_do) = sync_channel(1);
        let (done, read) = sync_channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("remotecall-read".into())
            .spawn(move || read_ahead(&to_do, &done))?;
        Ok(Self {
            sessions: Some(sessions),
            read,
            thread: Some(thread),
        })
    }

    fn go_on(&self, session: Box<Session>) -> Source {
        let Some(sessions) = &self.sessions else {
            return Source::Direct(session);
        };
        match sessions.send(session) {
            Ok(()) => Source::Ahead,
            // The thread panicked; the serving thread goes on reading.
            Err(SendError(session)) => Source::Direct(session),
        }
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.sessions = None;
        // Unblocks a thread that waits for room in the queue.
        while self.read.recv().is_ok() {}
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn read_ahead(sessions: &Receiver<Box<Session>>, done: &SyncSender<Read>) {
    while let Ok(mut session) = sessions.recv() {
        let last = loop {
            match session.read(Some(LINGER)) {
                Ok(batch) if batch.list.is_empty() => break Read::Empty(session),
                Ok(batch) => {
                    if done.send(Read::Batch(batch)).is_err() {
                        return;
                    }
                }
                Err(error) => break Read::Lost(error),
            }
        };
        if done.send(last).is_err() {
            return;
        }
    }
}

/// Waits for `time`, or until a stop.
pub(super) fn pause(time: Duration, stop: &AtomicBool) {
    let until = Instant::now() + time;
    while !stop.load(Relaxed) && Instant::now() < until {
        std::thread::sleep(SLICE.min(until.saturating_duration_since(Instant::now())));
    }
}
