//! Reading replies and completing futures, over one blocking connection.
//!
//! All futures of a client share one stream. The client extends its time to live, so the broker drops the
//! stream of a process that is gone.
//!
//! The reader thread reads, unless a caller does inline ([`inline_io`]).

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use redis::{Pipeline, RedisResult, Value};

use super::future::RemoteError;
use super::handoff::Handoff;
use super::heartbeat::Heartbeat;
use super::session::REPLY_TTL_MS;
use super::window::Window;
use super::{Backoff, MISSING_AFTER, inline_io};
use remotecall_connection::{Connection, Endpoint, StreamId, entries, reply_key};
use remotecall_wire::Replies;

/// `XREAD BLOCK` timeout of the reader thread, 1 s.
const BLOCK: Duration = Duration::from_millis(1000);
/// `XREAD BLOCK` timeout while a caller waits for the absence of errors, 20 ms.
const BLOCK_FOR_ERRORS: Duration = Duration::from_millis(20);
/// Time for which the thread leaves the connection to callers when none of them takes it, 2 ms.
const GRACE: Duration = Duration::from_millis(2);
/// `XREAD COUNT`, in entries.
const COUNT: usize = 64;
/// Time between two extensions of the stream's time to live.
const REFRESH: Duration = Duration::from_millis(REPLY_TTL_MS / 3);

pub(super) fn start(
    window: Arc<Window>,
    access: Endpoint,
    lease: String,
    handoff: Arc<Handoff<Reader>>,
) -> std::io::Result<JoinHandle<()>> {
    let reader = Reader {
        key: reply_key(window.producer),
        heartbeat: Heartbeat::new(window.clone(), lease, MISSING_AFTER),
        window,
        access,
        session: None,
        backoff: Backoff::new(),
    };
    std::thread::Builder::new()
        .name("remotecall-replies".into())
        .spawn(move || reader.run(&handoff))
}

pub(super) struct Reader {
    window: Arc<Window>,
    access: Endpoint,
    key: String,
    heartbeat: Heartbeat,
    session: Option<Session>,
    backoff: Backoff,
}

/// One connection and its position in the stream. After a reconnect the whole stream is read again: a reply that was
/// read before finds no future.
struct Session {
    link: Connection,
    last: StreamId,
    refreshed: Instant,
}

impl Reader {
    fn run(mut self, handoff: &Handoff<Self>) {
        while !self.window.is_closed() {
            if self.session.is_none() {
                self.connect();
            } else if self.read(BLOCK, None) && self.window.waiting() == 0 {
                handoff.offer(self);
                handoff.wait_while_used(GRACE);
                self = handoff.reclaim();
            }
            if self.session.is_none() {
                self.window.pause(self.backoff.next());
            }
        }
    }

    /// Reads once for a caller whose call is the only one outstanding. Returns false when there is no connection; the
    /// thread makes the next one.
    pub fn read_for_caller(&mut self) -> bool {
        self.read(inline_io::BLOCK, Some(inline_io::TIMEOUT));
        self.session.is_some()
    }

    fn connect(&mut self) {
        match Connection::open(&self.access, BLOCK) {
            Ok(link) => {
                self.session = Some(Session {
                    link,
                    last: StreamId::default(),
                    refreshed: Instant::now(),
                });
            }
            Err(error) => self.lost(&error),
        }
    }

    fn lost(&mut self, error: &redis::RedisError) {
        self.heartbeat.seen(false);
        tracing::debug!(address = %self.access.address, %error, "reply connection failed; reconnecting");
        self.session = None;
    }

    /// Reads once and returns whether replies came. Does nothing without a connection.
    fn read(&mut self, longest: Duration, patience: Option<Duration>) -> bool {
        let Some(mut session) = self.session.take() else {
            return false;
        };
        match self.read_over(&mut session, longest, patience) {
            Ok(some) => {
                self.session = Some(session);
                self.backoff.reset();
                some
            }
            Err(error) => {
                self.lost(&error);
                false
            }
        }
    }

    fn read_over(
        &mut self,
        session: &mut Session,
        longest: Duration,
        patience: Option<Duration>,
    ) -> RedisResult<bool> {
        // A broker that lost its data while its clock stepped back gives new replies lower ids than those read before.
        if self.window.take_reread() {
            session.last = StreamId::default();
        }
        let (acked, only_errors) = self.window.acked();
        let block = if only_errors { BLOCK_FOR_ERRORS } else { longest };
        let mut command = redis::cmd("XREAD");
        command
            .arg("COUNT")
            .arg(COUNT)
            .arg("BLOCK")
            .arg(block.as_millis() as u64);
        command
            .arg("STREAMS")
            .arg(&self.key)
            .arg(session.last.to_string());
        let looks = self.heartbeat.matters();
        let mut pipeline = Pipeline::new();
        pipeline.add_command(command);
        if looks {
            pipeline.cmd("EXISTS").arg(self.heartbeat.lease());
        }
        let mut answers = session.link.run_within(patience, &pipeline)?.into_iter();
        let list = match answers.next() {
            Some(Value::ServerError(error)) => return Err(error.into()),
            answer => entries(answer.unwrap_or(Value::Nil)),
        };
        if looks {
            self.heartbeat.seen(answers.next() == Some(Value::Int(1)));
        }
        let (some, drained) = (!list.is_empty(), list.len() < COUNT);
        for entry in list {
            session.last = entry.id;
            self.take(&entry.frame.unwrap_or_default());
        }
        if drained {
            self.window.no_more_errors(acked);
        }
        if session.refreshed.elapsed() >= REFRESH {
            session.refreshed = Instant::now();
            self.refresh(session)?;
        }
        Ok(some)
    }

    fn take(&self, packed: &[u8]) {
        for reply in Replies::new(packed) {
            self.window.complete(
                (reply.seq, reply.index),
                reply.outcome().map_err(RemoteError::from),
            );
        }
    }

    fn refresh(&self, session: &mut Session) -> RedisResult<()> {
        let link = &mut session.link;
        let extended = link.one(redis::cmd("PEXPIRE").arg(&self.key).arg(REPLY_TTL_MS))?;
        if extended == Value::Int(0) {
            link.one(redis::cmd("XADD").arg(&self.key).arg("*").arg("f").arg(""))?;
            link.one(redis::cmd("PEXPIRE").arg(&self.key).arg(REPLY_TTL_MS))?;
            session.last = StreamId::default();
        }
        Ok(())
    }
}
