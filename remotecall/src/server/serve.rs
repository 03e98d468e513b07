//! The server's loop: read, admit, journal, apply, make visible, acknowledge.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use redis::{Pipeline, RedisResult, Value};

use super::RunError;
use super::core::{Core, Verdict};
use super::feed::{Batch, Feed, Input, pause};
use super::lease::{Attempt, EXTEND_EVERY, Lease};
use super::stats::{Stats, WRONG_TYPE};
use crate::broker::{Access, Keys, Link, StreamId, reply_key};
use crate::client::Backoff;
use crate::frame::ProducerId;
use crate::journal::{Accepted, BATCH_SIZE, Journal, JournalError};
use crate::mutants::{self, Mutant};

/// Replies that a client has not read are dropped beyond this number of entries.
const REPLY_ENTRIES: usize = 4096;
/// Most acks in one command.
const ACKS: usize = 1000;
/// How long a stopping server goes on reading what still comes.
const DRAIN: Duration = Duration::from_secs(10);

pub(super) struct Serve {
    pub core: Core,
    pub journal: Option<Journal>,
    pub access: Access,
    pub keys: Keys,
    pub lease: Lease,
    pub stop: Arc<AtomicBool>,
    pub stats: Arc<Stats>,
    pub feed: Feed,
    pub link: Link,
    /// When the lease was extended.
    pub extended: Instant,
}

/// What one round leaves to be told to the broker.
#[derive(Default)]
struct Round {
    frames: Vec<Accepted>,
    bytes: usize,
    /// Producers whose ack is to be published.
    acks: BTreeSet<ProducerId>,
    /// Everything below may be trimmed, as seen over this connection.
    trim: Option<(u64, StreamId)>,
}

impl Serve {
    /// Runs until it is told to stop and the stream is empty.
    pub fn run(mut self) -> Result<(), RunError> {
        self.publish_all_acks()?;
        let mut stopping = None;
        loop {
            if self.stop.load(Relaxed) {
                let since = *stopping.get_or_insert_with(Instant::now);
                if since.elapsed() > DRAIN {
                    break;
                }
            }
            self.core.host.remote().tick();
            let mut round = Round::default();
            let mut input = self.feed.next();
            let drained = loop {
                match input {
                    Input::Batch(batch) => self.admit(&mut round, batch),
                    Input::Nothing => break false,
                    Input::Drained => break true,
                }
                if round.bytes >= BATCH_SIZE {
                    break false;
                }
                input = self.feed.more();
            };
            if !self.carry_out(&mut round)? {
                // Watermarks may be ahead of the disk: only the journal can tell, at the next start.
                return Ok(());
            }
            self.keep_lease()?;
            if drained {
                break;
            }
        }
        self.checkpoint_if(|journal| !journal.is_clean())?;
        // The lease expires by itself when the broker is out of reach.
        let _ = self.lease.release(&mut self.link);
        Ok(())
    }

    fn admit(&mut self, round: &mut Round, batch: Batch) {
        let Batch {
            connection,
            list,
            broker_ms,
        } = batch;
        for entry in list {
            let clock_ms = entry.senders_clock(broker_ms);
            round.trim = Some((connection, entry.id.next()));
            if mutants::is_on(Mutant::DedupeByStreamId) && mutants::seen_before(entry.id) {
                continue;
            }
            let Some(frame) = entry.frame else {
                self.stats.refuse("entry without a frame", &entry.id);
                continue;
            };
            let (verdict, producer) = self.core.admit(entry.acked, &frame);
            // A frame that came again: its sender has not heard the ack.
            round
                .acks
                .extend(producer.filter(|_| matches!(verdict, Verdict::Accepted | Verdict::Duplicate)));
            if verdict == Verdict::Accepted {
                round.bytes += frame.len();
                round.frames.push(Accepted {
                    acked: entry.acked,
                    clock_ms,
                    frame,
                });
            }
        }
    }

