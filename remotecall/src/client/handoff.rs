//! Who works with a connection: the thread whose work it is, or a caller that has to wait for the outcome anyway.
//!
//! A thread with nothing to do for the moment lends what it works with. A caller takes it and does the work itself,
//! and no thread has to be woken between the broker and the caller.

use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long callers do without after one of them failed.
const REFUSED: Duration = Duration::from_secs(60);

pub(super) struct Handoff<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    /// None while the thread or a caller works with it.
    tool: Option<T>,
    is_lent: bool,
    /// The thread is needed.
    recalled: bool,
    /// When it was lent, or given back by a caller.
    since: Instant,
    /// Until when callers do without it.
    refused_until: Option<Instant>,
}

/// The tool in the hands of a caller; dropping it gives it back.
pub(super) struct Loan<'a, T> {
    turn: &'a Handoff<T>,
    tool: Option<T>,
}

impl<T> Handoff<T> {
    pub fn new() -> Self {
        Self {
            state: Mutex::new(State {
                tool: None,
                is_lent: false,
                recalled: false,
                since: Instant::now(),
                refused_until: None,
            }),
            changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For the thread: lends `tool` until [`reclaim`](Self::reclaim).
    pub fn lend(&self, tool: T) {
        let mut state = self.lock();
        state.tool = Some(tool);
        state.is_lent = true;
        state.since = Instant::now();
    }

    /// For the thread: waits until no caller has worked with the tool for `grace`, or the thread is recalled.
    pub fn wait_while_used(&self, grace: Duration) {
        let mut state = self.lock();
        loop {
            let left = grace.saturating_sub(state.since.elapsed());
            if state.recalled || left.is_zero() {
                return;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// For the thread: its tool, as soon as no caller has it.
    pub fn reclaim(&self) -> T {
        let mut state = self.lock();
        loop {
            state.recalled = true;
            if let Some(tool) = state.tool.take() {
                state.is_lent = false;
                state.recalled = false;
                return tool;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// For a caller: the tool, when it is lent and no other caller has it.
    pub fn borrow(&self) -> Option<Loan<'_, T>> {
        let mut state = self.lock();
        if state.recalled || state.refused_until.is_some_and(|until| until > Instant::now()) {
            return None;
        }
        state.refused_until = None;
        let tool = state.tool.take()?;
        drop(state);
        Some(Loan {
            turn: self,
            tool: Some(tool),
        })
    }

    /// The thread is needed: it gets its tool as soon as no caller has it.
    pub fn recall(&self) {
        let mut state = self.lock();
        if state.is_lent && !state.recalled {
            state.recalled = true;
            self.changed.notify_one();
        }
    }
}

impl<T> Loan<'_, T> {
    /// The broker was too slow for a caller that has something better to do: callers do without for a while.
    pub fn has_failed(&self) {
        let mut state = self.turn.lock();
        state.refused_until = Some(Instant::now() + REFUSED);
        state.recalled = true;
    }
}

impl<T> Drop for Loan<'_, T> {
    fn drop(&mut self) {
        let mut state = self.turn.lock();
        state.tool = self.tool.take();
        state.since = Instant::now();
        if state.recalled {
            self.turn.changed.notify_one();
        }
    }
}

impl<T> Deref for Loan<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.tool
            .as_ref()
            .expect("a loan has its tool until it is dropped")
    }
}

impl<T> DerefMut for Loan<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.tool
            .as_mut()
            .expect("a loan has its tool until it is dropped")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    #[test]
    fn one_at_a_time_has_the_tool() {
        let turn = Handoff::new();
        assert!(turn.borrow().is_none(), "the thread has it");
        turn.lend(1);
        let mut loan = turn.borrow().unwrap();
        assert!(turn.borrow().is_none(), "a caller has it");
        *loan += 1;
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                turn.wait_while_used(LONG);
                turn.reclaim()
            });
            turn.recall();
            assert!(!thread.is_finished(), "it has to wait for the caller");
            drop(loan);
            assert_eq!(thread.join().unwrap(), 2);
        });
        assert!(turn.borrow().is_none(), "the thread has it again");
    }

    #[test]
    fn a_thread_goes_on_when_no_caller_comes() {
        let turn = Handoff::new();
        turn.lend(());
        turn.wait_while_used(Duration::from_millis(1));
        turn.reclaim();
    }

    #[test]
    fn callers_do_without_after_one_of_them_failed() {
        let turn = Handoff::new();
        turn.lend(());
        turn.borrow().unwrap().has_failed();
        turn.wait_while_used(LONG);
        turn.reclaim();
        turn.lend(());
        assert!(turn.borrow().is_none());
    }
}
