//! Dispatch: runs the calls of an accepted frame.
//!
//! Read-only calls run once, in order. A replay leaves them out, and their results are not cached: a caller that got none
//! calls again.

use std::cell::RefCell;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::names::{Execution, Meaning, Method, Names};
use super::{Admission, MAX_COUNTED_CLIENTS};
use crate::{Args, CallContext, CallError, ClientId};
use remotecall_wire::{Call, Calls, ColumnBlock, Frame, FrameError, Item, ProducerId, ReplyMode};
use remotecall_wire::{MAX_RESULT, ReplyValue};

/// Limit on the reply bytes of a round, 64 MiB. Read-only calls beyond it end with `ResultExpired`.
pub(super) const MAX_READ_REPLIES: usize = 64 << 20;
/// Limit on the time of read-only calls in a round, 500 ms: writers wait no longer than that.
pub(super) const MAX_READ_TIME: Duration = Duration::from_millis(500);

/// Characters of an argument that logs show.
const MAX_SHOWN: usize = 80;

impl Admission {
    /// Runs the calls of an accepted frame. `clock_ms` is the sender's clock when the frame was accepted.
    pub fn apply(&mut self, bytes: &[u8], clock_ms: u64) {
        let is_replay = false;
        self.apply_in(Execution { clock_ms, is_replay }, bytes);
    }

    /// Runs the calls of a frame from the journal, without the read-only ones.
    pub fn replay(&mut self, bytes: &[u8], clock_ms: u64) {
        let is_replay = true;
        self.apply_in(Execution { clock_ms, is_replay }, bytes);
    }

    fn apply_in(&mut self, execution: Execution, bytes: &[u8]) {
        let Ok(frame) = Frame::parse(bytes) else { return };
        if let Err(error) = self.apply_body(&frame, execution) {
            // Number and checksum are right, so the frame counts, without effect.
            self.stats.refuse("unreadable frame body", &error);
        }
    }

    fn apply_body(&mut self, frame: &Frame<'_>, execution: Execution) -> Result<(), FrameError> {
        let body = frame.body()?;
        let calls = Calls::parse(&body, frame.time_ns, frame.count)?;
        let mut names = Names::new(&calls.names, execution);
        let mut index = 0;
        for item in calls.items() {
            match item {
                Item::Call(call) => self.run(frame, index, call, &mut names),
                Item::ColumnBlock(block) => self.run_block(frame, index, block, &mut names),
            }
            index += item.len() as u32;
        }
        self.stats.calls.fetch_add(frame.count as u64, Relaxed);
        Ok(())
    }

    fn run(&mut self, frame: &Frame<'_>, index: u32, call: &Call<'_>, names: &mut Names<'_>) {
        let method = match names.method(call.method, self.object.remote()) {
            Meaning::Query => return self.answer_query(frame.producer, call),
            Meaning::Method(method) => Some(method),
            Meaning::Unknown => None,
        };
        let reads = method.is_some_and(|method| method.reads);
        if reads && names.execution.is_replay {
            return;
        }
        let outcome = match reads {
            true => self.read(frame.producer, call, method, names),
            false => self.call(frame.producer, call, method, names),
        };
        if let Err(error) = &outcome {
            match call.reply {
                ReplyMode::Nothing if !reads => {
                    self.refuse_call(frame.producer, &described(call, names), error)
                }
                _ => self.stats.refuse(cause(error), error),
            }
        }
        let reply = match (outcome, call.reply) {
            (_, ReplyMode::Nothing) | (Ok(()), ReplyMode::ErrorOnly) => return,
            (Ok(()), ReplyMode::Result) => ReplyValue::result(self.result.clone()),
            (Err(error), _) => ReplyValue::error(&error),
        };
        self.outbox.push(frame.producer, frame.seq, index, &reply);
        if !reads {
            self.reply_cache.keep((frame.producer, frame.seq, index), reply);
        }
    }

    /// Runs the calls of a column block. They are one-way, so lookups are shared by consecutive calls of one client.
    fn run_block(&mut self, frame: &Frame<'_>, index: u32, block: &ColumnBlock<'_>, names: &mut Names<'_>) {
        let mut left = 0..block.times.len();
        while let Some(row) = left.next() {
            let meaning = names.method(block.method, self.object.remote());
            // The first call of a client runs alone, which checks the client id and counts it.
            self.run(frame, index + row as u32, &block.call(row), names);
            let client = block.clients[row];
            let method_name = names.names[block.method];
            if let (Meaning::Method(method), Ok(id)) = (meaning, &names.caller(client as usize).id)
                && !method.reads
            {
                let same = block.clients[left.clone()]
                    .iter()
                    .take_while(|&&other| other == client);
                let rows = left.start..left.start + same.count();
                left.start = self.run_rows(frame.producer, block, rows, (method, method_name), id);
            }
        }
    }

