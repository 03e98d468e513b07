//! The server's loop: read, admit, journal, apply, make visible, acknowledge.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use redis::{Pipeline, RedisResult, Value};

use super::RunError;
use super::admission::Verdict;
use super::commit::Commit;
use super::lease_guard::LeaseGuard;
use super::stats::{Stats, WRONG_TYPE};
use super::stream_reader::{Batch, Input, StreamReader, pause};
use crate::client::Backoff;
use remotecall_connection::{
    ACCEPTED_FIELD, Connection, Endpoint, Keys, StreamId, number, refused_field, reply_key,
};
use remotecall_store::journal::{Accepted, BATCH_SIZE};
use remotecall_store::mutants::{self, Mutant};
use remotecall_wire::{Frame, ProducerId};

/// A round takes no more frames when their bodies, decompressed, have this size: 16 MiB, a third of a million scalars. They
/// share a sync, and are acknowledged together.
const ROUND_WORK: usize = 16 << 20;
/// Replies that a client has not read are dropped beyond this number of entries.
const REPLY_ENTRIES: usize = 4096;
/// Most acks in one command.
const ACKS: usize = 1000;
/// How long a stopping server goes on reading what still comes.
const DRAIN: Duration = Duration::from_secs(10);

pub(super) struct EventLoop {
    pub ledger: Commit,
    pub access: Endpoint,
    pub keys: Keys,
    pub stop: Arc<AtomicBool>,
    pub stats: Arc<Stats>,
    pub feed: StreamReader,
    pub hold: LeaseGuard,
    /// Number of the stream's connection after which the broker was checked for an older state.
    pub checked: u64,
}

/// What one round leaves to be told to the broker.
#[derive(Default)]
struct Round {
    frames: Vec<Accepted>,
    /// Of the frames, as they came.
    bytes: usize,
    /// Of their bodies, decompressed.
    work: usize,
    /// Producers whose ack is to be published.
    acks: BTreeSet<ProducerId>,
    /// All producers are published, with their notices.
    is_full: bool,
    /// Everything below may be trimmed, as seen over this connection.
    trim: Option<(u64, StreamId)>,
    /// Producers that ended with every ack, and whether each of their frames was answered.
    goodbyes: BTreeMap<ProducerId, bool>,
}

