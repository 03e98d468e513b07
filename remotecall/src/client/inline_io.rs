//! Inline I/O: a caller that waits for the only outstanding call sends it and reads its reply itself.
//!
//! As a rule the sender thread sends and the reader thread reads. Each of them has to be woken, and a wake-up takes as
//! long as the rest of the round trip. So the waiting caller takes over the connections of both threads
//! ([`Handoff`](super::handoff::Handoff)), which sleep meanwhile.

use std::time::{Duration, Instant};

use super::Handle;
use super::future::Slot;
use super::window::CallId;

/// `XREAD BLOCK` timeout of a caller, 50 ms.
pub(super) const BLOCK: Duration = Duration::from_millis(50);
/// Socket timeout of a caller, 300 ms: the broker may notice up to 100 ms late that `BLOCK` is over.
pub(super) const TIMEOUT: Duration = Duration::from_millis(300);
/// Limit on the bytes that a caller sends itself, 64 KiB.
const FEW: usize = 64 << 10;
/// Longest sleep of the sender thread while it does not know of frames that a caller has sent, 2 ms.
const LONGEST_SLEEP: Duration = Duration::from_millis(2);

impl Handle {
    /// Sends call `id` and reads its reply, as long as it is the only outstanding call and `deadline` is not near. The
    /// threads complete a call that is still outstanding when this returns.
    pub(super) fn work_for(&self, slot: &Slot, id: CallId, deadline: Option<Instant>) {
        let is_alone = || {
            deadline.is_none_or(|at| at.saturating_duration_since(Instant::now()) >= TIMEOUT)
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

    /// Leaves call `id` to the threads: its waker is woken when the outcome arrives.
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
            session.disable_inline();
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
            reader.disable_inline();
        }
        done
    }
}