    /// Runs consecutive calls of one client, up to a call that panics; returns the index of the next row.
    fn run_rows(
        &mut self,
        producer: ProducerId,
        block: &ColumnBlock<'_>,
        rows: Range<usize>,
        (method, method_name): (Method, &str),
        id: &ClientId,
    ) -> usize {
        let mut row = rows.start;
        let warnings = RefCell::default();
        let ran = catch_unwind(AssertUnwindSafe(|| {
            while row < rows.end {
                self.result.clear();
                let (time_ns, args) = (block.times[row], Args::of_row(block, row));
                row += 1;
                let cx = CallContext::of_producer(id, time_ns, producer, &warnings);
                if let Err(error) = self.invoke(&cx, method, &args) {
                    self.refuse_call(producer, &text_of_call(method_name, &args, id.as_str()), &error);
                }
            }
        }));
        if let Err(panic) = ran {
            let error = CallError::Panicked(panic_text(&*panic));
            let args = Args::of_row(block, row.saturating_sub(1));
            self.refuse_call(producer, &text_of_call(method_name, &args, id.as_str()), &error);
        }
        self.warn(producer, id, warnings.take());
        row
    }

    /// Calls the object. May panic.
    fn invoke(&mut self, cx: &CallContext<'_>, method: Method, args: &Args<'_>) -> Result<(), CallError> {
        let remote = self.object.remote();
        if self.has_client_id && !method.reads {
            remote.set_client_id(cx.client_id);
        }
        remote.call(cx, method.number, args, &mut self.result)?;
        match self.result.len() {
            size if size > MAX_RESULT => Err(CallError::TooLarge {
                size,
                limit: MAX_RESULT,
            }),
            _ => Ok(()),
        }
    }

    /// Runs a read-only call. Beyond the limits of a round it fails with `ResultExpired`, and the caller retries.
    fn read(
        &mut self,
        producer: ProducerId,
        call: &Call<'_>,
        method: Option<Method>,
        names: &mut Names<'_>,
    ) -> Result<(), CallError> {
        if self.outbox.bytes() >= MAX_READ_REPLIES || self.read_time >= self.max_read_time {
            return Err(CallError::ResultExpired);
        }
        let start = Instant::now();
        let outcome = self.call(producer, call, method, names);
        self.read_time += start.elapsed();
        outcome
    }

    /// Runs one call; its result is in `self.result`.
    fn call(
        &mut self,
        producer: ProducerId,
        call: &Call<'_>,
        method: Option<Method>,
        names: &mut Names<'_>,
    ) -> Result<(), CallError> {
        self.result.clear();
        let execution = names.execution;
        let method = method.ok_or_else(|| CallError::UnknownMethod(names.names[call.method].to_owned()));
        let caller = names.caller(call.client);
        let client_id = caller.id.as_ref().map_err(Clone::clone)?;
        if call.reply == ReplyMode::Result && !self.has_return_value {
            return Err(CallError::NoReturnValues);
        }
        check_deadline(call, execution.clock_ms)?;
        let method = method?;
        let args = call
            .args
            .get()
            .map_err(|why| CallError::Unreadable(why.to_string()))?;
        let warnings = RefCell::default();
        let cx = CallContext::of_producer(client_id, call.time_ns, producer, &warnings);
        let ran = catch_unwind(AssertUnwindSafe(|| self.invoke(&cx, method, &args)));
        if !method.reads && !caller.is_counted {
            caller.is_counted = true;
            if self.clients.len() < MAX_COUNTED_CLIENTS && self.clients.insert(client_id.clone()) {
                self.stats.clients.store(self.clients.len() as u64, Relaxed);
            }
        }
        self.warn(producer, client_id, warnings.take());
        ran.unwrap_or_else(|panic| Err(CallError::Panicked(panic_text(&*panic))))
    }

    /// Answers a query for missing results.
    fn answer_query(&mut self, producer: ProducerId, call: &Call<'_>) {
        let asked = call
            .args
            .get()
            .map_err(|why| CallError::Unreadable(why.to_string()))
            .and_then(|args| args.required::<Vec<(u64, u32)>>(0, "calls"));
        for (seq, index) in asked.unwrap_or_default() {
            match self.reply_cache.get(&(producer, seq, index)) {
                Some(reply) => self.outbox.push(producer, seq, index, reply),
                None => {
                    let reply = ReplyValue::error(&CallError::ResultExpired);
                    self.outbox.push(producer, seq, index, &reply);
                }
            }
        }
    }
}

/// Refuses a call whose deadline has passed.
fn check_deadline(call: &Call<'_>, clock_ms: u64) -> Result<(), CallError> {
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

/// A call as logs name it: method, first argument if it is a text, client id.
fn described(call: &Call<'_>, names: &Names<'_>) -> String {
    let args = call.args.get().unwrap_or_default();
    text_of_call(names.names[call.method], &args, names.names[call.client])
}

fn text_of_call(method: &str, args: &Args<'_>, client: &str) -> String {
    // For records and log lines that is the tag, or the beginning of the line.
    let first = args.required::<&str>(0, "").unwrap_or_default();
    let first: String = first.chars().take(MAX_SHOWN).collect();
    // The name is the caller's, and must not act on a terminal.
    let method = method.escape_debug();
    match first.is_empty() {
        true => format!("{method} of client {client:?}"),
        false => format!("{method}({first:?}, …) of client {client:?}"),
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
        .to_owned()
}

pub(super) fn cause(error: &CallError) -> &'static str {
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
        _ => "error of another kind",
    }
}
