//! The connection of a server that holds its queue, and the lease that it extends over it.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use redis::{Pipeline, RedisResult, Value};

use super::RunError;
use super::lease::{Attempt, EXTEND_EVERY, Lease};
use super::stats::{Stats, WRONG_TYPE};
use remotecall_connection::{Connection, DROPPED_FIELD, Endpoint, Keys};

pub(super) struct LeaseGuard {
    pub link: Connection,
    /// The connection is new: the broker may have forgotten what it was told over the one before.
    pub is_reconnected: bool,
    lease: Lease,
    extended: Instant,
}

impl LeaseGuard {
    /// Of a lease that was taken just now.
    pub fn new(lease: Lease, link: Connection) -> Self {
        Self {
            link,
            is_reconnected: false,
            lease,
            extended: Instant::now(),
        }
    }

    /// Extends the lease when it is time to.
    pub fn keep(&mut self, keys: &Keys, access: &Endpoint, stats: &Stats) -> Result<(), RunError> {
        if self.extended.elapsed() < EXTEND_EVERY {
            return Ok(());
        }
        self.extended = Instant::now();
        match self.extend(keys, stats) {
            Ok(Attempt::Taken(holder)) => Err(RunError::QueueTaken {
                queue_key: self.lease.key.clone(),
                holder,
            }),
            Ok(Attempt::WrongType) => {
                stats.refuse(WRONG_TYPE, &self.lease.key);
                Ok(())
            }
            Ok(Attempt::Held | Attempt::Wait) => Ok(()),
            Err(_) => {
                if let Ok(link) = Connection::open(access, Duration::ZERO) {
                    self.link = link;
                    self.is_reconnected = true;
                }
                Ok(())
            }
        }
    }

    /// The lease, and numbers for those who look at the server or at the broker: in one exchange, as a server at rest
    /// does little else.
    fn extend(&mut self, keys: &Keys, stats: &Stats) -> RedisResult<Attempt> {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("XLEN").arg(&keys.input);
        self.lease.extend(&mut pipeline);
        let dropped = stats.dropped.load(Relaxed);
        if dropped > 0 {
            let tell = pipeline.cmd("HSET");
            tell.arg(&keys.acks).arg(DROPPED_FIELD).arg(dropped);
        }
        let answers = self.link.run(&pipeline)?;
        if let Some(&Value::Int(backlog)) = answers.first() {
            stats.backlog.store(u64::try_from(backlog).unwrap_or(0), Relaxed);
        }
        match self.lease.notice(answers.get(1)) {
            true => Ok(Attempt::Held),
            false => self.lease.hold(&mut self.link),
        }
    }

    /// Gives the queue free. The lease expires by itself when the broker is out of reach.
    pub fn release(&mut self) {
        let _ = self.lease.release(&mut self.link);
    }
}
