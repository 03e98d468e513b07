//! Status of a running server: a changing line on a terminal, log lines elsewhere.

use std::io::Write;
use std::time::{Duration, Instant};

use remotecall::StatsSnapshot;

use crate::units::format_bytes;

/// Interval of log lines, while numbers change: 10 s.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

pub(super) struct StatusLine {
    on_terminal: bool,
    last_update: Instant,
    previous: Totals,
}

/// Statistics of both queues together.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Totals {
    clients: u64,
    records: u64,
    bytes: u64,
    backlog: u64,
    duplicates: u64,
    gaps: u64,
    dropped: u64,
    refused: u64,
}

impl StatusLine {
    pub fn new(on_terminal: bool) -> Self {
        Self {
            on_terminal,
            last_update: Instant::now(),
            previous: Totals::default(),
        }
    }

    /// Updates the status: on a terminal at every call, elsewhere at most every 10 s.
    pub fn update(&mut self, stats: impl FnOnce() -> [StatsSnapshot; 2]) {
        let elapsed = self.last_update.elapsed();
        if !self.on_terminal && elapsed < LOG_INTERVAL {
            return;
        }
        let now = Totals::of(&stats());
        let rate = (now.records - self.previous.records) as f64 / elapsed.as_secs_f64();
        if self.on_terminal {
            self.draw(&now, rate);
        } else if now != self.previous {
            now.log(rate);
        }
        self.last_update = Instant::now();
        self.previous = now;
    }

    fn draw(&self, now: &Totals, rate: f64) {
        let nonzero = |what: &str, count: u64| match count {
            0 => String::new(),
            _ => format!("   {what} {count}"),
        };
        let (dropped, refused) = (
            nonzero("dropped by workers", now.dropped),
            nonzero("refused", now.refused),
        );
        let mut out = std::io::stderr().lock();
        // Errors are ignored: a closed terminal must not stop the server.
        let _ = write!(
            out,
            "\r\x1b[Kclients {}   records {}   per s {}   backlog {}   {}{dropped}{refused}",
            now.clients,
            now.records,
            rate as u64,
            now.backlog,
            format_bytes(now.bytes),
        );
        let _ = out.flush();
    }

    /// Shows the final numbers.
    pub fn finish(&self, stats: &[StatsSnapshot; 2]) {
        let now = Totals::of(stats);
        if self.on_terminal {
            self.draw(&now, 0.0);
            let _ = writeln!(std::io::stderr());
        } else {
            now.log(0.0);
        }
    }
}

impl Totals {
    fn log(&self, rate: f64) {
        tracing::info!(
            clients = self.clients,
            records = self.records,
            records_per_s = rate as u64,
            backlog = self.backlog,
            bytes = self.bytes,
            duplicates = self.duplicates,
            gaps = self.gaps,
            dropped = self.dropped,
            refused = self.refused,
        );
    }

    fn of(queues: &[StatsSnapshot; 2]) -> Self {
        let sum = |of: fn(&StatsSnapshot) -> u64| queues.iter().map(of).sum();
        Self {
            clients: queues.iter().map(|stats| stats.clients).max().unwrap_or(0),
            records: sum(|stats| stats.calls),
            bytes: sum(|stats| stats.bytes),
            backlog: sum(|stats| stats.backlog),
            duplicates: sum(|stats| stats.duplicates),
            gaps: sum(|stats| stats.gaps),
            dropped: sum(|stats| stats.dropped),
            refused: sum(|stats| stats.refused.values().sum()),
        }
    }
}
