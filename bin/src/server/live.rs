//! What a running server shows: one line that changes on a terminal, log lines elsewhere.

use std::io::Write;
use std::time::{Duration, Instant};

use remotecall::StatsSnapshot;

/// How often a log line is written, when something happened.
const IN_LOG: Duration = Duration::from_secs(10);

pub(super) struct Live {
    on_terminal: bool,
    shown: Instant,
    before: Totals,
}

/// Both queues together.
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

impl Live {
    pub fn new(on_terminal: bool) -> Self {
        Self {
            on_terminal,
            shown: Instant::now(),
            before: Totals::default(),
        }
    }

    /// Shows the numbers: on a terminal each time, elsewhere when it is time to.
    pub fn show(&mut self, stats: impl FnOnce() -> [StatsSnapshot; 2]) {
        let elapsed = self.shown.elapsed();
        if !self.on_terminal && elapsed < IN_LOG {
            return;
        }
        let now = Totals::of(&stats());
        let rate = (now.records - self.before.records) as f64 / elapsed.as_secs_f64();
        if self.on_terminal {
            self.line(&now, rate);
        } else if now != self.before {
            now.log(rate);
        }
        self.shown = Instant::now();
        self.before = now;
    }

    fn line(&self, now: &Totals, rate: f64) {
        let some = |what: &str, count: u64| match count {
            0 => String::new(),
            _ => format!("   {what} {count}"),
        };
        let (dropped, refused) = (
            some("dropped by workers", now.dropped),
            some("refused", now.refused),
        );
        let mut out = std::io::stderr().lock();
        // A terminal that is gone is nobody's business here.
        let _ = write!(
            out,
            "\r\x1b[Kclients {}   records {}   per s {}   backlog {}   {}{dropped}{refused}",
            now.clients,
            now.records,
            rate as u64,
            now.backlog,
            size(now.bytes),
        );
        let _ = out.flush();
    }

    /// Shows the numbers a last time.
    pub fn end(&self, stats: &[StatsSnapshot; 2]) {
        let now = Totals::of(stats);
        if self.on_terminal {
            self.line(&now, 0.0);
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

/// Bytes for people.
pub(crate) fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 1024.0 {
            return format!("{value:.1} {unit}").replace(".0 ", " ");
        }
        value /= 1024.0;
    }
    format!("{value:.1} TiB")
}
