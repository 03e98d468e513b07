//! One server per queue: a key that its holder extends and that expires when the holder is gone.
//!
//! A server that holds the lock on its directory may take over the lease of its predecessor in the same
//! directory at once: that one is certainly dead. Anybody else waits for the lease to expire.

use std::time::{Duration, Instant};

use redis::{Pipeline, RedisResult, Value};

use crate::broker::{Keys, Link};
use crate::holder::this_process;

/// A lease that nobody extends is free after this time.
const TTL: Duration = Duration::from_secs(6);
/// How often the holder extends it.
pub(super) const EXTEND_EVERY: Duration = Duration::from_secs(2);

/// Who holds what.
pub(super) struct Lease {
    /// Where the holder is: host and directory, or host and a random number. Who is at the same place has the same lock.
    place: String,
    /// What is in the key: the place, the process, and since when.
    value: String,
    pub key: String,
    waiting_since: Option<Instant>,
}

/// An attempt to get or keep the lease.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    Held,
    /// Somebody else holds it, and may be dead: try again.
    Wait,
    /// Somebody else holds it and is alive.
    Taken(String),
    /// The key was garbage and is gone: try again.
    WrongType,
}

impl Lease {
    pub fn new(keys: &Keys, place: String) -> Self {
        Self {
            value: format!("{place}, {}", this_process()),
            place,
            key: keys.lease.clone(),
            waiting_since: None,
        }
    }

    /// Takes the lease, or extends it.
    pub fn hold(&mut self, link: &mut Link) -> RedisResult<Attempt> {
        let ttl = TTL.as_millis() as u64;
        let mut pipeline = Pipeline::new();
        pipeline
            .cmd("SET")
            .arg(&self.key)
            .arg(&self.value)
            .arg("NX")
            .arg("PX")
            .arg(ttl);
        pipeline.cmd("GET").arg(&self.key);
        let mut answers = link.run(&pipeline)?.into_iter();
        // Without the right to hold a lease there is none, and two servers would not know of each other.
        let may_not =
            |answer: &Value| matches!(answer, Value::ServerError(error) if error.code() == "NOPERM");
        let taken = answers.next().unwrap_or(Value::Nil);
        let found = answers.next().unwrap_or(Value::Nil);
        if let Some(Value::ServerError(error)) = [&taken, &found].into_iter().find(|answer| may_not(answer)) {
            return Err(error.clone().into());
        }
        let holder = match found {
            Value::BulkString(holder) => String::from_utf8_lossy(&holder).into_owned(),
            Value::ServerError(error) if error.code() == "WRONGTYPE" => {
                link.one(redis::cmd("DEL").arg(&self.key))?;
                return Ok(Attempt::WrongType);
            }
            // Out of memory, read-only: nobody else can take it either.
            _ => return Ok(Attempt::Held),
        };
        if holder.starts_with(&self.place) {
            let mut pipeline = Pipeline::new();
            // Of the server that was here before.
            if holder != self.value {
                pipeline
                    .cmd("SET")
                    .arg(&self.key)
                    .arg(&self.value)
                    .arg("PX")
                    .arg(ttl);
            }
            self.expire(&mut pipeline);
            link.run(&pipeline)?;
            self.waiting_since = None;
            return Ok(Attempt::Held);
        }
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        Ok(if since.elapsed() > TTL + EXTEND_EVERY {
            Attempt::Taken(holder)
        } else {
            Attempt::Wait
        })
    }

    /// Commands that extend the lease of who holds it already, without waiting for an answer in between; the first answer
    /// is for [`is_extended`](Self::is_extended). None while somebody else holds it: that lease must be able to expire.
    pub fn extend(&self, pipeline: &mut Pipeline) {
        pipeline.cmd("GET").arg(&self.key);
        if self.waiting_since.is_none() {
            self.expire(pipeline);
        }
    }

    /// Whether it was. Otherwise it is gone or somebody else's, and [`hold`](Self::hold) is next.
    pub fn is_extended(&self, answer: Option<&Value>) -> bool {
        matches!(answer, Some(Value::BulkString(holder)) if *holder == self.value.as_bytes())
    }

    /// `SET` fails in a full broker, just when it matters.
    fn expire(&self, pipeline: &mut Pipeline) {
        pipeline.cmd("PEXPIRE").arg(&self.key).arg(TTL.as_millis() as u64);
    }

    pub fn release(&self, link: &mut Link) -> RedisResult<()> {
        let value = link.one(redis::cmd("GET").arg(&self.key))?;
        if value == Value::BulkString(self.value.clone().into_bytes()) {
            link.one(redis::cmd("DEL").arg(&self.key))?;
        }
        Ok(())
    }
}
