//! The thread that sends frames and hears acks, over one blocking connection.
//!
//! The answer to an `XADD` proves nothing: the broker may lose what it stored. Only the ack counts, and it
//! is read with every batch. Frames are sent again, from the first that is not acked,
//!
//! - after a reconnect, when the frame sent last is not in the stream any more (or nobody knows);
//! - when no ack comes for a while and the first frame is not in the stream any more: the server took
//!   it out and did not accept it, because one before it was missing;
//! - when the broker refused one.
//!
//! A frame that is still in the stream only waits for its server, and is not sent twice: a server that is
//! away for a day must not find a day's repetitions.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use redis::{Pipeline, RedisResult, Value};

use super::window::{SentFrame, Window, Work};
use super::{Backoff, now_ns};
use crate::broker::{Address, Keys, Link, StreamId, entries, number, reply_key};
use crate::frame::Frame;
use crate::mutants::{self, Mutant};

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

pub(super) fn start(window: Arc<Window>, address: Address, keys: Keys) -> std::io::Result<JoinHandle<()>> {
    let sender = Sender {
        window,
        address,
        keys,
        was_down: false,
    };
    std::thread::Builder::new()
        .name("remotecall-send".into())
        .spawn(move || sender.run())
}

struct Sender {
    window: Arc<Window>,
    address: Address,
    keys: Keys,
    was_down: bool,
}

/// What one connection has to remember.
struct Session {
    link: Link,
    has_reply_stream: bool,
    poll: Duration,
    stall: Duration,
    /// When the last ack came, or the last look at what is still there.
    progress: Instant,
    asked: (Instant, u64),
}

impl Sender {
    fn run(mut self) {
        let mut backoff = Backoff::new();
        while self.window.wait_for_any() {
            match Link::open(&self.address, Duration::ZERO) {
                Ok(link) => match self.session(link, &mut backoff) {
                    Ok(()) => return,
                    Err(error) => {
                        tracing::debug!(address = %self.address, %error, "connection to the broker failed")
                    }
                },
                Err(error) if !self.was_down => {
                    self.was_down = true;
                    tracing::warn!(address = %self.address, %error, "broker is away; calls wait in memory");
                }
                Err(_) => {}
            }
            if self.window.pause(backoff.next()) {
                return;
            }
        }
    }

    /// Sends until the client is closed or the connection fails.
    fn session(&mut self, link: Link, backoff: &mut Backoff) -> RedisResult<()> {
        let now = Instant::now();
        let mut session = Session {
            link,
            has_reply_stream: false,
            poll: POLL.0,
            stall: STALL.0,
            progress: now,
            asked: (now, 0),
        };
        self.settle(&mut session)?;
        if std::mem::take(&mut self.was_down) {
            tracing::info!(address = %self.address, "broker is back");
        }
        loop {
            let waiting = self.window.sent().is_some();
            let poll = (waiting || self.window.wants_replies())
                .then(|| Instant::now() + if waiting { session.poll } else { ASK_AFTER });
            if matches!(self.window.wait(poll), Work::Stop) {
                return Ok(());
            }
            if self.exchange(&mut session)? {
                backoff.reset();
            } else if self.window.pause(backoff.next()) {
                return Ok(());
            }
            self.look_after_stall(&mut session)?;
            self.ask_for_replies(&mut session);
        }
    }

