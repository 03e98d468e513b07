//! Lease: a key that the server of a queue extends, and that expires when the server is gone.
//!
//! A server that holds the lock on its directory takes over the lease of its predecessor in the same directory at
//! once, because that process is dead. Any other server waits until the lease expires.

use std::time::{Duration, Instant};

use redis::{Pipeline, RedisResult, Value};

use remotecall_connection::{Connection, Keys};
use remotecall_store::process_id::this_process;

/// Time to live of a lease that is not extended, 6 s.
const TTL: Duration = Duration::from_secs(6);
/// Time between two extensions, 1 s.
pub(super) const EXTEND_EVERY: Duration = Duration::from_secs(1);

/// The lease of one server.
pub(super) struct Lease {
    /// Host and directory of the server, or host and a random number. Two servers with the same place share a lock.
    place: String,
    /// Value of the key: place, process and start time.
    value: String,
    pub key: String,
    waiting_since: Option<Instant>,
}

/// Outcome of an attempt to take or extend the lease.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    Held,
    /// Another server holds it and may be dead; retry.
    Wait,
    /// Another server holds it and is alive.
    Taken(String),
    /// The key had another type and was deleted; retry.
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

    /// Takes or extends the lease.
    pub fn hold(&mut self, link: &mut Connection) -> RedisResult<Attempt> {
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
        // A server without the right to the key must not run: two of them would not see each other.
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
            // Out of memory or read-only: no other server can take it either.
            _ => return Ok(Attempt::Held),
        };
        if holder.starts_with(&self.place) {
            let mut pipeline = Pipeline::new();
            // The predecessor in the same directory wrote it.
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

    /// Appends the commands that read and extend the lease; [`notice`](Self::notice) takes the first answer. While another
    /// server holds the lease they only read, so that it can expire.
    pub fn extend(&self, pipeline: &mut Pipeline) {
        pipeline.cmd("GET").arg(&self.key);
        if self.waiting_since.is_none() {
            self.expire(pipeline);
        }
    }

    /// Records the holder; returns true if this server holds the lease and extended it. Otherwise call [`hold`](Self::hold).
    pub fn notice(&mut self, answer: Option<&Value>) -> bool {
        let Some(Value::BulkString(holder)) = answer else {
            return false;
        };
        let is_ours = *holder == self.value.as_bytes();
        if !is_ours {
            // Even when `hold` fails: the lease of another server is extended once at most.
            self.waiting_since.get_or_insert_with(Instant::now);
        }
        is_ours && self.waiting_since.is_none()
    }

    /// Extends by `PEXPIRE`, because a full broker refuses `SET`.
    fn expire(&self, pipeline: &mut Pipeline) {
        pipeline.cmd("PEXPIRE").arg(&self.key).arg(TTL.as_millis() as u64);
    }

    pub fn release(&self, link: &mut Connection) -> RedisResult<()> {
        let value = link.one(redis::cmd("GET").arg(&self.key))?;
        if value == Value::BulkString(self.value.clone().into_bytes()) {
            link.one(redis::cmd("DEL").arg(&self.key))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use remotecall_broker::{BrokerOptions, EmbeddedBroker};
    use remotecall_connection::{Endpoint, Role};

    #[test]
    fn what_somebody_else_holds_is_extended_once_at_most() {
        let options = BrokerOptions::new(([127, 0, 0, 1], 0).into());
        let broker = EmbeddedBroker::start(options).unwrap();
        let address = broker.address().to_string();
        let access = Endpoint::new(address.parse().unwrap(), Role::Server);
        let mut link = Connection::open(&access, Duration::ZERO).unwrap();
        let mut lease = Lease::new(&Keys::new("q").unwrap(), "here".to_owned());
        let put = |link: &mut Connection, holder: &str| {
            let mut command = redis::cmd("SET");
            command.arg("rc:{q.0}:lease").arg(holder).arg("PX").arg(600_000);
            link.one(&command).unwrap();
        };
        // The result of one extension, and its number of commands.
        let look = |link: &mut Connection, lease: &mut Lease| {
            let mut pipeline = Pipeline::new();
            lease.extend(&mut pipeline);
            let answers = link.run(&pipeline).unwrap();
            (lease.notice(answers.first()), answers.len())
        };

        assert_eq!(look(&mut link, &mut lease), (false, 2), "nobody holds it");
        assert_eq!(lease.hold(&mut link).unwrap(), Attempt::Held);
        let ours = lease.value.clone();
        assert_eq!(look(&mut link, &mut lease), (true, 2));
        put(&mut link, "there");
        assert_eq!(look(&mut link, &mut lease), (false, 2));
        assert_eq!(
            look(&mut link, &mut lease),
            (false, 1),
            "it must be able to expire"
        );
        assert_eq!(lease.hold(&mut link).unwrap(), Attempt::Wait);
        assert_eq!(look(&mut link, &mut lease), (false, 1));
        // State of a broker that went back to an older snapshot.
        put(&mut link, &ours);
        assert_eq!(look(&mut link, &mut lease), (false, 1), "it was not extended");
        assert_eq!(lease.hold(&mut link).unwrap(), Attempt::Held);
        assert_eq!(look(&mut link, &mut lease), (true, 2));
    }
}
