//! Echo: a second, local output of a worker's lines.

use std::fmt;
use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::format::LineFormat;
use crate::level::Level;

/// Local output of a [`Logger`](crate::Logger), written whether a server is reachable or not.
///
/// ```
/// use loggerplex::{Echo, Level, Logger};
///
/// let echo = Echo::to(std::io::stderr()).level(Level::WARNING);
/// let log = Logger::connect("127.0.0.1:1", "agent/17")?.echo(echo);
/// log.warning("also on standard error");
/// # Ok::<(), remotecall::ConnectError>(())
/// ```
pub struct Echo {
    format: LineFormat,
    threshold: Level,
    out: Mutex<Box<dyn Write + Send>>,
}

impl Echo {
    /// Writes to a stream, one write per entry. A failed write is not repeated.
    pub fn to(out: impl Write + Send + 'static) -> Self {
        Self {
            format: LineFormat::default(),
            threshold: Level::INFO,
            out: Mutex::new(Box::new(out)),
        }
    }

    /// Sets the lowest level that is written. Default: [`Level::INFO`].
    #[must_use]
    pub fn level(mut self, threshold: Level) -> Self {
        self.threshold = threshold;
        self
    }

    /// Sets the format of entries. Default: `12:34:56 INFO> message`.
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
        // A panic in another write leaves the mutex poisoned, but its stream is still usable. Write
        // errors are ignored, because logging must not fail.
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
