//! The event loop: reads frames, admits them, commits them, and acknowledges them, in rounds.

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

/// Limit on the decompressed bodies of one round, 16 MiB or a third of a million scalars. The frames of a round share one
/// sync, and are acknowledged together.
const ROUND_WORK: usize = 16 << 20;
/// Limit on the unread entries of a reply stream; older ones are dropped.
const REPLY_ENTRIES: usize = 4096;
/// Limit on the acknowledgements of one command.
const ACKS: usize = 1000;
/// Time for which a stopping server drains the stream, 10 s.
const DRAIN: Duration = Duration::from_secs(10);

/// A server that leases its lease.
pub(super) struct EventLoop {
    pub commit: Commit,
    pub access: Endpoint,
    pub keys: Keys,
    pub stop: Arc<AtomicBool>,
    pub stats: Arc<Stats>,
    pub reader: StreamReader,
    pub lease: LeaseGuard,
    /// Number of the stream's connection after which the broker was checked for an older state.
    pub checked: u64,
}

/// One round: accepted frames, and the changes to publish in the broker.
#[derive(Default)]
struct Round {
    frames: Vec<Accepted>,
    /// Bytes of the frames as received.
    bytes: usize,
    /// Bytes of their decompressed bodies.
    work: usize,
    /// Producers whose acknowledgement is published.
    acks: BTreeSet<ProducerId>,
    /// All producers are published, with their notices.
    is_full: bool,
    /// Entries below this id may be trimmed, as read over the connection of this number.
    trim: Option<(u64, StreamId)>,
    /// Producers that ended with every ack, and whether each of their frames was answered.
    goodbyes: BTreeMap<ProducerId, bool>,
}

