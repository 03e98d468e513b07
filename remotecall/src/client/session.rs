//! One connection of the sender, and what it has to remember of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::{Pipeline, RedisResult, Value};

use super::window::{SentFrame, Window};
use super::{inline_io, now_ns};
use remotecall_connection::{Connection, Endpoint, Keys, StreamId, entries, number, reply_key};
use remotecall_store::mutants::{self, Mutant};
use remotecall_wire::Frame;

/// Shortest and longest time between two looks at the ack while frames are on their way.
const POLL: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(50));
/// First and longest time without an ack after which the sender looks whether its frames are still there.
const STALL: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// How long results may be missing after the ack before they are asked for.
const ASK_AFTER: Duration = Duration::from_secs(1);
/// Most results asked for at once.
const ASK_MOST: usize = 1000;
/// A reply stream that nobody refreshes is gone after this time, in milliseconds.
pub(super) const REPLY_TTL_MS: u64 = 60_000;

pub(super) struct Session {
    link: Connection,
    window: Arc<Window>,
    keys: Keys,
    has_reply_stream: bool,
    poll: Duration,
    stall: Duration,
    /// When the last ack came, or the last look at what is still there.
    progress: Instant,
    asked: (Instant, u64),
    /// What went wrong while a caller worked with it.
    failed: Option<redis::RedisError>,
}

impl Session {
    pub fn open(window: Arc<Window>, access: &Endpoint, keys: Keys) -> RedisResult<Self> {
        let now = Instant::now();
        let mut session = Self {
            link: Connection::open(access, Duration::ZERO)?,
            window,
            keys,
            has_reply_stream: false,
            poll: POLL.0,
            stall: STALL.0,
            progress: now,
            asked: (now, 0),
            failed: None,
        };
        session.settle()?;
        Ok(session)
    }

    /// When to look for the ack or for missing results; none when nothing is on its way.
    pub fn next_look(&self) -> Option<Instant> {
        let waiting = self.window.sent().is_some();
        (waiting || self.window.wants_replies())
            .then(|| Instant::now() + if waiting { self.poll } else { ASK_AFTER })
    }

    /// After a connect: what was acked meanwhile, and is the rest still there?
    fn settle(&mut self) -> RedisResult<()> {
        let ack = self.link.one(
            redis::cmd("HGET")
                .arg(&self.keys.acks)
                .arg(self.window.producer.to_string()),
        );
        match ack {
            Ok(Value::BulkString(text)) => {
                self.window.on_ack(number(&text).unwrap_or(0));
            }
            Ok(_) => {}
            Err(error) if is_refusal(&error) => {}
            Err(error) => return Err(error),
        }
        if let Some((first, last)) = self.window.sent()
            && !self.is_there(last)?
        {
            self.window.rewind(first.seq);
        }
        Ok(())
    }

    /// What went wrong while a caller worked with it.
    pub fn check(&mut self) -> RedisResult<()> {
        self.failed.take().map_or(Ok(()), Err)
    }

    /// For a caller: sends what is due. Returns false when the broker refused a frame or did not answer in time: the
    /// sender has to see to that.
    pub fn exchange_for_caller(&mut self) -> bool {
        if self.failed.is_some() {
            return false;
        }
        match self.exchange(Some(inline_io::PATIENCE)) {
            Ok(stored) => stored,
            Err(error) => {
                self.failed = Some(error);
                false
            }
        }
    }

