//! Log bridge: warnings of the Rust threads become records of Python's logger `tensorplex`.
//!
//! ```text
//! sender, server … ─tracing─► queue of this process ─► daemon thread of Python ─► logging
//! ```
//!
//! The Rust threads never attach to the interpreter, so they only append to a bounded queue. Each process has a queue of its
//! own: after a fork another thread of the parent may hold the lock of the parent's queue for ever.

use std::collections::VecDeque;
use std::fmt::Write;
use std::sync::{Condvar, Mutex, Once, OnceLock, PoisonError};

use pyo3::prelude::*;
use remotecall::ForkGeneration;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// Limit on the messages that wait for Python. Later ones are dropped and counted.
const MAX_MESSAGES: usize = 256;
/// Deepest chain of forks with a queue: the bridge of a process below it stays silent.
const MAX_FORKS: usize = 64;

/// Queue of each process along a chain of forks.
static QUEUES: [OnceLock<Queue>; MAX_FORKS] = [const { OnceLock::new() }; MAX_FORKS];

/// Level of Python's `logging`, and text.
type Message = (u8, String);

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    arrived: Condvar,
}

#[derive(Default)]
struct State {
    messages: VecDeque<Message>,
    dropped: u64,
    is_closed: bool,
}

/// Starts the bridge in this process. Has no effect when another part of the process has set a subscriber of `tracing`.
#[pyfunction]
pub(crate) fn start_log_bridge() {
    static SUBSCRIBED: Once = Once::new();
    if let Some(slot) = slot() {
        slot.get_or_init(Queue::default);
    }
    SUBSCRIBED.call_once(|| {
        let subscriber = tracing_subscriber::registry().with(Bridge.with_filter(LevelFilter::WARN));
        let _ = subscriber.try_init();
    });
}

/// Waits for the next message. `None` once the bridge is closed.
#[pyfunction]
pub(crate) fn next_log_message(py: Python<'_>) -> Option<Message> {
    py.detach(|| queue()?.next())
}

/// Closes the bridge of this process and returns the messages that wait: the interpreter ends, and no thread may attach to it
/// any more.
#[pyfunction]
pub(crate) fn close_log_bridge() -> Vec<Message> {
    queue().map(Queue::close).unwrap_or_default()
}

fn slot() -> Option<&'static OnceLock<Queue>> {
    let generation = ForkGeneration::now().ok()?;
    QUEUES.get(generation.number() as usize)
}

fn queue() -> Option<&'static Queue> {
    slot()?.get()
}

impl Queue {
    fn push(&self, message: Message) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.is_closed {
            return;
        }
        if state.messages.len() == MAX_MESSAGES {
            state.dropped += 1;
            return;
        }
        state.messages.push_back(message);
        drop(state);
        self.arrived.notify_one();
    }

    fn next(&self) -> Option<Message> {
        let is_waiting = |state: &mut State| state.messages.is_empty() && !state.is_closed;
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.arrived.wait_while(state, is_waiting);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        state.take()
    }

    fn close(&self) -> Vec<Message> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // The reading thread sleeps on: woken, it would attach to an interpreter that ends.
        state.is_closed = true;
        std::iter::from_fn(|| state.take()).collect()
    }
}

impl State {
    fn take(&mut self) -> Option<Message> {
        let message = self.messages.pop_front();
        if message.is_none() && self.dropped > 0 {
            let dropped = std::mem::take(&mut self.dropped);
            return Some((
                WARNING,
                format!("{dropped} warnings were dropped: they came faster than they could be logged"),
            ));
        }
        message
    }
}

/// `logging.WARNING` and `logging.ERROR`.
const WARNING: u8 = 30;
const ERROR: u8 = 40;

/// Layer of `tracing` that fills the queue.
struct Bridge;

impl<S: Subscriber> Layer<S> for Bridge {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let Some(queue) = queue() else { return };
        let level = if *event.metadata().level() == Level::ERROR {
            ERROR
        } else {
            WARNING
        };
        let mut text = Text::default();
        event.record(&mut text);
        queue.push((level, text.finish()));
    }
}

/// Text of an event: the message, then the other fields in parentheses.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            let _ = write!(self.message, "{value:?}");
            return;
        }
        let separator = if self.fields.is_empty() { "" } else { ", " };
        let _ = write!(self.fields, "{separator}{}={value:?}", field.name());
    }
}

impl Text {
    fn finish(self) -> String {
        match self.fields.is_empty() {
            true => self.message,
            false => format!("{} ({})", self.message, self.fields),
        }
    }
}
