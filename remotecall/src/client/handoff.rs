//! Handoff of a connection between its thread and a caller that waits for a result.
//!
//! An idle thread offers its connection. A caller takes it and does the I/O itself, so that no thread has to be woken
//! between the broker and the caller.

use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Time for which inline I/O stays disabled after a failure, 60 s.
const DISABLED: Duration = Duration::from_secs(60);

/// Connection of one thread, and its state.
pub(super) struct Handoff<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    /// The connection; `None` while the thread or a caller uses it.
    connection: Option<T>,
    is_offered: bool,
    /// The thread wants its connection back.
    is_recalled: bool,
    /// Time of the offer, or of the last return by a caller.
    since: Instant,
    /// End of the time in which inline I/O is disabled.
    disabled_until: Option<Instant>,
}

/// Connection in use by a caller; dropping it returns the connection.
pub(super) struct Borrowed<'a, T> {
    handoff: &'a Handoff<T>,
    connection: Option<T>,
}

impl<T> Handoff<T> {
    pub fn new() -> Self {
        Self {
            state: Mutex::new(State {
                connection: None,
                is_offered: false,
                is_recalled: false,
                since: Instant::now(),
                disabled_until: None,
            }),
            changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Thread side: offers the connection until [`reclaim`](Self::reclaim).
    pub fn offer(&self, connection: T) {
        let mut state = self.lock();
        state.connection = Some(connection);
        state.is_offered = true;
        state.since = Instant::now();
    }

    /// Thread side: waits until no caller has used the connection for `grace`, or it is recalled.
    pub fn wait_while_used(&self, grace: Duration) {
        let mut state = self.lock();
        loop {
            let left = grace.saturating_sub(state.since.elapsed());
            if state.is_recalled || left.is_zero() {
                return;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Thread side: takes the connection back, as soon as no caller uses it.
    pub fn reclaim(&self) -> T {
        let mut state = self.lock();
        loop {
            state.is_recalled = true;
            if let Some(connection) = state.connection.take() {
                state.is_offered = false;
                state.is_recalled = false;
                return connection;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Caller side: takes the connection when it is offered and no other caller uses it.
    pub fn borrow(&self) -> Option<Borrowed<'_, T>> {
        let mut state = self.lock();
        if state.is_recalled || state.disabled_until.is_some_and(|until| until > Instant::now()) {
            return None;
        }
        state.disabled_until = None;
        let connection = state.connection.take()?;
        drop(state);
        Some(Borrowed {
            handoff: self,
            connection: Some(connection),
        })
    }

    /// Recalls the connection: the thread gets it as soon as no caller uses it.
    pub fn recall(&self) {
        let mut state = self.lock();
        if state.is_offered && !state.is_recalled {
            state.is_recalled = true;
            self.changed.notify_one();
        }
    }
}

impl<T> Borrowed<'_, T> {
    /// Disables inline I/O for [`DISABLED`]: the broker did not answer within the caller's timeout.
    pub fn disable_inline(&self) {
        let mut state = self.handoff.lock();
        state.disabled_until = Some(Instant::now() + DISABLED);
        state.is_recalled = true;
    }
}

impl<T> Drop for Borrowed<'_, T> {
    fn drop(&mut self) {
        let mut state = self.handoff.lock();
        state.connection = self.connection.take();
        state.since = Instant::now();
        if state.is_recalled {
            self.handoff.changed.notify_one();
        }
    }
}

impl<T> Deref for Borrowed<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.connection.as_ref().expect("present until the drop")
    }
}

impl<T> DerefMut for Borrowed<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.connection.as_mut().expect("present until the drop")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    #[test]
    fn one_thread_at_a_time_has_the_connection() {
        let handoff = Handoff::new();
        assert!(handoff.borrow().is_none(), "the thread has it");
        handoff.offer(1);
        let mut borrowed = handoff.borrow().unwrap();
        assert!(handoff.borrow().is_none(), "a caller has it");
        *borrowed += 1;
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                handoff.wait_while_used(LONG);
                handoff.reclaim()
            });
            handoff.recall();
            assert!(!thread.is_finished(), "it has to wait for the caller");
            drop(borrowed);
            assert_eq!(thread.join().unwrap(), 2);
        });
        assert!(handoff.borrow().is_none(), "the thread has it again");
    }

    #[test]
    fn a_thread_reclaims_when_no_caller_comes() {
        let handoff = Handoff::new();
        handoff.offer(());
        handoff.wait_while_used(Duration::from_millis(1));
        handoff.reclaim();
    }

    #[test]
    fn inline_io_is_disabled_after_a_failure() {
        let handoff = Handoff::new();
        handoff.offer(());
        handoff.borrow().unwrap().disable_inline();
        handoff.wait_while_used(LONG);
        handoff.reclaim();
        handoff.offer(());
        assert!(handoff.borrow().is_none());
    }
}