    /// Sends what is due and reads the ack. Returns false when the broker refused a frame.
    pub fn exchange(&mut self, patience: Option<Duration>) -> RedisResult<bool> {
        let (batch, acked, dropped) = self.window.take_batch();
        let mut pipeline = Pipeline::new();
        let make_stream = self.window.wants_replies() && !self.has_reply_stream;
        if make_stream {
            let key = reply_key(self.window.producer);
            pipeline.cmd("XADD").arg(&key).arg("*").arg("f").arg("");
            pipeline.cmd("PEXPIRE").arg(&key).arg(REPLY_TTL_MS);
        }
        for frame in &batch {
            let bytes = self.window.seal(frame);
            pipeline
                .cmd("XADD")
                .arg(&self.keys.input)
                .arg("*")
                .arg("f")
                .arg(bytes.as_slice())
                .arg("a")
                .arg(acked)
                .arg("t")
                .arg(now_ns() / 1_000_000);
            if dropped > 0 {
                pipeline.arg("d").arg(dropped);
            }
        }
        pipeline
            .cmd("HGET")
            .arg(&self.keys.acks)
            .arg(self.window.producer.to_string());
        let mut answers = self.link.run_within(patience, &pipeline)?.into_iter();
        if make_stream {
            let made = answers.next();
            answers.next();
            self.has_reply_stream = !matches!(made, Some(Value::ServerError(_)) | None);
        }
        let mut refused = None;
        for (frame, answer) in batch.iter().zip(&mut answers) {
            match answer {
                Value::BulkString(id) => {
                    if let Some(id) = StreamId::parse(&id) {
                        self.window.stored(frame.seq, id);
                        if mutants::is_on(Mutant::AckOnXadd) {
                            self.window.on_ack(frame.seq);
                        }
                    }
                }
                other => {
                    refused.get_or_insert((frame.seq, other));
                }
            }
        }
        self.read_ack(answers.next());
        if let Some((seq, answer)) = &refused {
            tracing::debug!(frame = seq, ?answer, "broker refused a frame; trying again");
            self.window.rewind(*seq);
        }
        Ok(refused.is_none())
    }

    fn read_ack(&mut self, answer: Option<Value>) {
        let acked = match answer {
            Some(Value::BulkString(text)) => number(&text).unwrap_or(0),
            _ => 0,
        };
        if self.window.on_ack(acked) {
            self.poll = POLL.0;
            self.stall = STALL.0;
            self.progress = Instant::now();
        } else {
            self.poll = (self.poll * 2).min(POLL.1);
        }
    }

    /// No ack for a while: the server is away or slow, or it could not use what it got.
    pub fn look_after_stall(&mut self) -> RedisResult<()> {
        let Some((first, _)) = self.window.sent() else {
            self.progress = Instant::now();
            return Ok(());
        };
        if self.progress.elapsed() < self.stall {
            return Ok(());
        }
        self.progress = Instant::now();
        self.stall = (self.stall * 2).min(STALL.1);
        if !self.is_there(first)? {
            self.window.rewind(first.seq);
        }
        Ok(())
    }

    /// Whether a frame is still in the stream under the id that it got.
    fn is_there(&mut self, frame: SentFrame) -> RedisResult<bool> {
        let Some(id) = frame.entry else { return Ok(false) };
        let mut command = redis::cmd("XREAD");
        command
            .arg("COUNT")
            .arg(1)
            .arg("STREAMS")
            .arg(&self.keys.input)
            .arg(id.before().to_string());
        let answer = match self.link.one(&command) {
            Err(error) if is_refusal(&error) => return Ok(true),
            answer => answer?,
        };
        let found = entries(answer)
            .into_iter()
            .next()
            .filter(|entry| entry.id == id)
            .and_then(|entry| entry.frame);
        Ok(found.is_some_and(|bytes| {
            Frame::parse(&bytes).is_ok_and(|it| it.producer == self.window.producer && it.seq == frame.seq)
        }))
    }

    /// Calls that are acked and have no result: the reply was lost, and the server may still have it.
    pub fn ask_for_replies(&mut self) {
        let (asked, acked_then) = self.asked;
        if asked.elapsed() < ASK_AFTER {
            return;
        }
        self.asked = (Instant::now(), self.window.acked().0);
        let missing = self.window.unanswered(acked_then, ASK_MOST);
        if !missing.is_empty() {
            // A stream that expired meanwhile is made again before the question is sent.
            self.has_reply_stream = false;
            self.window.ask(&missing);
        }
    }
}

/// The broker answered, with an error: the connection is in order.
fn is_refusal(error: &redis::RedisError) -> bool {
    error.code().is_some()
}
