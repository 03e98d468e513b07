//! Lease guard: the connection of a serving server, over which it extends its lease and publishes.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use redis::{Pipeline, RedisResult, Value};

use super::RunError;
use super::lease::{Attempt, EXTEND_EVERY, Lease};
use super::stats::{Stats, WRONG_TYPE};
use remotecall_connection::{Connection, DROPPED_FIELD, Endpoint, Keys};

/// A held lease and its connection.
pub(super) struct LeaseGuard {
    pub link: Connection,
    /// The connection is new, so the broker may have lost what was published before.
    pub is_reconnected: bool,
    lease: Lease,
    extended: Instant,
}

impl LeaseGuard {
    /// Guards a lease that was just taken.
    pub fn new(lease: Lease, link: Connection) -> Self {
        Self {
            link,
            is_reconnected: false,
            lease,
            extended: Instant::now(),
        }
    }

    /// Extends the lease when [`EXTEND_EVERY`] has passed.
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

    /// Extends the lease and updates the counters for monitoring, in one exchange: an idle server does little else.
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

    /// Releases the lease. It expires by itself when the broker is unreachable.
    pub fn release(&mut self) {
        let _ = self.lease.release(&mut self.link);
    }
}
