//! Futures of the send window: outstanding calls, their completion, and queries for lost replies.

use std::sync::atomic::Ordering::Relaxed;

use super::super::future::Outcome;
use super::super::now_ns;
use super::{CallId, NotQueued, Window};
use remotecall_wire::{NewCall, ReplyMode};

/// Client id of queries for lost replies.
const ASKING_CLIENT: &str = "remotecall";

impl Window {
    /// Number of outstanding calls with futures.
    pub fn waiting(&self) -> usize {
        self.lock().pending.len()
    }

    /// True if no other call has a waiting future.
    pub fn is_only_call(&self, id: CallId) -> bool {
        let state = self.lock();
        state.pending.len() == 1 && state.pending.contains_key(&id)
    }

    /// True if the heartbeat reported that the queue has no server.
    pub fn server_is_missing(&self) -> bool {
        self.missing.load(Relaxed)
    }

    /// Records whether a server is missing; returns the value before.
    pub fn set_server_missing(&self, missing: bool) -> bool {
        self.missing.swap(missing, Relaxed)
    }

    /// Drops the future of a call; a later reply is ignored.
    pub fn forget(&self, id: CallId) {
        self.lock().pending.remove(&id);
    }

    /// Completes the future of a call, if one still waits.
    pub fn complete(&self, id: CallId, outcome: Outcome) {
        let pending = self.lock().pending.remove(&id);
        if let Some(pending) = pending {
            pending.slot.complete(outcome);
        }
    }

    /// Highest acknowledged frame, and whether the oldest waiting call asked for errors only.
    pub fn acked(&self) -> (u64, bool) {
        let state = self.lock();
        let oldest = state.pending.values().next();
        let only_errors = oldest.is_some_and(|pending| pending.reply == ReplyMode::ErrorOnly);
        (state.acked, only_errors)
    }

    /// Completes calls that asked for errors only: all replies up to frame `acked` are read, and none was theirs.
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

    /// Calls up to frame `acked` whose results are missing, `most` at most.
    pub fn unanswered(&self, acked: u64, most: usize) -> Vec<CallId> {
        let state = self.lock();
        let results = state
            .pending
            .range(..=(acked, u32::MAX))
            .filter(|(_, p)| p.reply == ReplyMode::Result);
        results.map(|(&id, _)| id).take(most).collect()
    }

    /// Asks the server for missing results.
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

    /// True if the reply stream has to be read from its beginning; true once after each query.
    pub fn take_reread(&self) -> bool {
        std::mem::take(&mut self.lock().reread)
    }
}
