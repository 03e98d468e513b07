//! One server per queue: a key that its holder extends and that expires when the holder is gone.
//!
//! A server that holds the lock on its directory may take over the lease of its predecessor in the same
//! directory at once: that one is certainly dead. Anybody else waits for the lease to expire.

use std::time::{Duration, Instant};

use redis::{Pipeline, RedisResult, Value};

use remotecall_connection::{Connection, Keys};
use remotecall_store::process_id::this_process;

/// A lease that nobody extends is free after this time.
const TTL: Duration = Duration::from_secs(6);
/// How often the holder extends it.
pub(super) const EXTEND_EVERY: Duration = Duration::from_secs(1);

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

    /// Commands that look at the lease and extend it, without waiting for an answer in between; the first answer is for
    /// [`notice`](Self::notice). While somebody else holds it they only look: that lease must be able to expire.
    pub fn extend(&self, pipeline: &mut Pipeline) {
        pipeline.cmd("GET").arg(&self.key);
        if self.waiting_since.is_none() {
            self.expire(pipeline);
        }
    }

    /// Takes note of who holds it; says whether that is us, and it was extended. Otherwise [`hold`](Self::hold) is next.
    pub fn notice(&mut self, answer: Option<&Value>) -> bool {
        let Some(Value::BulkString(holder)) = answer else {
            return false;
        };
        let is_ours = *holder == self.value.as_bytes();
        if !is_ours {
            // Also when `hold` fails: once is enough to extend what is not ours.
            self.waiting_since.get_or_insert_with(Instant::now);
        }
        is_ours && self.waiting_since.is_none()
    }

    /// `SET` fails in a full broker, just when it matters.
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
        // What a look at the lease says, and how many commands it took.
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
        // As a broker that went back to an older snapshot has it.
        put(&mut link, &ours);
        assert_eq!(look(&mut link, &mut lease), (false, 1), "it was not extended");
        assert_eq!(lease.hold(&mut link).unwrap(), Attempt::Held);
        assert_eq!(look(&mut link, &mut lease), (true, 2));
    }
}
