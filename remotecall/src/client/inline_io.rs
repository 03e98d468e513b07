//! What a caller does itself when it waits for a result.
//!
//! As a rule the sender's thread sends and the reader's thread reads. Each of them has to be woken, and a wake-up takes
//! as long as the whole rest. So when the only call that is out has a caller who waits for it, that caller sends it and
//! reads the reply, with the connections of the two threads ([`Turn`](super::handoff::Handoff)), which sleep meanwhile.

use std::time::{Duration, Instant};

use super::Handle;
use super::future::Slot;
use super::window::CallId;

/// Longest time for which the broker is asked to wait for a reply.
pub(super) const BLOCK: Duration = Duration::from_millis(50);
/// How long an answer of the broker may take. It may notice 100 ms late that a wait is over.
pub(super) const PATIENCE: Duration = Duration::from_millis(300);
/// Most bytes that a caller sends itself.
const FEW: usize = 64 << 10;
/// The sender may sleep so long without knowing of frames that callers have sent.
const LONGEST_SLEEP: Duration = Duration::from_millis(2);

impl Handle {
    /// Works for call `id` as long as it is the only one that is out and there is time. When it returns and the call has
    /// not ended, the threads complete it.
    pub(super) fn work_for(&self, slot: &Slot, id: CallId, deadline: Option<Instant>) {
        let is_alone = || {
            deadline.is_none_or(|at| at.saturating_duration_since(Instant::now()) >= PATIENCE)
                && self.window.is_only_call(id)
        };
        if let Some(bytes) = self.window.hurry(id)
            && !(bytes <= FEW && is_alone() && self.send())
        {
            self.window.wake();
        }
        while !slot.is_done() {
            if !(is_alone() && self.read()) {
                return self.reading.recall();
            }
        }
        if self.window.waiting() > 0 {
            self.reading.recall();
        }
    }

    /// Nobody waits for call `id` here, but somebody is to be woken when it has ended.
    pub(super) fn leave_to_threads(&self, id: CallId) {
        if self.window.hurry(id).is_some() {
            self.window.wake();
        }
        self.reading.recall();
    }

    fn send(&self) -> bool {
        let Some(mut session) = self.sending.borrow() else {
            return false;
        };
        let sent = session.exchange_for_caller();
        if !sent {
            session.has_failed();
        }
        drop(session);
        self.window
            .wake_after_caller(if sent { LONGEST_SLEEP } else { Duration::ZERO });
        sent
    }

    fn read(&self) -> bool {
        let Some(mut reader) = self.reading.borrow() else {
            return false;
        };
        let done = reader.read_for_caller();
        if !done {
            reader.has_failed();
        }
        done
    }
}
