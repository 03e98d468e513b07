//! Which frames count, and what their calls do: the part of the server that knows no broker and no disk.
//!
//! A frame counts when it is the next of its producer: `seq == max(watermark, acked) + 1`, where `acked`
//! is what its sender had acknowledged when it sent. Lower: it came again. Higher: one before it is
//! missing, and the sender will send both. A producer that this server has never seen goes on where
//! another server, or another log directory, acknowledged its frames.
//!
//! Calls of methods that only read run once, in their turn. They are not repeated from the journal, and their results
//! are not kept: a reader that got none asks again.

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::host::Host;
use super::kept::Kept;
use super::stats::Stats;
use crate::frame::{Call, Calls, Frame, FrameError, ProducerId, Reply};
use crate::journal::Watermarks;
use crate::mutants::{self, Mutant};
use crate::reply::{ASK, MAX_RESULT, Outbox, ReplyValue};
use crate::{CallContext, CallError, ClientId, Remote};

/// Client ids, and producers that dropped calls, that are told apart in the statistics.
const MAX_COUNTED_CLIENTS: usize = 1 << 20;
/// Only a frame of at most this many bytes is looked into before it is journaled: those who read ask little.
const MAX_READS_FRAME: usize = 8 << 10;
/// Bytes of replies that may wait for the end of a round before further calls that read are refused: 64 MiB.
const MAX_READ_REPLIES: usize = 64 << 20;
/// Time that calls that read may take in a round before further ones are refused: who writes does not wait for longer.
const MAX_READ_TIME: Duration = Duration::from_millis(500);

/// What becomes of a frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Accepted,
    Duplicate,
    Gap,
    Garbage,
}

pub(super) struct Core {
    pub host: Box<dyn Host>,
    pub watermarks: Watermarks,
    pub outbox: Outbox,
    stats: Arc<Stats>,
    kept: Kept,
    clients: HashSet<ClientId>,
    /// Calls dropped, by producer.
    dropped: HashMap<ProducerId, u64>,
    has_client_id: bool,
    has_return_value: bool,
    result: Vec<u8>,
    /// What the reads of this round have taken.
    read_time: Duration,
}

/// What the names of a frame stand for, each looked up when it is first used.
struct Names<'a> {
    names: &'a [&'a str],
    methods: Vec<Option<Meaning>>,
    clients: Vec<Option<Caller>>,
    turn: Turn,
}

/// What a name stands for as that of a method.
#[derive(Clone, Copy)]
enum Meaning {
    /// A question for results that did not arrive.
    Question,
    Method(Method),
    Unknown,
}

/// What a name stands for as that of a client.
struct Caller {
    id: Result<ClientId, CallError>,
    /// Whether it is in the statistics.
    is_counted: bool,
}

/// When a frame is run.
#[derive(Clone, Copy)]
struct Turn {
    /// The sender's clock when the frame was taken.
    clock_ms: u64,
    /// Whether it comes from the journal.
    again: bool,
}

/// A method of the object.
#[derive(Clone, Copy)]
struct Method {
    number: usize,
    reads: bool,
}

impl Core {
    pub fn new(host: Box<dyn Host>, stats: Arc<Stats>, has_client_id: bool, has_return_value: bool) -> Self {
        Self {
            host,
            watermarks: Watermarks::new(),
            outbox: Outbox::default(),
            stats,
            kept: Kept::default(),
            clients: HashSet::new(),
            dropped: HashMap::new(),
            has_client_id,
            has_return_value,
            result: Vec::new(),
            read_time: Duration::ZERO,
        }
    }

    /// The replies so far have gone out.
    pub fn end_round(&mut self) {
        self.outbox.clear();
        self.read_time = Duration::ZERO;
    }

    /// Decides about a frame and, when it is accepted, moves its producer's watermark.
    pub fn admit(&mut self, acked: u64, bytes: &[u8]) -> (Verdict, Option<ProducerId>) {
        let frame = match Frame::parse(bytes) {
            Ok(frame) => frame,
            Err(error) => {
                self.stats.refuse(garbage_cause(&error), &error);
                return (Verdict::Garbage, None);
            }
        };
        let watermark = self.watermarks.get(&frame.producer).copied().unwrap_or(0);
        let before = watermark.max(acked);
        let verdict = match frame.seq {
            seq if seq <= watermark && mutants::is_on(Mutant::DedupeByStreamId) => Verdict::Accepted,
            seq if seq <= watermark => Verdict::Duplicate,
            seq if Some(seq) == before.checked_add(1) => Verdict::Accepted,
            // Acked by another server: not for us, and not missing either.
            seq if seq <= before => Verdict::Duplicate,
            _ if mutants::is_on(Mutant::AcceptGaps) => Verdict::Accepted,
            _ => Verdict::Gap,
        };
        match verdict {
            Verdict::Accepted => {
                self.watermarks.insert(frame.producer, frame.seq);
                self.stats.frames.fetch_add(1, Relaxed);
                self.stats.bytes.fetch_add(bytes.len() as u64, Relaxed);
            }
            Verdict::Duplicate => drop(self.stats.duplicates.fetch_add(1, Relaxed)),
            Verdict::Gap => drop(self.stats.gaps.fetch_add(1, Relaxed)),
            Verdict::Garbage => {}
        }
        (verdict, Some(frame.producer))
    }

