//! One connection of the sender, and the state that belongs to it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::{Pipeline, RedisResult, Value};

use super::window::{Outgoing, SentFrame, Window};
use super::{GOODBYE, inline_io, now_ns};
use remotecall_connection::{
    Connection, Endpoint, Keys, REPLY_TIMEOUT, StreamId, entries, number, refused_field, reply_key,
};
use remotecall_store::mutants::{self, Mutant};
use remotecall_wire::Frame;

/// Shortest and longest time between two polls of the acknowledgement while frames are in flight, 1 ms and 50 ms.
const POLL: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(50));
/// First and longest time without an acknowledgement after which the sender checks that its frames are still in the
/// stream, 1 s and 30 s.
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
/// Time after an acknowledgement before missing results are queried, 1 s.
const ASK_AFTER: Duration = Duration::from_secs(1);
/// Limit on the results of one query.
const ASK_MOST: usize = 1000;
/// Time to live of a reply stream that is not refreshed, in milliseconds.
pub(super) const REPLY_TTL_MS: u64 = 60_000;

/// One connection of the sender.
pub(super) struct Session {
    link: Connection,
    window: Arc<Window>,
    keys: Keys,
    has_reply_stream: bool,
    poll: Duration,
    stall: Duration,
    /// Time of the last acknowledgement, or of the last check of the stream.
    progress: Instant,
    asked: (Instant, u64),
    /// Error of a caller's inline I/O.
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

    /// Time of the next poll for acknowledgements or missing results; `None` when nothing is outstanding.
    pub fn next_look(&self) -> Option<Instant> {
        let waiting = self.window.sent().is_some();
        (waiting || self.window.wants_replies())
            .then(|| Instant::now() + if waiting { self.poll } else { ASK_AFTER })
    }

    /// Settles frames of the connection before: reads the acknowledgement, and checks that the rest is still in the stream.
    fn settle(&mut self) -> RedisResult<()> {
        self.refresh_ack()?;
        match self.window.sent() {
            Some((_, last)) => self.rewind_unless_there(last),
            None => Ok(()),
        }
    }

    fn refresh_ack(&mut self) -> RedisResult<()> {
        let producer = self.window.producer;
        let ack = self.read_field(&producer.to_string())?;
        if let Some(refusals) = self.read_field(&refused_field(producer))? {
            self.window.on_notice(&refusals);
        }
        if let Some(ack) = ack {
            self.window.on_ack(number(&ack).unwrap_or(0));
        }
        Ok(())
    }

    /// Reads a field of the acks; `None` when there is none, or the broker refuses the command.
    fn read_field(&mut self, field: &str) -> RedisResult<Option<Vec<u8>>> {
        match self.link.one(redis::cmd("HGET").arg(&self.keys.acks).arg(field)) {
            Ok(Value::BulkString(text)) => Ok(Some(text)),
            Ok(_) => Ok(None),
            Err(error) if is_refusal(&error) => Ok(None),
            Err(error) => Err(error),
        }
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

    /// Returns the error of a caller's inline I/O.
    pub fn check(&mut self) -> RedisResult<()> {
        self.failed.take().map_or(Ok(()), Err)
    }

    /// Sends due frames for a caller. Returns false when the broker refused a frame or did not answer in time; the sender
    /// thread retries.
    pub fn exchange_for_caller(&mut self) -> bool {
        if self.failed.is_some() {
            return false;
        }
        match self.exchange(Some(inline_io::TIMEOUT)) {
            Ok(stored) => stored,
            Err(error) => {
                self.failed = Some(error);
                false
            }
        }
    }

    /// Sends due frames and reads the acknowledgement. Returns false when the broker refused a frame.
    pub fn exchange(&mut self, timeout: Option<Duration>) -> RedisResult<bool> {
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
            .run_within(timeout.or_else(|| self.timeout(bytes)), &pipeline)?;
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
        let ack = answers.next();
        // Before the ack: a flush that sees its frames acknowledged has to see their refusals.
        if let Some(Value::BulkString(refusals)) = answers.next() {
            self.window.on_notice(&refusals);
        }
        self.read_ack(ack);
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
    fn timeout(&self, bytes: usize) -> Option<Duration> {
        let slowest = self
            .speed
            .map_or(SLOWEST, |speed| (speed / SLOWDOWN).max(SLOWEST));
        let line = Duration::from_millis(bytes as u64 * 1000 / slowest);
        (line > EXCHANGE).then(|| REPLY_TIMEOUT + line)
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

    /// Checks after a stall that the first frame is still in the stream: the server is away or slow, or it dropped the frame
    /// because of a gap.
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

    /// True if a frame is still in the stream under the id of its entry.
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

    /// Tells the server that this producer sends no more frames and has every ack, so that it can be forgotten. Best effort: a
    /// producer that the server does not hear of is forgotten by its age.
    ///
    /// `is_certain` is false when the answer to an `XADD` was lost: the broker may still receive that frame.
    pub fn say_goodbye(&mut self, is_certain: bool) {
        let mut command = redis::cmd("XADD");
        command.arg(&self.keys.input).arg("*");
        command.arg("p").arg(self.window.producer.to_string());
        command.arg("z").arg(u8::from(is_certain));
        let mut pipeline = Pipeline::new();
        pipeline.add_command(command);
        if let Err(error) = self.link.run_within(Some(GOODBYE), &pipeline) {
            tracing::debug!(%error, "the server was not told that this producer ended");
        }
    }

    /// Queries results of acknowledged calls whose replies are missing: the server may still have them.
    pub fn ask_for_replies(&mut self) {
        let (asked, acked_then) = self.asked;
        if asked.elapsed() < ASK_AFTER {
            return;
        }
        self.asked = (Instant::now(), self.window.acked().0);
        let missing = self.window.unanswered(acked_then, ASK_MOST);
        if !missing.is_empty() {
            // A stream that expired is made again before the query is sent.
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

/// True if the broker answered with an error, which leaves the connection usable.
fn is_refusal(error: &redis::RedisError) -> bool {
    error.code().is_some()
}
