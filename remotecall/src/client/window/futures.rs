//! The window's part for those who wait for replies.

use std::sync::atomic::Ordering::Relaxed;

use super::super::future::Outcome;
use super::super::now_ns;
use super::{CallId, NotQueued, Window};
use remotecall_wire::{NewCall, ReplyMode};

/// Under which client id a client asks for its results.
const ASKING_CLIENT: &str = "remotecall";

impl Window {
    /// How many calls wait for their ends.
    pub fn waiting(&self) -> usize {
        self.lock().pending.len()
    }

    /// Whether nobody waits for another call.
    pub fn is_only_call(&self, id: CallId) -> bool {
        let state = self.lock();
        state.pending.len() == 1 && state.pending.contains_key(&id)
    }

    pub fn server_is_missing(&self) -> bool {
        self.missing.load(Relaxed)
    }

    /// Returns what was known before.
    pub fn set_server_missing(&self, missing: bool) -> bool {
        self.missing.swap(missing, Relaxed)
    }

    pub fn forget(&self, id: CallId) {
        self.lock().pending.remove(&id);
    }

    pub fn complete(&self, id: CallId, outcome: Outcome) {
        let pending = self.lock().pending.remove(&id);
        if let Some(pending) = pending {
            pending.slot.complete(outcome);
        }
    }

    /// The highest ack so far, and whether the oldest call that somebody waits for wants to hear only of errors.
    pub fn acked(&self) -> (u64, bool) {
        let state = self.lock();
        let oldest = state.pending.values().next();
        let only_errors = oldest.is_some_and(|pending| pending.reply == ReplyMode::ErrorOnly);
        (state.acked, only_errors)
    }

    /// Every reply to frames up to `acked` has been read: calls of which no error came went well.
    pub fn no_more_errors(&self, acked: u64) {
        const NIL: u8 = 0xc0;
        let mut state = self.lock();
        let done: Vec<CallId> = state
            .pending
            .range(..=(acked, u32::MAX))
            .filter(|(_, pending)| pending.reply == ReplyMode::ErrorOnly)
            .map(|(&id, _)| id)
            .collect();
        let done: Vec<_> = done.iter().filter_map(|id| state.pending.remove(id)).collect();
        drop(state);
        for pending in done {
            pending.slot.complete(Ok(vec![NIL]));
        }
    }

    /// Calls up to frame `acked` whose results have not come.
    pub fn unanswered(&self, acked: u64, most: usize) -> Vec<CallId> {
        let state = self.lock();
        let results = state
            .pending
            .range(..=(acked, u32::MAX))
            .filter(|(_, p)| p.reply == ReplyMode::Result);
        results.map(|(&id, _)| id).take(most).collect()
    }

    /// Asks the server for results that did not come.
    pub fn ask(&self, missing: &[CallId]) {
        let call = NewCall {
            method: remotecall_wire::ASK,
            client: ASKING_CLIENT,
            reply: ReplyMode::Nothing,
            time_ns: now_ns(),
            deadline_ms: None,
            has_named: false,
        };
        let args = rmp_serde::to_vec(&(missing,)).map_err(|error| NotQueued::Unencodable(error.to_string()));
        if let Err(error) = args.and_then(|args| self.push(&call, &args)) {
            self.report(&error);
        }
        self.lock().reread = true;
    }

    /// Whether the reply stream is to be read from its beginning: true once after each question.
    pub fn take_reread(&self) -> bool {
        std::mem::take(&mut self.lock().reread)
    }
}