    /// After a connect: what was acked meanwhile, and is the rest still there?
    fn settle(&self, session: &mut Session) -> RedisResult<()> {
        let ack = session.link.one(
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
            && !self.is_there(session, last)?
        {
            self.window.rewind(first.seq);
        }
        Ok(())
    }

    /// Sends what is due and reads the ack. Returns false when the broker refused a frame.
    fn exchange(&self, session: &mut Session) -> RedisResult<bool> {
        let (batch, acked) = self.window.take_batch();
        let mut pipeline = Pipeline::new();
        let make_stream = self.window.wants_replies() && !session.has_reply_stream;
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
        }
        pipeline
            .cmd("HGET")
            .arg(&self.keys.acks)
            .arg(self.window.producer.to_string());
        let mut answers = session.link.run(&pipeline)?.into_iter();
        if make_stream {
            let made = answers.next();
            answers.next();
            session.has_reply_stream = !matches!(made, Some(Value::ServerError(_)) | None);
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
        self.read_ack(session, answers.next());
        if let Some((seq, answer)) = &refused {
            tracing::warn!(address = %self.address, frame = seq, ?answer, "broker refused a frame; trying again");
            self.window.rewind(*seq);
        }
        Ok(refused.is_none())
    }

    fn read_ack(&self, session: &mut Session, answer: Option<Value>) {
        let acked = match answer {
            Some(Value::BulkString(text)) => number(&text).unwrap_or(0),
            _ => 0,
        };
        if self.window.on_ack(acked) {
            session.poll = POLL.0;
            session.stall = STALL.0;
            session.progress = Instant::now();
        } else {
            session.poll = (session.poll * 2).min(POLL.1);
        }
    }

    /// No ack for a while: the server is away or slow, or it could not use what it got.
    fn look_after_stall(&self, session: &mut Session) -> RedisResult<()> {
        let Some((first, _)) = self.window.sent() else {
            session.progress = Instant::now();
            return Ok(());
        };
        if session.progress.elapsed() < session.stall {
            return Ok(());
        }
        session.progress = Instant::now();
        session.stall = (session.stall * 2).min(STALL.1);
        if !self.is_there(session, first)? {
            self.window.rewind(first.seq);
        }
        Ok(())
    }

    /// Whether a frame is still in the stream under the id that it got.
    fn is_there(&self, session: &mut Session, frame: SentFrame) -> RedisResult<bool> {
        let Some(id) = frame.entry else { return Ok(false) };
        let mut command = redis::cmd("XREAD");
        command
            .arg("COUNT")
            .arg(1)
            .arg("STREAMS")
            .arg(&self.keys.input)
            .arg(id.before().to_string());
        let answer = match session.link.one(&command) {
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
    fn ask_for_replies(&self, session: &mut Session) {
        let (asked, acked_then) = session.asked;
        if asked.elapsed() < ASK_AFTER {
            return;
        }
        session.asked = (Instant::now(), self.window.acked().0);
        let missing = self.window.unanswered(acked_then, ASK_MOST);
        if !missing.is_empty() {
            // A stream that expired meanwhile is made again before the question is sent.
            session.has_reply_stream = false;
            self.window.ask(&missing);
        }
    }
}

/// The broker answered, with an error: the connection is in order.
fn is_refusal(error: &redis::RedisError) -> bool {
    error.code().is_some()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use crate::Client;
    use crate::embedded::{BrokerOptions, EmbeddedBroker};

    const DEADLINE: Duration = Duration::from_secs(60);

    #[track_caller]
    fn gets_something(broker: &EmbeddedBroker) {
        let since = Instant::now();
        while broker.memory() == 0 {
            assert!(since.elapsed() < DEADLINE, "nothing comes");
            std::thread::yield_now();
        }
    }

    /// Everything was sent before the broker went, and nobody calls any more.
    #[test]
    fn what_a_lost_broker_had_is_sent_again_without_another_call() {
        let options = |listen| BrokerOptions {
            listen,
            ..BrokerOptions::default()
        };
        let first = EmbeddedBroker::start(options(([127, 0, 0, 1], 0).into())).unwrap();
        let address = first.address();
        let client = Client::connect(&address.to_string(), "q", "c").unwrap();
        client.send("put", &(1,));
        gets_something(&first);
        first.stop();
        gets_something(&EmbeddedBroker::start(options(address)).unwrap());
        client.close(Duration::ZERO).unwrap_err();
    }
}