impl EventLoop {
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
            self.ledger.core.host.remote().tick();
            let mut round = Round::default();
            let mut input = self.feed.next();
            let drained = loop {
                match input {
                    Input::Batch(batch) => self.admit(&mut round, batch)?,
                    Input::Nothing => break false,
                    Input::Drained => break true,
                }
                if round.bytes >= BATCH_SIZE || round.work >= ROUND_WORK {
                    break false;
                }
                input = self.feed.more();
            };
            if !self.carry_out(&mut round)? {
                return Ok(());
            }
            self.keep_lease()?;
            if drained {
                break;
            }
        }
        self.ledger.checkpoint_at_end()?;
        // The lease expires by itself when the broker is out of reach.
        self.hold.release();
        Ok(())
    }

    fn admit(&mut self, round: &mut Round, batch: Batch) -> Result<(), RunError> {
        let Batch {
            connection,
            list,
            broker_ms,
        } = batch;
        if self.checked != connection && !self.check_broker_state()? {
            return Ok(());
        }
        self.checked = connection;
        for entry in list {
            let clock_ms = entry.senders_clock(broker_ms);
            round.trim = Some((connection, entry.id.next()));
            if mutants::is_on(Mutant::DedupeByStreamId) && super::mutants::seen_before(entry.id) {
                continue;
            }
            if let Some((producer, is_certain)) = entry.goodbye {
                round.goodbyes.insert(producer, is_certain);
                continue;
            }
            let Some(frame) = entry.frame else {
                if !entry.is_mark {
                    self.stats.refuse("entry without a frame", &entry.id);
                }
                continue;
            };
            let (verdict, producer) = self
                .ledger
                .core
                .admit_entry(entry.id, entry.acked, clock_ms, &frame);
            if let Some(producer) = producer {
                self.ledger.core.hear_of_drops(producer, entry.dropped);
            }
            // A frame that came again: its sender has not heard the ack.
            round
                .acks
                .extend(producer.filter(|_| matches!(verdict, Verdict::Accepted | Verdict::Duplicate)));
            if verdict == Verdict::Accepted {
                round.bytes += frame.len();
                round.work += Frame::raw_len(&frame);
                round.frames.push(Accepted {
                    acked: producer.map_or(entry.acked, |producer| self.ledger.core.before(producer)),
                    clock_ms,
                    only_reads: self.ledger.core.only_reads(&frame),
                    frame,
                });
            }
        }
        Ok(())
    }

    /// Checks over the lease's connection whether the broker went back to an older state, until it answers. Returns false
    /// when the server stops before that.
    fn check_broker_state(&mut self) -> Result<bool, RunError> {
        let mut backoff = Backoff::new();
        while let Err(error) = self.look_at_broker_state() {
            tracing::debug!(%error, "broker state unknown; asking again");
            if self.stop.load(Relaxed) {
                return Ok(false);
            }
            self.hold.keep(&self.keys, &self.access, &self.stats)?;
            pause(backoff.next(), &self.stop);
            if let Ok(link) = Connection::open(&self.access, Duration::ZERO) {
                self.hold.link = link;
                self.hold.is_reconnected = true;
            }
        }
        Ok(true)
    }

    /// Compares the broker's count of accepted frames with that of the last forgetting. Has to come before this server
    /// publishes its own count over a new connection.
    fn look_at_broker_state(&mut self) -> RedisResult<()> {
        let command = redis::cmd("HGET")
            .arg(&self.keys.acks)
            .arg(ACCEPTED_FIELD)
            .clone();
        let published = match self.hold.link.one(&command) {
            Ok(Value::BulkString(text)) => number(&text).unwrap_or(0),
            Err(error) if error.code() != Some("WRONGTYPE") => return Err(error),
            Ok(_) | Err(_) => 0,
        };
        let core = &mut self.ledger.core;
        if !core.producers.is_older_than_forgotten(published) {
            return Ok(());
        }
        let mark = self
            .hold
            .link
            .one(redis::cmd("XADD").arg(&self.keys.input).arg("*").arg("m").arg(1))?;
        if let Value::BulkString(id) = mark {
            core.suspect_below = StreamId::parse(&id).max(core.suspect_below);
        }
        let accepted = core.producers.accepted();
        tracing::warn!(
            published,
            accepted,
            "the broker went back to an older state; frames of unknown senders in it are left to be sent again"
        );
        Ok(())
    }

    /// Brings a round to disk, to the object, to the readers, and then to the senders' knowledge. Returns false when
    /// the server stops before it could: nothing is acknowledged then.
    fn carry_out(&mut self, round: &mut Round) -> Result<bool, RunError> {
        if !round.frames.is_empty() {
            if mutants::is_on(Mutant::AckBeforeJournal) {
                self.until_told(round)?;
                mutants::slow_disk();
            }
            // Another server would take calls that this one has in its hands.
            let mut meanwhile = || self.hold.keep(&self.keys, &self.access, &self.stats);
            if !self.ledger.take_in(&round.frames, &mut meanwhile)? {
                return Ok(false);
            }
        }
        if round.trim.is_some() {
            self.until_told(round)?;
        }
        self.ledger.checkpoint_if_due()?;
        Ok(true)
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
            match Connection::open(&self.access, Duration::ZERO) {
                Ok(link) => {
                    self.hold.link = link;
                    self.publish_all_acks()?;
                }
                Err(error) => tracing::debug!(%error, "broker is away"),
            }
        }
        self.ledger.core.end_round();
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
        for (producer, entry) in self.ledger.core.outbox.entries() {
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
        for (producer, _) in round.goodbyes.iter().filter(|(_, is_certain)| **is_certain) {
            pipeline.cmd("HDEL").arg(&self.keys.acks);
            pipeline.arg(producer.to_string()).arg(refused_field(*producer));
        }
        let is_gone = |producer: &ProducerId| round.goodbyes.get(producer) == Some(&true);
        let acks: Vec<_> = round.acks.iter().filter(|it| !is_gone(it)).collect();
        let producers = &self.ledger.core.producers;
        for chunk in acks.chunks(ACKS) {
            pipeline.cmd("HSET").arg(&self.keys.acks);
            for &&producer in chunk {
                pipeline
                    .arg(producer.to_string())
                    .arg(producers.watermark(producer));
                let noticed = round.is_full || self.ledger.core.noticed.contains(&producer);
                if let Some(it) = producers
                    .get(producer)
                    .filter(|it| noticed && !it.notice.is_empty())
                {
                    pipeline
                        .arg(refused_field(producer))
                        .arg(format!("{} {}", it.refused, it.notice));
                }
            }
        }
        pipeline
            .cmd("HSET")
            .arg(&self.keys.acks)
            .arg(ACCEPTED_FIELD)
            .arg(producers.accepted());
        let answers = self.hold.link.run(&pipeline)?;
        // Errors of trims and replies are not worth a repetition.
        self.check_acks(answers.into_iter().rev().take(1 + acks.len().div_ceil(ACKS)))?;
        for (&producer, &is_certain) in &round.goodbyes {
            match is_certain {
                true => self.ledger.core.forget(producer),
                false => self.ledger.core.producers.expire_soon(producer),
            }
        }
        Ok(())
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
            self.hold.link.one(redis::cmd("DEL").arg(&self.keys.acks))?;
        }
        Err(error.into())
    }

    /// After a connect: a broker that lost its memory hears all acks again.
    fn publish_all_acks(&mut self) -> Result<(), RunError> {
        let round = Round {
            acks: self.ledger.core.producers.ids().collect(),
            is_full: true,
            ..Round::default()
        };
        if let Err(error) = self.look_at_broker_state().and_then(|()| self.tell(&round)) {
            tracing::debug!(%error, "acks not published; the next round tries again");
        }
        Ok(())
    }

    fn keep_lease(&mut self) -> Result<(), RunError> {
        self.hold.keep(&self.keys, &self.access, &self.stats)?;
        if std::mem::take(&mut self.hold.is_reconnected) {
            self.publish_all_acks()?;
        }
        Ok(())
    }
}