    /// A producer says how many calls it has dropped so far.
    pub fn hear_of_drops(&mut self, producer: ProducerId, count: u64) {
        if count == 0 || (self.dropped.len() >= MAX_COUNTED_CLIENTS && !self.dropped.contains_key(&producer))
        {
            return;
        }
        let before = self.dropped.entry(producer).or_insert(0);
        let more = count.saturating_sub(*before);
        *before += more;
        self.stats.dropped.fetch_add(more, Relaxed);
    }

    /// The number before that of the frame of `producer` that was accepted last. A replay takes it for acknowledged:
    /// frames before it that only read are not in the journal.
    pub fn before(&self, producer: ProducerId) -> u64 {
        let last = self.watermarks.get(&producer).copied().unwrap_or(0);
        last.saturating_sub(1)
    }

    /// Whether a frame holds only calls that read, so that it need not be journaled. No for one that is too long to be
    /// looked into: that costs a line in the journal and nothing else.
    pub fn only_reads(&mut self, bytes: &[u8]) -> bool {
        let remote = self.host.remote();
        let reads = |name: &str| remote.method(name).is_some_and(|number| remote.is_read(number));
        let look = || {
            let frame = Frame::parse(bytes).ok()?;
            let body = frame.body().ok()?;
            let calls = Calls::parse(&body, frame.time_ns, frame.count).ok()?;
            Some(frame.count > 0 && calls.iter().all(|call| reads(calls.names[call.method])))
        };
        bytes.len() <= MAX_READS_FRAME && look().unwrap_or(false)
    }

    /// Runs the calls of an accepted frame. `clock_ms` is what its sender's clock showed when the frame was taken.
    pub fn apply(&mut self, bytes: &[u8], clock_ms: u64) {
        let again = false;
        self.apply_in(Turn { clock_ms, again }, bytes);
    }

    /// Like [`apply`](Self::apply), for a frame from the journal: what only reads is left out.
    pub fn apply_again(&mut self, bytes: &[u8], clock_ms: u64) {
        let again = true;
        self.apply_in(Turn { clock_ms, again }, bytes);
    }

    fn apply_in(&mut self, turn: Turn, bytes: &[u8]) {
        let Ok(frame) = Frame::parse(bytes) else { return };
        if let Err(error) = self.apply_body(&frame, turn) {
            // The frame has its number and its checksum, so it counts, as a frame without effect.
            self.stats.refuse("unreadable frame body", &error);
        }
    }

    fn apply_body(&mut self, frame: &Frame<'_>, turn: Turn) -> Result<(), FrameError> {
        let body = frame.body()?;
        let calls = Calls::parse(&body, frame.time_ns, frame.count)?;
        let mut names = Names::new(&calls.names, turn);
        for (index, call) in (0..).zip(calls.iter()) {
            self.run(frame, index, &call, &mut names);
        }
        self.stats.calls.fetch_add(frame.count as u64, Relaxed);
        Ok(())
    }

    fn run(&mut self, frame: &Frame<'_>, index: u32, call: &Call<'_>, names: &mut Names<'_>) {
        let method = match names.method(call.method, self.host.remote()) {
            Meaning::Question => return self.answer_question(frame.producer, call),
            Meaning::Method(method) => Some(method),
            Meaning::Unknown => None,
        };
        let reads = method.is_some_and(|method| method.reads);
        if reads && names.turn.again {
            return;
        }
        let outcome = match reads {
            true => self.read(call, method, names),
            false => self.call(call, method, names),
        };
        if let Err(error) = &outcome {
            self.stats.refuse(cause(error), error);
        }
        let reply = match (outcome, call.reply) {
            (_, Reply::Nothing) | (Ok(()), Reply::ErrorOnly) => return,
            (Ok(()), Reply::Result) => ReplyValue::result(self.result.clone()),
            (Err(error), _) => ReplyValue::error(&error),
        };
        self.outbox.push(frame.producer, frame.seq, index, &reply);
        if !reads {
            self.kept.keep((frame.producer, frame.seq, index), reply);
        }
    }

    /// A call that only reads, unless there were too many of them: then its caller asks again.
    fn read(
        &mut self,
        call: &Call<'_>,
        method: Option<Method>,
        names: &mut Names<'_>,
    ) -> Result<(), CallError> {
        if self.outbox.bytes() >= MAX_READ_REPLIES || self.read_time >= MAX_READ_TIME {
            return Err(CallError::ResultExpired);
        }
        let start = Instant::now();
        let outcome = self.call(call, method, names);
        self.read_time += start.elapsed();
        outcome
    }