    /// Brings a round to disk, to the object, to the readers, and then to the senders' knowledge. Returns false when
    /// the server stops before it could: nothing is acknowledged then.
    fn carry_out(&mut self, round: &mut Round) -> Result<bool, RunError> {
        if !round.frames.is_empty() {
            if mutants::is_on(Mutant::AckBeforeJournal) {
                self.until_told(round)?;
                mutants::slow_disk();
            }
            let late = mutants::is_on(Mutant::JournalAfterFiles);
            if !late && !self.append(&round.frames)? {
                return Ok(false);
            }
            for accepted in &round.frames {
                self.core.apply(&accepted.frame, accepted.clock_ms);
            }
            let committed = self.until_done("the log directory", |this| this.core.host.commit())?;
            if !committed {
                return Ok(false);
            }
            if late {
                mutants::slow_disk();
                self.append(&round.frames)?;
            }
        }
        if round.trim.is_some() {
            self.until_told(round)?;
        }
        let wanted = self.core.host.wants_checkpoint();
        self.checkpoint_if(|journal| wanted || journal.wants_checkpoint())?;
        Ok(true)
    }

    fn append(&mut self, frames: &[Accepted]) -> Result<bool, RunError> {
        let Some(mut journal) = self.journal.take() else {
            return Ok(true);
        };
        let mut fatal = None;
        let mut left = frames;
        let mut done = true;
        while done && fatal.is_none() && !left.is_empty() {
            done = self.until_done("the journal", |_| match journal.append(left) {
                Ok(count) => {
                    left = &left[count..];
                    Ok(())
                }
                Err(JournalError::Io { path, error }) => {
                    let text = format!("{}: {error}", path.display());
                    Err(io::Error::new(error.kind(), text))
                }
                Err(error) => {
                    fatal = Some(error);
                    Ok(())
                }
            })?;
        }
        self.journal = Some(journal);
        match fatal {
            Some(error) => Err(error.into()),
            None => Ok(done),
        }
    }

    /// Repeats what can heal, such as a full disk, until it succeeds (true) or the server stops (false). Meanwhile
    /// the queue is kept: another server would take calls that this one has in its hands.
    fn until_done(
        &mut self,
        what: &str,
        mut attempt: impl FnMut(&mut Self) -> io::Result<()>,
    ) -> Result<bool, RunError> {
        let mut backoff = Backoff::new();
        let mut failed = false;
        loop {
            match attempt(self) {
                Ok(()) if failed => {
                    tracing::info!("{what} can be written again");
                    return Ok(true);
                }
                Ok(()) => return Ok(true),
                Err(error) if !failed => {
                    failed = true;
                    tracing::error!(%error, "cannot write to {what}; nothing is acknowledged until it works again");
                }
                Err(_) => {}
            }
            if self.stop.load(Relaxed) {
                return Ok(false);
            }
            self.keep_lease()?;
            pause(backoff.next(), &self.stop);
        }
    }

    /// Publishes acks and replies; a connection that fails is made anew. When the server stops meanwhile,
    /// the senders hear of it from the next server.
    fn until_told(&mut self, round: &Round) -> Result<(), RunError> {
        let mut backoff = Backoff::new();
        while let Err(error) = self.tell(round) {
            tracing::debug!(%error, "acks not published yet");
            if self.stop.load(Relaxed) {
                break;
            }
            self.keep_lease()?;
            pause(backoff.next(), &self.stop);
            match Link::open(&self.access, Duration::ZERO) {
                Ok(link) => {
                    self.link = link;
                    self.publish_all_acks()?;
                }
                Err(error) => tracing::debug!(%error, "broker is away"),
            }
        }
        self.core.outbox.clear();
        Ok(())
    }

