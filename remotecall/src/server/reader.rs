//! The thread that reads the stream, over a connection of its own.
//!
//! It reads from `0-0` after every connect, never from a remembered place: a broker that came back from
//! an older snapshot, or with another clock, may number new entries below old ones. What was read
//! before is recognised by its frame number, not by its entry id. After a pause it begins anew too: a broker that
//! was emptied while its clock stepped back breaks no connection. The stream holds only what is not done yet, so
//! that costs nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use redis::RedisResult;

use super::stats::{Stats, WRONG_TYPE};
use crate::broker::{Address, Entry, Keys, Link, StreamId, entries};
use crate::client::Backoff;
use crate::mutants::{self, Mutant};

/// Longest wait for entries in one go; also how soon a stop is noticed.
const BLOCK: Duration = Duration::from_millis(200);
/// Most entries read in one go. A frame has 256 KiB as a rule, and 16 MiB at most.
const COUNT: usize = 16;
/// Where a pause for a reconnect looks whether the server stops.
const SLICE: Duration = Duration::from_millis(50);

/// What the reader hands over.
pub(super) enum Input {
    /// Entries, and the connection they were read over.
    Entries { connection: u64, list: Vec<Entry> },
    /// The server stops, and the stream is empty or out of reach.
    Drained,
}

pub(super) struct Reader {
    pub address: Address,
    pub keys: Keys,
    pub stop: Arc<AtomicBool>,
    pub stats: Arc<Stats>,
    /// Number of the current connection: entries of an earlier one do not say what may be trimmed.
    pub connection: Arc<AtomicU64>,
    pub input: SyncSender<Input>,
}

impl Reader {
    pub fn run(self) {
        let mut backoff = Backoff::new();
        let mut last = StreamId::default();
        let mut was_down = false;
        while !self.stop.load(Relaxed) {
            let session = Link::open(&self.address, BLOCK).and_then(|link| {
                if std::mem::take(&mut was_down) {
                    tracing::info!(address = %self.address, "broker is back");
                }
                self.session(link, &mut backoff, &mut last)
            });
            match session {
                Ok(Ended::Drained) => break,
                Ok(Ended::NobodyListens) => return,
                Err(error) if !was_down => {
                    was_down = true;
                    tracing::warn!(address = %self.address, %error, "broker is away; waiting for it");
                }
                Err(_) => {}
            }
            pause(backoff.next(), &self.stop);
        }
        let _ = self.input.send(Input::Drained);
    }

    fn session(&self, mut link: Link, backoff: &mut Backoff, last: &mut StreamId) -> RedisResult<Ended> {
        let connection = self.connection.fetch_add(1, Relaxed) + 1;
        begin_anew(last);
        loop {
            let stopping = self.stop.load(Relaxed);
            let mut command = redis::cmd("XREAD");
            command.arg("COUNT").arg(COUNT);
            if !stopping {
                command.arg("BLOCK").arg(BLOCK.as_millis() as u64);
            }
            command.arg("STREAMS").arg(&self.keys.input).arg(last.to_string());
            let list = match link.one(&command) {
                Ok(answer) => entries(answer),
                Err(error) if error.code() == Some("WRONGTYPE") => {
                    self.stats.refuse(WRONG_TYPE, &self.keys.input);
                    link.one(redis::cmd("DEL").arg(&self.keys.input))?;
                    continue;
                }
                Err(error) => return Err(error),
            };
            backoff.reset();
            match list.last() {
                Some(entry) => *last = entry.id,
                None if stopping => return Ok(Ended::Drained),
                None => {
                    begin_anew(last);
                    continue;
                }
            }
            if self.input.send(Input::Entries { connection, list }).is_err() {
                return Ok(Ended::NobodyListens);
            }
        }
    }
}

fn begin_anew(last: &mut StreamId) {
    if !mutants::is_on(Mutant::SavedCursor) {
        *last = StreamId::default();
    }
}

enum Ended {
    Drained,
    NobodyListens,
}

/// Waits, but not beyond a stop.
pub(super) fn pause(time: Duration, stop: &AtomicBool) {
    let until = std::time::Instant::now() + time;
    while !stop.load(Relaxed) && std::time::Instant::now() < until {
        std::thread::sleep(SLICE.min(until.saturating_duration_since(std::time::Instant::now())));
    }
}
