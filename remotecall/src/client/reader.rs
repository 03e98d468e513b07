//! The thread that reads replies and completes futures, over one blocking connection.
//!
//! All futures of a client share one stream, which its owner keeps alive: when the process is gone,
//! the broker drops the stream by itself.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use redis::{Pipeline, RedisResult, Value};

use super::heartbeat::Heartbeat;
use super::sender::REPLY_TTL_MS;
use super::window::Window;
use super::{Backoff, MISSING_AFTER};
use crate::broker::{Address, Link, StreamId, entries, reply_key};
use crate::reply::Replies;

/// Longest wait for replies in one go; shorter while somebody waits for the absence of errors.
const BLOCK: Duration = Duration::from_millis(1000);
const BLOCK_FOR_ERRORS: Duration = Duration::from_millis(20);
/// Most entries read in one go.
const COUNT: usize = 64;
/// How often the stream's life is extended.
const REFRESH: Duration = Duration::from_millis(REPLY_TTL_MS / 3);

pub(super) fn start(window: Arc<Window>, address: Address, lease: String) -> std::io::Result<JoinHandle<()>> {
    let reader = Reader {
        key: reply_key(window.producer),
        heartbeat: Heartbeat::new(window.clone(), lease, MISSING_AFTER),
        window,
        address,
    };
    std::thread::Builder::new()
        .name("remotecall-replies".into())
        .spawn(move || reader.run())
}

struct Reader {
    window: Arc<Window>,
    address: Address,
    key: String,
    heartbeat: Heartbeat,
}

impl Reader {
    fn run(mut self) {
        let mut backoff = Backoff::new();
        while !self.window.is_closed() {
            let link = Link::open(&self.address, BLOCK);
            let result = link.and_then(|link| self.session(link, &mut backoff));
            if let Err(error) = result {
                self.heartbeat.seen(false);
                tracing::debug!(address = %self.address, %error, "no replies");
                self.window.pause(backoff.next());
            }
        }
    }

    /// Reads until the client is closed or the connection fails. After a connect everything in the stream is
    /// read again: a reply that was seen already finds nobody waiting.
    fn session(&mut self, mut link: Link, backoff: &mut Backoff) -> RedisResult<()> {
        let mut last = StreamId::default();
        let mut refreshed = Instant::now();
        while !self.window.is_closed() {
            // A broker that was emptied while its clock stepped back numbers the answers below what was read.
            if self.window.take_reread() {
                last = StreamId::default();
            }
            let (acked, only_errors) = self.window.acked();
            let block = if only_errors { BLOCK_FOR_ERRORS } else { BLOCK };
            let mut command = redis::cmd("XREAD");
            command
                .arg("COUNT")
                .arg(COUNT)
                .arg("BLOCK")
                .arg(block.as_millis() as u64);
            command.arg("STREAMS").arg(&self.key).arg(last.to_string());
            let looks = self.heartbeat.matters();
            let mut pipeline = Pipeline::new();
            pipeline.add_command(command);
            if looks {
                pipeline.cmd("EXISTS").arg(self.heartbeat.lease());
            }
            let mut answers = link.run(&pipeline)?.into_iter();
            let list = match answers.next() {
                Some(Value::ServerError(error)) => return Err(error.into()),
                answer => entries(answer.unwrap_or(Value::Nil)),
            };
            if looks {
                self.heartbeat.seen(answers.next() == Some(Value::Int(1)));
            }
            let drained = list.len() < COUNT;
            for entry in list {
                last = entry.id;
                self.take(&entry.frame.unwrap_or_default());
            }
            if drained {
                self.window.no_more_errors(acked);
            }
            if refreshed.elapsed() >= REFRESH {
                refreshed = Instant::now();
                self.refresh(&mut link, &mut last)?;
            }
            backoff.reset();
        }
        Ok(())
    }

    fn take(&self, packed: &[u8]) {
        for reply in Replies::new(packed) {
            self.window.complete((reply.seq, reply.index), reply.outcome());
        }
    }

    fn refresh(&self, link: &mut Link, last: &mut StreamId) -> RedisResult<()> {
        let extended = link.one(redis::cmd("PEXPIRE").arg(&self.key).arg(REPLY_TTL_MS))?;
        if extended == Value::Int(0) {
            link.one(redis::cmd("XADD").arg(&self.key).arg("*").arg("f").arg(""))?;
            link.one(redis::cmd("PEXPIRE").arg(&self.key).arg(REPLY_TTL_MS))?;
            *last = StreamId::default();
        }
        Ok(())
    }
}
