//! The lines of a worker on its own terminal too.

use std::fmt;
use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::{Level, LineFormat};

/// Where a [`Logger`](crate::Logger) also writes what it logs, with or without a server.
///
/// ```no_run
/// use loggerplex::{Echo, Logger};
///
/// let log = Logger::connect("redis://localhost:6379", "agent/17")?.echo(Echo::to(std::io::stderr()));
/// # Ok::<(), remotecall::ConnectError>(())
/// ```
pub struct Echo {
    format: LineFormat,
    threshold: Level,
    out: Mutex<Box<dyn Write + Send>>,
}

impl Echo {
    /// Writes to this stream. Each entry is one write; what fails is not repeated.
    pub fn to(out: impl Write + Send + 'static) -> Self {
        Self {
            format: LineFormat::default(),
            threshold: Level::INFO,
            out: Mutex::new(Box::new(out)),
        }
    }

    /// Ignores lines below this level. Without it lines below [`Level::INFO`] are ignored.
    #[must_use]
    pub fn level(mut self, threshold: Level) -> Self {
        self.threshold = threshold;
        self
    }

    /// How entries are written. Without it, as `12:34:56 INFO> message`.
    #[must_use]
    pub fn lines(mut self, format: impl Into<LineFormat>) -> Self {
        self.format = format.into();
        self
    }

    pub(crate) fn write(&self, client_id: &str, level: Level, message: &str) {
        if level < self.threshold {
            return;
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let time_ns = i64::try_from(since.as_nanos()).unwrap_or(i64::MAX);
        let line = self.format.line(client_id, time_ns, level, message);
        // A writer that panicked has left no state of ours behind; a stream that is gone is nobody's business here.
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
    }
}

impl fmt::Debug for Echo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            format, threshold, ..
        } = self;
        f.debug_struct("Echo")
            .field("format", format)
            .field("threshold", threshold)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{Logger, Section, TextFormat, words};

    /// What was written, one item per write.
    #[derive(Clone, Default)]
    pub(crate) struct Sink(Arc<Mutex<Vec<String>>>);

    impl Sink {
        pub fn take(&self) -> Vec<String> {
            std::mem::take(&mut self.0.lock().unwrap())
        }
    }

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0
                .lock()
                .unwrap()
                .push(String::from_utf8(bytes.to_vec()).unwrap());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// A logger without a server, and without times.
    pub(crate) fn logger(sink: &Sink) -> Logger {
        let lines = TextFormat::default().time(None);
        let log = Logger::connect("redis://localhost:1", "agent/17").unwrap();
        log.echo(Echo::to(sink.clone()).lines(lines))
    }

    #[test]
    fn lines_are_echoed_as_they_will_stand_in_the_file() {
        let sink = Sink::default();
        let log = logger(&sink);
        log.debug("quiet");
        log.info("two\nlines\x1b[2J");
        log.info3(words!["loss", 0.25]);
        log.warning_fmt("{:.1%} of {what}", words![0.5, what = "all"]);
        log.section("Yo");
        log.error_section("hot");
        let section = Section {
            sep: "!",
            repeat: 4,
            ..Section::default()
        };
        log.section_as(section, "wide");
        log.traceback("failed", "Traceback:\nValueError");
        assert_eq!(
            sink.take(),
            [
                "INFO> two\n    | lines\\x1b[2J\n",
                "INFO3> loss 0.25\n",
                "WARNING> 50.0% of all\n",
                "INFO> ========== Yo ==========\n",
                "ERROR> ========== hot ==========\n",
                "INFO> !! wide !!\n",
                "ERROR> failed\n    | ERROR> Traceback:\n    | ERROR> ValueError\n",
            ]
        );
    }

    #[test]
    fn an_echo_has_its_own_level_and_the_id_of_its_logger() {
        let sink = Sink::default();
        let lines = TextFormat::default().preamble("{client_id} ".parse().unwrap());
        let echo = Echo::to(sink.clone()).level(Level(15)).lines(lines);
        let log = Logger::connect("redis://localhost:1", "a").unwrap().echo(echo);
        log.log(Level(14), "quiet");
        log.log(Level(15), "heard");
        log.with_client_id("b").unwrap().info("too");
        assert_eq!(sink.take(), ["a DEBUG5> heard\n", "b INFO> too\n"]);
    }
}
