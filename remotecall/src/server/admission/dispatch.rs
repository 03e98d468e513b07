//! What the calls of an accepted frame do.
//!
//! Calls of methods that only read run once, in their execution. They are not repeated from the journal, and their results
//! are not kept: a reader that got none asks again.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::names::{Execution, Meaning, Method, Names};
use super::{Admission, MAX_COUNTED_CLIENTS};
use crate::{Args, CallContext, CallError, ClientId};
use remotecall_wire::{Call, Calls, ColumnBlock, Frame, FrameError, Item, ProducerId, ReplyMode};
use remotecall_wire::{MAX_RESULT, ReplyValue};

/// Bytes of replies that may wait for the end of a round before further calls that read are refused: 64 MiB.
pub(super) const MAX_READ_REPLIES: usize = 64 << 20;
/// Time that calls that read may take in a round before further ones are refused: who writes does not wait for longer.
pub(super) const MAX_READ_TIME: Duration = Duration::from_millis(500);

impl Admission {
    /// Runs the calls of an accepted frame. `clock_ms` is what its sender's clock showed when the frame was taken.
    pub fn apply(&mut self, bytes: &[u8], clock_ms: u64) {
        let again = false;
        self.apply_in(Execution { clock_ms, again }, bytes);
    }

    /// Like [`apply`](Self::apply), for a frame from the journal: what only reads is left out.
    pub fn apply_again(&mut self, bytes: &[u8], clock_ms: u64) {
        let again = true;
        self.apply_in(Execution { clock_ms, again }, bytes);
    }

    fn apply_in(&mut self, execution: Execution, bytes: &[u8]) {
        let Ok(frame) = Frame::parse(bytes) else { return };
        if let Err(error) = self.apply_body(&frame, execution) {
            // The frame has its number and its checksum, so it counts, as a frame without effect.
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
        let method = match names.method(call.method, self.host.remote()) {
            Meaning::Question => return self.answer_question(frame.producer, call),
            Meaning::Method(method) => Some(method),
            Meaning::Unknown => None,
        };
        let reads = method.is_some_and(|method| method.reads);
        if reads && names.execution.again {
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
            (_, ReplyMode::Nothing) | (Ok(()), ReplyMode::ErrorOnly) => return,
            (Ok(()), ReplyMode::Result) => ReplyValue::result(self.result.clone()),
            (Err(error), _) => ReplyValue::error(&error),
        };
        self.outbox.push(frame.producer, frame.seq, index, &reply);
        if !reads {
            self.kept.keep((frame.producer, frame.seq, index), reply);
        }
    }

    /// Runs the calls of a block. Nobody waits for their replies, so what is the same for many of them is done once.
    fn run_block(&mut self, frame: &Frame<'_>, index: u32, block: &ColumnBlock<'_>, names: &mut Names<'_>) {
        let mut left = 0..block.times.len();
        while let Some(row) = left.next() {
            let meaning = names.method(block.method, self.host.remote());
            // The first call of a client is run like any other one: what is wrong with it, and who it is, is seen there.
            self.run(frame, index + row as u32, &block.call(row), names);
            let client = block.clients[row];
            if let (Meaning::Method(method), Ok(id)) = (meaning, &names.caller(client as usize).id)
                && !method.reads
            {
                let same = block.clients[left.clone()]
                    .iter()
                    .take_while(|&&other| other == client);
                let rows = left.start..left.start + same.count();
                left.start = self.run_rows(block, rows, method, id);
            }
        }
    }

    /// Runs calls of one client, up to one that panics; returns where the next one is.
    fn run_rows(
        &mut self,
        block: &ColumnBlock<'_>,
        rows: Range<usize>,
        method: Method,
        id: &ClientId,
    ) -> usize {
        let mut row = rows.start;
        let ran = catch_unwind(AssertUnwindSafe(|| {
            while row < rows.end {
                self.result.clear();
                let (time_ns, args) = (block.times[row], Args::of_row(block, row));
                row += 1;
                let cx = CallContext {
                    client_id: id,
                    time_ns,
                };
                if let Err(error) = self.invoke(&cx, method, &args) {
                    self.stats.refuse(cause(&error), &error);
                }
            }
        }));
        if let Err(panic) = ran {
            let error = CallError::Panicked(panic_text(&*panic));
            self.stats.refuse(cause(&error), &error);
        }
        row
    }

    /// Has the object do it. May panic.
    fn invoke(&mut self, cx: &CallContext<'_>, method: Method, args: &Args<'_>) -> Result<(), CallError> {
        let remote = self.host.remote();
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
        let execution = names.execution;
        let method = method.ok_or_else(|| CallError::UnknownMethod(names.names[call.method].to_owned()));
        let caller = names.caller(call.client);
        let client_id = caller.id.as_ref().map_err(Clone::clone)?;
        if call.reply == ReplyMode::Result && !self.has_return_value {
            return Err(CallError::NoReturnValues);
        }
        in_time(call, execution.clock_ms)?;
        let method = method?;
        let args = call
            .args
            .get()
            .map_err(|why| CallError::Unreadable(why.to_string()))?;
        let cx = CallContext {
            client_id,
            time_ns: call.time_ns,
        };
        let ran = catch_unwind(AssertUnwindSafe(|| self.invoke(&cx, method, &args)));
        if !method.reads && !caller.is_counted {
            caller.is_counted = true;
            if self.clients.len() < MAX_COUNTED_CLIENTS && self.clients.insert(client_id.clone()) {
                self.stats.clients.store(self.clients.len() as u64, Relaxed);
            }
        }
        ran.unwrap_or_else(|panic| Err(CallError::Panicked(panic_text(&*panic))))
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
        _ => "error of another kind",
    }
}
