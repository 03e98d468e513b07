//! Layer for `tracing`: events become log lines.
//!
//! ```text
//! span{field=1}:inner{name="x"}: message field=0.5
//! ```

use std::error::Error;
use std::fmt::{Debug, Write};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, Scope};

use crate::level::Level;
use crate::logger::Logger;

/// Layer that logs every event with its spans and the fields of both.
///
/// `WARN` maps to `WARNING`, `TRACE` to level 5, and the others to the level of the same name.
/// Events of `remotecall` are skipped, because logging them would cause more of them. To select
/// events, add a filter of `tracing_subscriber`; the server's level applies as well.
///
/// ```
/// use loggerplex::{LogLayer, Logger};
/// use tracing_subscriber::layer::SubscriberExt;
///
/// let layer = LogLayer::new(Logger::connect("127.0.0.1:1", "agent/17")?);
/// let subscriber = tracing_subscriber::registry().with(layer);
/// tracing::subscriber::with_default(subscriber, || tracing::info!(loss = 0.25, "trained"));
/// # Ok::<(), remotecall::ConnectError>(())
/// ```
#[derive(Clone, Debug)]
pub struct LogLayer {
    log: Logger,
}

impl LogLayer {
    /// Logs through `log`. Keep a clone of the logger to flush it at the end.
    pub fn new(log: Logger) -> Self {
        Self { log }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for LogLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().replace(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let meta = event.metadata();
        if meta.target().split("::").next() == Some("remotecall") {
            return;
        }
        let mut text = String::new();
        let spans = context.event_scope(event).map(Scope::from_root);
        for span in spans.into_iter().flatten() {
            text.push_str(span.name());
            if let Some(fields) = span.extensions().get::<Fields>() {
                fields.write_in_braces(&mut text);
            }
            text.push(':');
        }
        if !text.is_empty() {
            text.push(' ');
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        fields.write_after_message(&mut text);
        self.log.log(level(*meta.level()), text);
    }
}

fn level(level: tracing::Level) -> Level {
    match level {
        tracing::Level::ERROR => Level::ERROR,
        tracing::Level::WARN => Level::WARNING,
        tracing::Level::INFO => Level::INFO,
        tracing::Level::DEBUG => Level::DEBUG,
        tracing::Level::TRACE => Level(5),
    }
}

/// Message and fields of a span or an event.
#[derive(Debug, Default)]
struct Fields {
    message: String,
    /// Fields as `a=1 b="x"`.
    others: String,
}

impl Fields {
    fn add(&mut self, field: &Field, value: std::fmt::Arguments<'_>) {
        // Writing to a `String` cannot fail.
        let _ = match field.name() {
            "message" => self.message.write_fmt(value),
            name => {
                let space = if self.others.is_empty() { "" } else { " " };
                write!(self.others, "{space}{name}={value}")
            }
        };
    }

    fn write_in_braces(&self, out: &mut String) {
        if !self.others.is_empty() {
            let _ = write!(out, "{{{}}}", self.others);
        }
    }

    fn write_after_message(&self, out: &mut String) {
        let both = !self.message.is_empty() && !self.others.is_empty();
        let space = if both { " " } else { "" };
        let _ = write!(out, "{}{space}{}", self.message, self.others);
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.add(field, format_args!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.add(field, format_args!("{value}")),
            _ => self.add(field, format_args!("{value:?}")),
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.add(field, format_args!("{value}"));
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::logger::tests::{Sink, logger};

    /// Asserts the echoed lines of some events.
    #[track_caller]
    fn check(events: impl FnOnce(), expect: &[&str]) {
        let sink = Sink::default();
        let layer = LogLayer::new(logger(&sink));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), events);
        assert_eq!(sink.take(), expect);
    }

    #[test]
    fn levels_map_to_those_of_the_same_name() {
        let events = || {
            tracing::error!("e");
            tracing::warn!("w");
            tracing::info!("i");
            tracing::debug!("below the level of the echo");
        };
        check(events, &["ERROR> e\n", "WARNING> w\n", "INFO> i\n"]);
        assert_eq!(level(tracing::Level::DEBUG), Level::DEBUG);
        assert_eq!(level(tracing::Level::TRACE), Level(5));
    }

    #[test]
    fn fields_follow_the_message() {
        let error = "x".parse::<u8>().unwrap_err();
        let error: &(dyn Error + 'static) = &error;
        check(
            || tracing::info!(loss = 0.5, name = "a b", list = ?[1], shown = %"as is", error, "{} done", 7),
            &[
                "INFO> 7 done loss=0.5 name=\"a b\" list=[1] shown=as is error=invalid digit found in string\n",
            ],
        );
        check(|| tracing::info!(loss = 0.5), &["INFO> loss=0.5\n"]);
    }

    #[test]
    fn spans_with_their_fields_precede_the_message() {
        let events = || {
            let outer = tracing::info_span!("epoch", n = 3, loss = tracing::field::Empty);
            let _outer = outer.enter();
            tracing::info!("first");
            outer.record("loss", 0.25);
            let _inner = tracing::info_span!("batch").entered();
            tracing::info!("second");
        };
        check(
            events,
            &[
                "INFO> epoch{n=3}: first\n",
                "INFO> epoch{n=3 loss=0.25}:batch: second\n",
            ],
        );
    }

    #[test]
    fn events_of_the_connection_are_skipped() {
        let events = || {
            tracing::error!(target: "remotecall::client", "window is full");
            tracing::error!(target: "remotecalls", "of another");
        };
        check(events, &["ERROR> of another\n"]);
    }

    #[test]
    fn an_event_cannot_forge_a_line() {
        check(
            || tracing::info!(name = "x\nERROR> forged", "two\nlines"),
            &["INFO> two\n    | lines name=\"x\\nERROR> forged\"\n"],
        );
    }
}