impl EventLoop {
    /// Runs until the server is stopped and the stream is drained.
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
            self.commit.admission.object.remote().tick();
            let mut round = Round::default();
            let mut input = self.reader.next();
            let drained = loop {
                match input {
                    Input::Batch(batch) => self.admit(&mut round, batch)?,
                    Input::Nothing => break false,
                    Input::Drained => break true,
                }
                if round.bytes >= BATCH_SIZE || round.work >= ROUND_WORK {
                    break false;
                }
                input = self.reader.more();
            };
            if !self.commit_round(&mut round)? {
                return Ok(());
            }
            self.keep_lease()?;
            if drained {
                break;
            }
        }
        self.commit.checkpoint_at_end()?;
        // The lease expires by itself when the broker is unreachable.
        self.lease.release();
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
            let (verdict, producer) =
                self.commit
                    .admission
                    .admit_entry(entry.id, entry.acked, clock_ms, &frame);
            if let Some(producer) = producer {
                self.commit.admission.record_dropped(producer, entry.dropped);
            }
            // A duplicate: its sender has not read the acknowledgement.
            round
                .acks
                .extend(producer.filter(|_| matches!(verdict, Verdict::Accepted | Verdict::Duplicate)));
            if verdict == Verdict::Accepted {
                round.bytes += frame.len();
                round.work += Frame::raw_len(&frame);
                round.frames.push(Accepted {
                    acked: producer.map_or(entry.acked, |producer| {
                        self.commit.admission.number_before(producer)
                    }),
                    clock_ms,
                    is_read_only: self.commit.admission.is_read_only(&frame),
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
            self.lease.keep(&self.keys, &self.access, &self.stats)?;
            pause(backoff.next(), &self.stop);
            if let Ok(link) = Connection::open(&self.access, Duration::ZERO) {
                self.lease.link = link;
                self.lease.is_reconnected = true;
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
        let published = match self.lease.link.one(&command) {
            Ok(Value::BulkString(text)) => number(&text).unwrap_or(0),
            Err(error) if error.code() != Some("WRONGTYPE") => return Err(error),
            Ok(_) | Err(_) => 0,
        };
        let admission = &mut self.commit.admission;
        if !admission.producers.is_older_than_forgotten(published) {
            return Ok(());
        }
        let mark = self
            .lease
            .link
            .one(redis::cmd("XADD").arg(&self.keys.input).arg("*").arg("m").arg(1))?;
        if let Value::BulkString(id) = mark {
            admission.suspect_below = StreamId::parse(&id).max(admission.suspect_below);
        }
        let accepted = admission.producers.accepted();
        tracing::warn!(
            published,
            accepted,
            "the broker went back to an older state; frames of unknown senders in it are left to be sent again"
        );
        Ok(())
    }

    /// Commits a round and publishes its acknowledgements. Returns false when the server stops first; nothing is
    /// acknowledged then.
    fn commit_round(&mut self, round: &mut Round) -> Result<bool, RunError> {
        if !round.frames.is_empty() {
            if mutants::is_on(Mutant::AckBeforeJournal) {
                self.publish_until_done(round)?;
                mutants::slow_disk();
            }
            // With an expired lease another server would accept the same calls.
            let mut meanwhile = || self.lease.keep(&self.keys, &self.access, &self.stats);
            if !self.commit.commit(&round.frames, &mut meanwhile)? {
                return Ok(false);
            }
        }
        if round.trim.is_some() {
            self.publish_until_done(round)?;
        }
        self.commit.checkpoint_if_due()?;
        Ok(true)
    }

    /// Publishes acknowledgements and replies, and reconnects with back-off until that succeeds. When the server stops
    /// first, the next server publishes the acknowledgements.
    fn publish_until_done(&mut self, round: &Round) -> Result<(), RunError> {
        let mut backoff = Backoff::new();
        while let Err(error) = self.publish(round) {
            tracing::debug!(%error, "acknowledgements not published; retrying");
            if self.stop.load(Relaxed) {
                break;
            }
            self.keep_lease()?;
            pause(backoff.next(), &self.stop);
            match Connection::open(&self.access, Duration::ZERO) {
                Ok(link) => {
                    self.lease.link = link;
                    self.publish_all_acks()?;
                }
                Err(error) => tracing::debug!(%error, "cannot reach the broker; retrying"),
            }
        }
        self.commit.admission.end_round();
        Ok(())
    }

    /// Publishes a round in one pipeline. Trims first, so that a full broker has room for the rest; replies come before
    /// acknowledgements, so that a sender that reads an acknowledgement finds its replies. Not a transaction, because a
    /// full broker would refuse all of it.
    fn publish(&mut self, round: &Round) -> RedisResult<()> {
        let mut pipeline = Pipeline::new();
        if let Some((connection, below)) = round.trim
            && connection == self.reader.connection()
        {
            pipeline
                .cmd("XTRIM")
                .arg(&self.keys.input)
                .arg("MINID")
                .arg(below.to_string());
        }
        for (producer, entry) in self.commit.admission.outbox.entries() {
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
        let producers = &self.commit.admission.producers;
        for chunk in acks.chunks(ACKS) {
            pipeline.cmd("HSET").arg(&self.keys.acks);
            for &&producer in chunk {
                pipeline
                    .arg(producer.to_string())
                    .arg(producers.watermark(producer));
                let noticed = round.is_full || self.commit.admission.noticed.contains(&producer);
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
        let answers = self.lease.link.run(&pipeline)?;
        // Failed trims and replies are not repeated.
        self.check_acks(answers.into_iter().rev().take(1 + acks.len().div_ceil(ACKS)))?;
        for (&producer, &is_certain) in &round.goodbyes {
            match is_certain {
                true => self.commit.admission.forget(producer),
                false => self.commit.admission.producers.expire_soon(producer),
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
            self.lease.link.one(redis::cmd("DEL").arg(&self.keys.acks))?;
        }
        Err(error.into())
    }

    /// Publishes all acknowledgements, after a connect: the broker may have lost them.
    fn publish_all_acks(&mut self) -> Result<(), RunError> {
        let round = Round {
            acks: self.commit.admission.producers.ids().collect(),
            is_full: true,
            ..Round::default()
        };
        if let Err(error) = self.look_at_broker_state().and_then(|()| self.publish(&round)) {
            tracing::debug!(%error, "acknowledgements not published; the next round retries");
        }
        Ok(())
    }

    fn keep_lease(&mut self) -> Result<(), RunError> {
        self.lease.keep(&self.keys, &self.access, &self.stats)?;
        if std::mem::take(&mut self.lease.is_reconnected) {
            self.publish_all_acks()?;
        }
        Ok(())
    }
}
