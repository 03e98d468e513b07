//! Backlog of a queue, for monitoring tools: unserved frames, their age and the server.

use std::time::Duration;

use redis::{Pipeline, RedisError, Value};

use remotecall_connection::{
    Address, AddressError, Connection, DROPPED_FIELD, Endpoint, Environment, Keys, QueueNameError, Role,
    entries, number, time_ms,
};

use crate::DEFAULT_ENVIRONMENT;

/// Reads the backlogs of queues over one connection; changes nothing.
pub struct BrokerWatch {
    access: Endpoint,
    link: Option<Connection>,
}

/// Backlog of a queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Frames that the server has not acknowledged.
    pub frames: u64,
    /// Age of the oldest frame, by the broker's clock.
    pub age: Option<Duration>,
    /// Holder of the lease, as host and directory; `None` while no server holds it.
    pub server: Option<String>,
    /// Calls that producers have dropped, as reported to the server.
    pub dropped: u64,
}

/// Error of [`BrokerWatch::look`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WatchError {
    /// The broker cannot be reached, or refuses a command.
    #[error("no broker: {0}")]
    Broker(#[source] BrokerError),
    /// The queue name is invalid.
    #[error(transparent)]
    Queue(#[from] QueueNameError),
}

/// Failure of a connection to a broker, or of a command.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct BrokerError(RedisError);

impl WatchError {
    /// True if a later look may succeed: the broker may come back, or accept the command.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Broker(_))
    }
}

impl BrokerWatch {
    /// Makes a watch on the broker at `address`; connects on the first look. Credentials that the address does not name
    /// come from the variables of [`DEFAULT_ENVIRONMENT`](crate::DEFAULT_ENVIRONMENT).
    ///
    /// # Errors
    /// When the address cannot be parsed.
    pub fn new(address: &str) -> Result<Self, AddressError> {
        Self::with_environment(address, &DEFAULT_ENVIRONMENT)
    }

    /// Like [`new`](Self::new), with the variables of another environment.
    ///
    /// # Errors
    /// When that is no address.
    pub fn with_environment(address: &str, environment: &Environment) -> Result<Self, AddressError> {
        Ok(Self {
            access: Endpoint::new(Address::parse_with(address, environment)?, Role::Reader),
            link: None,
        })
    }

    /// Address of the broker.
    pub fn address(&self) -> &Address {
        &self.access.address
    }

    /// Reads the backlog of a queue. After an error the next look connects again.
    ///
    /// # Errors
    /// When the broker cannot be reached, or the queue name is invalid.
    pub fn look(&mut self, queue: &str) -> Result<Backlog, WatchError> {
        let keys = Keys::new(&self.access.address.queue(queue))?;
        let answers = self.ask(&keys);
        Ok(backlog(
            answers.map_err(|error| WatchError::Broker(BrokerError(error)))?,
        ))
    }

    fn ask(&mut self, keys: &Keys) -> Result<Vec<Value>, RedisError> {
        let mut link = match self.link.take() {
            Some(link) => link,
            None => Connection::open(&self.access, Duration::ZERO)?,
        };
        let mut pipeline = Pipeline::new();
        pipeline.cmd("XLEN").arg(&keys.input);
        pipeline
            .cmd("XREAD")
            .arg("COUNT")
            .arg(1)
            .arg("STREAMS")
            .arg(&keys.input)
            .arg("0-0");
        pipeline.cmd("TIME");
        pipeline.cmd("GET").arg(&keys.lease);
        pipeline.cmd("HGET").arg(&keys.acks).arg(DROPPED_FIELD);
        let answers = link.run(&pipeline)?;
        for (command, answer) in pipeline.cmd_iter().zip(&answers) {
            self.access.check(command, answer)?;
        }
        self.link = Some(link);
        Ok(answers)
    }
}

fn backlog(answers: Vec<Value>) -> Backlog {
    let mut answers = answers.into_iter();
    let mut next = || answers.next().unwrap_or(Value::Nil);
    let frames = match next() {
        Value::Int(frames) => u64::try_from(frames).unwrap_or(0),
        _ => 0,
    };
    let first = entries(next()).first().map(|entry| entry.id.ms);
    let now = time_ms(&next());
    let server = match next() {
        Value::BulkString(holder) => Some(String::from_utf8_lossy(&holder).into_owned()),
        _ => None,
    };
    let age = now
        .zip(first)
        .map(|(now, first)| Duration::from_millis(now.saturating_sub(first)));
    let dropped = match next() {
        Value::BulkString(count) => number(&count).unwrap_or(0),
        _ => 0,
    };
    Backlog {
        frames,
        age,
        server,
        dropped,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_that_is_away_may_come_back() {
        let mut watch = BrokerWatch::new("127.0.0.1:1").unwrap();
        let away = watch.look("q").unwrap_err();
        assert!(
            away.is_retryable() && away.to_string().starts_with("no broker: "),
            "{away}"
        );
        assert!(!watch.look("a b").unwrap_err().is_retryable());
    }
}