    /// Leaves the result in `self.result`.
    fn call(
        &mut self,
        call: &Call<'_>,
        method: Option<Method>,
        names: &mut Names<'_>,
    ) -> Result<(), CallError> {
        self.result.clear();
        let turn = names.turn;
        let method = method.ok_or_else(|| CallError::UnknownMethod(names.names[call.method].to_owned()));
        let caller = names.caller(call.client);
        let client_id = caller.id.as_ref().map_err(Clone::clone)?;
        if call.reply == Reply::Result && !self.has_return_value {
            return Err(CallError::NoReturnValues);
        }
        in_time(call, turn.clock_ms)?;
        let remote = self.host.remote();
        let method = method?;
        let args = call
            .args
            .get()
            .map_err(|why| CallError::Unreadable(why.to_string()))?;
        let cx = CallContext {
            client_id,
            time_ns: call.time_ns,
        };
        let result = &mut self.result;
        let has_client_id = self.has_client_id;
        let ran = catch_unwind(AssertUnwindSafe(|| {
            if has_client_id && !method.reads {
                remote.set_client_id(client_id);
            }
            remote.call(&cx, method.number, &args, result)
        }));
        if !method.reads && !caller.is_counted {
            caller.is_counted = true;
            if self.clients.len() < MAX_COUNTED_CLIENTS && self.clients.insert(client_id.clone()) {
                self.stats.clients.store(self.clients.len() as u64, Relaxed);
            }
        }
        match ran {
            Ok(Ok(())) if self.result.len() > MAX_RESULT => Err(CallError::TooLarge {
                size: self.result.len(),
                limit: MAX_RESULT,
            }),
            Ok(outcome) => outcome,
            Err(panic) => Err(CallError::Panicked(panic_text(&*panic))),
        }
    }

    /// A client asks for results that it did not get.
    fn answer_question(&mut self, producer: ProducerId, call: &Call<'_>) {
        let asked = call
            .args
            .get()
            .map_err(|why| CallError::Unreadable(why.to_string()))
            .and_then(|args| args.required::<Vec<(u64, u32)>>(0, "calls"));
        for (seq, index) in asked.unwrap_or_default() {
            match self.kept.get(&(producer, seq, index)) {
                Some(reply) => self.outbox.push(producer, seq, index, reply),
                None => {
                    let reply = ReplyValue::error(&CallError::ResultExpired);
                    self.outbox.push(producer, seq, index, &reply);
                }
            }
        }
    }
}

impl<'a> Names<'a> {
    fn new(names: &'a [&'a str], turn: Turn) -> Self {
        Self {
            names,
            methods: vec![None; names.len()],
            clients: names.iter().map(|_| None).collect(),
            turn,
        }
    }

    fn method(&mut self, name: usize, remote: &dyn Remote) -> Meaning {
        *self.methods[name].get_or_insert_with(|| match (self.names[name], remote.method(self.names[name])) {
            (ASK, _) => Meaning::Question,
            (_, Some(number)) => Meaning::Method(Method {
                number,
                reads: remote.is_read(number),
            }),
            (_, None) => Meaning::Unknown,
        })
    }

    fn caller(&mut self, name: usize) -> &mut Caller {
        let text = self.names[name];
        self.clients[name].get_or_insert_with(|| Caller {
            id: ClientId::new(text).map_err(|why| CallError::BadClientId(why.to_string())),
            is_counted: false,
        })
    }
}

/// A call that nobody waits for any more is not run.
fn in_time(call: &Call<'_>, clock_ms: u64) -> Result<(), CallError> {
    let Some(deadline_ms) = call.deadline_ms else {
        return Ok(());
    };
    let made_ms = u64::try_from(call.time_ns / 1_000_000).unwrap_or(0);
    let after_ms = clock_ms.saturating_sub(made_ms);
    match after_ms > deadline_ms {
        true => Err(CallError::DeadlineExceeded {
            after_ms,
            deadline_ms,
        }),
        false => Ok(()),
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
        .to_owned()
}

fn cause(error: &CallError) -> &'static str {
    match error {
        CallError::UnknownMethod(_) => "unknown method",
        CallError::BadArgument { .. } => "bad argument",
        CallError::Unreadable(_) => "unreadable call",
        CallError::BadClientId(_) => "bad client id",
        CallError::Raised { .. } => "error of the object",
        CallError::Panicked(_) => "panic of the object",
        CallError::NoReturnValues => "return value wanted",
        CallError::TooLarge { .. } => "result too large",
        CallError::ResultExpired => "result expired",
        CallError::DeadlineExceeded { .. } => "deadline exceeded",
    }
}

fn garbage_cause(error: &FrameError) -> &'static str {
    match error {
        FrameError::NotAFrame(_) => "not a frame",
        FrameError::TooLong(_) => "frame too long",
        FrameError::UnknownFlags(_) => "frame of an unknown version",
        FrameError::BadChecksum { .. } => "frame with a wrong checksum",
        _ => "unreadable frame",
    }
}

#[cfg(test)]
mod tests;
