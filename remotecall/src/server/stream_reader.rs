//! Where the server gets its entries from: reads of its own, or a thread that reads ahead.
//!
//! ```text
//! direct   the serving thread waits for entries itself: nobody has to be woken between broker and object
//!    │ ▲
//!    │ └─ the stream is empty for a moment, or the connection is lost
//!    ▼ much came at once
//! ahead    the reading thread reads on while the serving thread works
//! ```
//!
//! The connection goes to and fro with the task, so there is one reader at any time.
//!
//! Every session reads from `0-0`, never from a remembered place: a broker that came back from an older snapshot, or
//! with another clock, may number new entries below old ones. What was read before is recognised by its frame number,
//! not by its entry id. After a pause it begins anew too: a broker that was emptied while its clock stepped back breaks
//! no connection. The stream holds only what is not done yet, so that costs nothing.

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

/// Batches that wait between the reading thread and the one that works.
const QUEUE: usize = 2;
/// Longest wait for entries in one go; a stop is noticed after it.
const BLOCK: Duration = Duration::from_millis(200);
/// The same once nothing has come so many times in a row: a server at rest seldom wakes.
const BLOCK_AT_REST: (Duration, u32) = (Duration::from_secs(1), 50);
/// How long the reading thread waits before it gives the task back: a steady stream keeps it.
const LINGER: Duration = Duration::from_millis(5);
/// Most entries read in one go. A frame has 256 KiB as a rule, and 16 MiB at most.
const COUNT: usize = 16;
/// So many bytes in one go are enough: of frames that are longer than they are as a rule, fewer are read.
const ENOUGH: usize = 8 << 20;
/// So many bytes at once are worth a thread that reads ahead.
const MUCH: usize = 64 << 10;
/// Where a pause for a reconnect looks whether the server stops.
const SLICE: Duration = Duration::from_millis(50);

/// Entries of one read.
pub(super) struct Batch {
    /// Number of the connection they were read over: entries of an earlier one do not say what may be trimmed.
    pub connection: u64,
    pub list: Vec<Entry>,
    /// The broker's clock then, in milliseconds since 1970.
    pub broker_ms: u64,
}

/// What the feed has.
pub(super) enum Input {
    Batch(Batch),
    /// Nothing for now.
    Nothing,
    /// The server stops, and the stream is empty or out of reach.
    Drained,
}

pub(super) struct StreamReader {
    access: Endpoint,
    keys: Keys,
    stop: Arc<AtomicBool>,
    stats: Arc<Stats>,
    /// Number of the current connection.
    connection: u64,
    backoff: Backoff,
    retry_at: Option<Instant>,
    /// Reads in a row that found nothing.
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

    /// Waits for entries, but not for long.
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

    /// What is there already.
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

/// One connection, and how far it has read.
struct Session {
    link: Connection,
    key: String,
    stats: Arc<Stats>,
    connection: u64,
    last: StreamId,
    /// How many entries to read next: the broker counts entries, memory counts bytes.
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
        // Deadlines are counted by it.
        let broker_ms = match answers.next() {
            Some(Value::ServerError(error)) => return Err(error.into()),
            answer => answer.as_ref().and_then(time_ms).unwrap_or(0),
        };
        let frames = list.iter().flat_map(|entry| &entry.frame);
        if let Some(longest) = frames.map(Vec::len).max() {
            // From one on, and doubled: how long the first ones are nobody knows.
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

/// The thread that reads ahead, from the time it gets a session until the stream is empty for a moment.
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
            // The thread is gone: it panicked. Reading goes on without it.
            Err(SendError(session)) => Source::Direct(session),
        }
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.sessions = None;
        // Makes room for what the thread has in its hands.
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

/// Waits, but not beyond a stop.
pub(super) fn pause(time: Duration, stop: &AtomicBool) {
    let until = Instant::now() + time;
    while !stop.load(Relaxed) && Instant::now() < until {
        std::thread::sleep(SLICE.min(until.saturating_duration_since(Instant::now())));
    }
}