    /// First room is made, so that a full broker can take the rest; then replies, then acks: a sender that sees an
    /// ack finds the replies there. A plain pipeline: in a transaction a full broker would refuse all of it.
    fn tell(&mut self, round: &Round) -> RedisResult<()> {
        let mut pipeline = Pipeline::new();
        if let Some((connection, below)) = round.trim
            && connection == self.feed.connection()
        {
            pipeline
                .cmd("XTRIM")
                .arg(&self.keys.input)
                .arg("MINID")
                .arg(below.to_string());
        }
        for (producer, entry) in self.core.outbox.entries() {
            let key = reply_key(*producer);
            pipeline
                .cmd("XADD")
                .arg(key)
                .arg("NOMKSTREAM")
                .arg("MAXLEN")
                .arg("~")
                .arg(REPLY_ENTRIES);
            pipeline.arg("*").arg("f").arg(entry.as_slice());
        }
        let acks: Vec<_> = round.acks.iter().collect();
        for chunk in acks.chunks(ACKS) {
            pipeline.cmd("HSET").arg(&self.keys.acks);
            for producer in chunk {
                let watermark = self.core.watermarks.get(producer).copied().unwrap_or(0);
                pipeline.arg(producer.to_string()).arg(watermark);
            }
        }
        let answers = self.link.run(&pipeline)?;
        // Errors of trims and replies are not worth a repetition.
        self.check_acks(answers.into_iter().rev().take(acks.len().div_ceil(ACKS)))
    }

    fn check_acks(&mut self, answers: impl Iterator<Item = Value>) -> RedisResult<()> {
        let refused = answers.filter_map(|answer| match answer {
            Value::ServerError(error) => Some(error),
            _ => None,
        });
        let Some(error) = refused.last() else {
            return Ok(());
        };
        if error.code() == "WRONGTYPE" {
            self.stats.refuse(WRONG_TYPE, &self.keys.acks);
            self.link.one(redis::cmd("DEL").arg(&self.keys.acks))?;
        }
        Err(error.into())
    }

    /// After a connect: a broker that lost its memory hears all acks again.
    fn publish_all_acks(&mut self) -> Result<(), RunError> {
        let round = Round {
            acks: self.core.watermarks.keys().copied().collect(),
            ..Round::default()
        };
        if let Err(error) = self.tell(&round) {
            tracing::debug!(%error, "acks not published; the next round tries again");
        }
        Ok(())
    }

    fn keep_lease(&mut self) -> Result<(), RunError> {
        if self.extended.elapsed() < EXTEND_EVERY {
            return Ok(());
        }
        self.extended = Instant::now();
        self.extend_lease()
    }

    fn extend_lease(&mut self) -> Result<(), RunError> {
        let backlog = self.link.one(redis::cmd("XLEN").arg(&self.keys.input));
        if let Ok(Value::Int(backlog)) = backlog {
            self.stats
                .backlog
                .store(u64::try_from(backlog).unwrap_or(0), Relaxed);
        }
        match self.lease.hold(&mut self.link) {
            Ok(Attempt::Taken(holder)) => Err(RunError::QueueTaken {
                queue_key: self.lease.key.clone(),
                holder,
            }),
            Ok(Attempt::WrongType) => {
                self.stats.refuse(WRONG_TYPE, &self.keys.lease);
                Ok(())
            }
            Ok(Attempt::Held | Attempt::Wait) => Ok(()),
            Err(_) => {
                if let Ok(link) = Link::open(&self.access, Duration::ZERO) {
                    self.link = link;
                    self.publish_all_acks()?;
                }
                Ok(())
            }
        }
    }

    fn checkpoint_if(&mut self, due: impl FnOnce(&Journal) -> bool) -> Result<(), RunError> {
        let Some(journal) = self.journal.as_mut().filter(|journal| due(journal)) else {
            return Ok(());
        };
        match self.core.host.checkpoint() {
            None => Ok(()),
            Some(Ok(state)) => Ok(journal.checkpoint(state, &self.core.watermarks)?),
            Some(Err(error)) => Err(RunError::Checkpoint(error)),
        }
    }
}
