//! One connection of the sender, and what it has to remember of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::{Pipeline, RedisResult, Value};

use super::window::{Outgoing, SentFrame, Window};
use super::{inline_io, now_ns};
use remotecall_connection::{
    ANSWER_TIMEOUT, Connection, Endpoint, Keys, StreamId, entries, number, refused_field, reply_key,
};
use remotecall_store::mutants::{self, Mutant};
use remotecall_wire::Frame;

/// Shortest and longest time between two looks at the ack while frames are on their way.
const POLL: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(50));
/// First and longest time without an ack after which the sender looks whether its frames are still there.
const STALL: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// Bytes of one exchange while the speed of the line is unknown: 64 KiB.
const FIRST_BATCH: usize = 64 << 10;
/// Bytes of one exchange on a fast line: 2 MiB.
const LARGEST_BATCH: usize = 2 << 20;
/// Time that one exchange aims at: a batch that takes longer halves the next one.
const EXCHANGE: Duration = Duration::from_secs(1);
/// Slowest line that is waited for while its speed is unknown: 8 KiB per second.
const SLOWEST: u64 = 8 << 10;
/// A line may become slower than the last exchange by this factor.
const SLOWDOWN: u64 = 8;
/// Answers in a row by which a broker refuses one frame with `ERR` before the frame is given up.
const REFUSALS: u32 = 5;
/// Time for which the broker has to refuse a frame before it is given up.
const REFUSED_FOR: Duration = Duration::from_secs(5);
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
    /// Limit on the bytes of the next exchange.
    batch: usize,
    /// Speed of the last exchange that was long enough to measure, in bytes per second.
    speed: Option<u64>,
    refused: Refused,
}

/// Frame that the broker refuses again and again.
#[derive(Default)]
struct Refused {
    seq: u64,
    times: u32,
    since: Option<Instant>,
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
            batch: FIRST_BATCH,
            speed: None,
            refused: Refused::default(),
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
        self.refresh_ack()?;
        match self.window.sent() {
            Some((_, last)) => self.rewind_unless_there(last),
            None => Ok(()),
        }
    }

    fn refresh_ack(&mut self) -> RedisResult<()> {
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
        Ok(())
    }

    /// Sends again what is not acked, when `frame` is not in the stream any more.
    fn rewind_unless_there(&mut self, frame: SentFrame) -> RedisResult<()> {
        if self.is_there(frame)? {
            return Ok(());
        }
        // The server may have taken it out since the last look at the ack.
        self.refresh_ack()?;
        if let Some((first, _)) = self.window.sent()
            && first.seq <= frame.seq
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
        let (batch, acked, dropped) = self.window.take_batch(self.batch);
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
        pipeline
            .cmd("HGET")
            .arg(&self.keys.acks)
            .arg(refused_field(self.window.producer));
        let bytes: usize = batch.iter().map(Outgoing::length).sum();
        let start = Instant::now();
        let answers = self
            .link
            .run_within(patience.or_else(|| self.patience(bytes)), &pipeline)?;
        self.measure(bytes, start.elapsed());
        let mut answers = answers.into_iter();
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
        if let Some(Value::BulkString(refusals)) = answers.next() {
            self.window.on_refusals(&refusals);
        }
        match refused {
            None => {
                self.refused = Refused::default();
                Ok(true)
            }
            Some((seq, answer)) => {
                self.on_refused_frame(seq, &answer);
                Ok(false)
            }
        }
    }

    /// Sends a refused frame again, or gives it up when the broker refuses it for good.
    fn on_refused_frame(&mut self, seq: u64, answer: &Value) {
        tracing::debug!(frame = seq, ?answer, "broker refused a frame; trying again");
        self.window.rewind(seq);
        if self.refused.seq != seq {
            self.refused = Refused::default();
        }
        let Some(why) = permanent_refusal(answer) else {
            return;
        };
        let since = *self.refused.since.get_or_insert_with(Instant::now);
        self.refused.seq = seq;
        self.refused.times += 1;
        if self.refused.times >= REFUSALS && since.elapsed() >= REFUSED_FOR {
            self.window.give_up(seq, &why);
            self.refused = Refused::default();
        }
    }

    /// Longest wait for the answers to `bytes` of frames, when it is longer than the usual one.
    ///
    /// The answers come behind the frames, and a slow line is busy with those: a timeout that ignores them would send them
    /// again, for ever.
    fn patience(&self, bytes: usize) -> Option<Duration> {
        let slowest = self
            .speed
            .map_or(SLOWEST, |speed| (speed / SLOWDOWN).max(SLOWEST));
        let line = Duration::from_millis(bytes as u64 * 1000 / slowest);
        (line > EXCHANGE).then(|| ANSWER_TIMEOUT + line)
    }

    /// Adapts the size of a batch, and what is known of the line, to an exchange that took `time`.
    fn measure(&mut self, bytes: usize, time: Duration) {
        if bytes < FIRST_BATCH / 2 {
            return;
        }
        let speed = bytes as u128 * 1000 / time.as_millis().max(1);
        self.speed = Some(u64::try_from(speed).unwrap_or(u64::MAX));
        self.batch = match time {
            _ if time > EXCHANGE => (self.batch / 2).max(FIRST_BATCH / 4),
            _ if time < EXCHANGE / 4 => (self.batch * 2).min(LARGEST_BATCH),
            _ => self.batch,
        };
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
        self.rewind_unless_there(first)
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

/// Text of an answer by which a broker refuses a frame for good: a plain `ERR` is about the command itself. Other codes, such
/// as `OOM` and `NOPERM`, are states of the broker that can end; a broker that does not know `XADD` may be replaced.
fn permanent_refusal(answer: &Value) -> Option<String> {
    match answer {
        Value::ServerError(error) if error.code() == "ERR" => {
            let details = error.details().unwrap_or_default();
            (!details.starts_with("unknown command")).then(|| details.to_owned())
        }
        _ => None,
    }
}

/// The broker answered, with an error: the connection is in order.
fn is_refusal(error: &redis::RedisError) -> bool {
    error.code().is_some()
}
