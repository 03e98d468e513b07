//! Sender side of the send window: due frames, stored frames and acknowledgements.

use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::super::future::RemoteError;
use super::state::{Content, State, Urgency};
use super::{CallId, FAR, NotQueued, Window};
use remotecall_connection::StreamId;
use remotecall_store::spool::{self, Location};
use remotecall_wire::Draft;

/// A frame that is due.
pub(in crate::client) struct Outgoing {
    pub seq: u64,
    pub(super) content: Content,
}

impl Outgoing {
    /// Upper bound of the bytes to be sent.
    pub fn length(&self) -> usize {
        self.content.wire()
    }
}

/// Reason why the sender woke.
pub(in crate::client) enum Work {
    Send,
    Poll,
    Stop,
}

/// A frame that was sent and not acknowledged.
#[derive(Clone, Copy, Debug)]
pub(in crate::client) struct SentFrame {
    pub seq: u64,
    /// Id of its stream entry; `None` while the broker's answer is missing.
    pub entry: Option<StreamId>,
}

impl Window {
    /// Sleeps until there is a call or an unacknowledged frame; no connection is needed before. Returns false when the
    /// client is closed.
    pub fn wait_for_any(&self) -> bool {
        let mut state = self.lock();
        while !state.closed && state.frames.is_empty() && state.open.count() == 0 && state.pending.is_empty()
        {
            state.sleeps_until = Some(Instant::now() + FAR);
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.sleeps_until = None;
        !state.closed
    }

    /// Sleeps until a frame is due, `poll` has passed, or the client is closed.
    pub fn wait(&self, poll: Option<Instant>) -> Work {
        let mut state = self.lock();
        loop {
            if state.closed {
                return Work::Stop;
            }
            let now = Instant::now();
            let due = state.due(self.options.linger, now);
            if due.is_some_and(|due| due <= now) {
                state.sleeps_until = None;
                return Work::Send;
            }
            if state.sent_by_caller || poll.is_some_and(|poll| poll <= now) {
                state.sent_by_caller = false;
                state.sleeps_until = None;
                return Work::Poll;
            }
            let far = now + FAR;
            let until = due.unwrap_or(far).min(poll.unwrap_or(far));
            state.sleeps_until = Some(until);
            state = self
                .work
                .wait_timeout(state, until - now)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Backs off for `time`, or until the client is closed; returns whether it is closed.
    pub fn pause(&self, time: Duration) -> bool {
        let is_open = |state: &mut State| !state.closed;
        let waited = self.end.wait_timeout_while(self.lock(), time, is_open);
        waited.unwrap_or_else(PoisonError::into_inner).0.closed
    }

    /// Makes the frame of call `id` due now, because a caller waits for its result. Returns how many bytes have to be sent;
    /// `None` when the frame was sent already.
    pub fn hurry(&self, id: CallId) -> Option<usize> {
        let mut state = self.lock();
        if id.0 == state.next && state.open.count() > 0 {
            state.urgency = Urgency::Now;
            let closed: usize = state
                .frames
                .range(state.unsent..)
                .map(|it| it.content.wire())
                .sum();
            return Some(closed + state.open.len());
        }
        let index = state.index_of(id.0).filter(|&index| index >= state.unsent)?;
        Some(
            state
                .frames
                .range(state.unsent..=index)
                .map(|it| it.content.wire())
                .sum(),
        )
    }

    /// Wakes the sender if a frame is due.
    pub fn wake(&self) {
        self.wake_sender(&mut self.lock());
    }

    /// Wakes the sender after inline I/O of a caller, unless its sleep ends within `longest`.
    pub fn wake_after_caller(&self, longest: Duration) {
        let mut state = self.lock();
        if state
            .sleeps_until
            .is_some_and(|until| until > Instant::now() + longest)
        {
            state.sleeps_until = None;
            state.sent_by_caller = true;
            self.work.notify_one();
        }
    }

    /// Takes the next frames to send, up to `most` bytes but at least one; also returns the highest acknowledged frame and
    /// the number of dropped calls so far.
    pub fn take_batch(&self, most: usize) -> (Vec<Outgoing>, u64, u64) {
        let mut state = self.lock();
        let due = state.open_due(self.options.linger);
        // While frames before it cannot be sent, the open frame goes on growing.
        let waits = state
            .frames
            .get(state.unsent)
            .is_some_and(|next| !state.may_send(next));
        if state.open.count() > 0 && !waits && due.is_some_and(|due| due <= Instant::now()) {
            state.close_frame();
        }
        let mut batch = Vec::new();
        let mut size = 0;
        while let Some(frame) = state.frames.get(state.unsent) {
            let length = frame.content.wire();
            if !state.may_send(frame) || (size + length > most && !batch.is_empty()) {
                break;
            }
            size += length;
            batch.push(frame.outgoing());
            state.in_flight += length;
            state.unsent += 1;
        }
        (batch, state.acked, state.stats.dropped.total())
    }

    /// Seals a frame outside the lock, and stores its final bytes in the window.
    pub fn seal(&self, frame: &Outgoing) -> Arc<Vec<u8>> {
        let bytes = match &frame.content {
            Content::Sealed(bytes) => return bytes.clone(),
            Content::Draft(draft) => draft.seal(self.producer, frame.seq),
            Content::Stored(location) => self.load(frame.seq, *location).seal(self.producer, frame.seq),
        };
        let bytes = Arc::new(bytes);
        let mut state = self.lock();
        if let Some(index) = state.index_of(frame.seq) {
            let sealed = Content::Sealed(bytes.clone());
            let before = std::mem::replace(&mut state.frames[index].content, sealed);
            state.bytes = state.bytes + bytes.len() - before.held();
            if index < state.unsent {
                state.in_flight = state.in_flight + bytes.len() - before.wire();
            }
        }
        bytes
    }

    /// Loads a frame from the spool. When it is unreadable its calls are lost; a frame without calls takes its number, so
    /// that the frames after it count.
    fn load(&self, seq: u64, location: Location) -> Draft {
        let dir = self.spool_dir.as_deref().unwrap_or_else(|| Path::new(""));
        let error = match spool::load(dir, location) {
            Ok(draft) => return draft,
            Err(error) => error,
        };
        let mut state = self.lock();
        let index = state.index_of(seq);
        let lost = index.map_or(0, |index| std::mem::take(&mut state.frames[index].count));
        state.stats.dropped.unreadable += lost as u64;
        drop(state);
        tracing::error!(
            frame = seq,
            calls = lost,
            "spooled frame is unreadable, its calls are lost: {error}"
        );
        Draft::new(Vec::new(), 0, 0)
    }

    /// Records the id of the stream entry that holds a frame.
    pub fn stored(&self, seq: u64, entry: StreamId) {
        let mut state = self.lock();
        if let Some(index) = state.index_of(seq) {
            state.frames[index].entry = Some(entry);
        }
    }

    /// Records that the server acknowledged every frame up to `acked`. Returns whether that is new.
    pub fn on_ack(&self, acked: u64) -> bool {
        let mut state = self.lock();
        if acked <= state.acked {
            return false;
        }
        let known = state.next - 1;
        if acked > known && !self.only_delivers {
            drop(state);
            tracing::warn!(
                acked,
                last_sent = known,
                "ignoring an acknowledgement of a frame that was never sent"
            );
            return false;
        }
        // The process that wrote the spool may have sent frames that are not in it.
        let acked = acked.min(known);
        if acked <= state.acked {
            return false;
        }
        state.acked = acked;
        while state.frames.front().is_some_and(|frame| frame.seq <= acked) {
            state.drop_front();
        }
        state.reported = None;
        let useless = state.spool.as_mut().map(|spool| spool.acknowledge(acked));
        drop(state);
        self.progress.notify_all();
        for path in useless.into_iter().flatten() {
            if let Err(error) = spool::remove_if_there(&path) {
                tracing::warn!(path = %path.display(), %error, "cannot remove an acknowledged spool segment");
            }
        }
        true
    }

    /// Logs the server's notice to this producer, and counts the calls that the server refused.
    ///
    /// `field` is `COUNT TEXT`: the number of calls refused up to the ack, and the cause of the last refusal or a later
    /// warning.
    pub fn on_notice(&self, field: &[u8]) {
        let text = String::from_utf8_lossy(field);
        let (count, why) = text.split_once(' ').unwrap_or((&text, "no cause given"));
        let Ok(count) = count.parse::<u64>() else { return };
        let mut state = self.lock();
        let is_known = state.server_notice == why;
        if !is_known {
            why.clone_into(&mut state.server_notice);
        }
        let new = match count.checked_sub(state.server_refusals) {
            Some(0) if is_known => return,
            Some(0) => {
                drop(state);
                return tracing::warn!("warning of the server: {why}");
            }
            Some(new) => new,
            // Another server, which began to count anew.
            None => count,
        };
        state.server_refusals = count;
        state.stats.refused += new;
        let total = state.stats.refused;
        drop(state);
        tracing::warn!(
            refused = new,
            total,
            "the server refused records, which are lost: {why}"
        );
    }

    /// First frame that waits for its ack and is longer than `length` bytes: its number and its length.
    pub fn longer_than(&self, length: usize) -> Option<(u64, usize)> {
        let state = self.lock();
        let mut frames = state.frames.iter().map(|frame| (frame.seq, frame.content.wire()));
        frames.find(|&(_, it)| it > length)
    }

    /// Gives up the calls of a frame that the broker refuses for good. The frame keeps its number, so that those behind it
    /// count.
    pub fn give_up(&self, seq: u64, why: &str) {
        let mut state = self.lock();
        let Some(index) = state.index_of(seq) else { return };
        let bytes = state.frames[index].content.wire();
        let (_, calls, slots) = state.empty_frame(index);
        state.stats.dropped.refused += calls;
        drop(state);
        self.rewind(seq);
        tracing::error!(
            frame = seq,
            bytes,
            calls,
            "the broker refuses a frame for good; its calls are lost: {why}"
        );
        for slot in slots {
            let error = NotQueued::Refused { why: why.to_owned() };
            slot.complete(Err(RemoteError::NotQueued(error)));
        }
    }

    /// Makes every frame from number `from` on due again.
    pub fn rewind(&self, from: u64) {
        let mut state = self.lock();
        let Some(index) = state
            .index_of(from)
            .or(Some(0))
            .filter(|&index| index < state.unsent)
        else {
            return;
        };
        let back: usize = state
            .frames
            .range(index..state.unsent)
            .map(|frame| frame.content.wire())
            .sum();
        state.in_flight -= back;
        state.unsent = index;
        state.stats.rewinds += 1;
        for frame in state.frames.range_mut(index..) {
            frame.entry = None;
        }
    }

    /// First and last frame in flight, with the ids of their stream entries.
    pub fn sent(&self) -> Option<(SentFrame, SentFrame)> {
        let state = self.lock();
        let at = |index: usize| {
            state.frames.get(index).map(|frame| SentFrame {
                seq: frame.seq,
                entry: frame.entry,
            })
        };
        let last = state.unsent.checked_sub(1)?;
        Some((at(0)?, at(last)?))
    }

    /// True if a call asked for a reply, so that the reply stream has to exist.
    pub fn wants_replies(&self) -> bool {
        self.lock().wants_replies
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::mpsc::channel;

    use super::*;
    use crate::ClientOptions;
    use crate::client::window::NewCall;
    use remotecall_wire::ReplyMode;

    const LONG: Duration = Duration::from_secs(3600);
    const DEADLINE: Duration = Duration::from_secs(60);

    /// Regression test: while the broker was unreachable, the first call's wake-up went to the reader that was backing off,
    /// and the sender slept on.
    #[test]
    fn a_thread_that_backs_off_takes_no_wake_up_from_the_sender() {
        let window = Window::new(crate::ProducerId::random().unwrap(), ClientOptions::default());
        let call = NewCall {
            method: "a",
            client: "b",
            reply: ReplyMode::Result,
            time_ns: 0,
            deadline_ms: None,
            has_named: false,
        };
        let all = Barrier::new(9);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    all.wait();
                    assert!(window.pause(LONG));
                });
            }
            all.wait();
            let (woken, wakes) = channel();
            let sender = &window;
            scope.spawn(move || woken.send(sender.wait_for_any()).unwrap());
            while window.lock().sleeps_until.is_none() {
                std::thread::yield_now();
            }
            window.push(&call, &[]).unwrap();
            let woken = wakes.recv_timeout(DEADLINE);
            window.close();
            assert_eq!(woken, Ok(true));
        });
    }
}
