//! Result of a chaos run.

use std::collections::BTreeMap;
use std::fmt;

/// A broken guarantee.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// An acknowledged number is missing, or one before a number that is present.
    Lost(String),
    /// A number is present twice.
    Doubled(String),
    /// Every number is present once, in another order.
    OutOfOrder(String),
    /// A number is present that no worker submitted.
    NeverSubmitted(String),
    /// A file cannot be read to its end.
    Unreadable(String),
    /// Bytes that a reader may have read have changed or disappeared.
    SeenBytesChanged(String),
    /// A reader of TensorBoard shows other points than the files hold.
    Readers(String),
    /// A worker could not deliver the rest after the last fault.
    NotDelivered(String),
    /// The server ended by itself.
    ServerEnded(String),
}

impl Fault {
    /// Name of the check that found the fault.
    pub fn check(&self) -> &'static str {
        match self {
            Self::Lost(_) => "lost",
            Self::Doubled(_) => "doubled",
            Self::OutOfOrder(_) => "out of order",
            Self::NeverSubmitted(_) => "never submitted",
            Self::Unreadable(_) => "unreadable",
            Self::SeenBytesChanged(_) => "seen bytes changed",
            Self::Readers(_) => "readers",
            Self::NotDelivered(_) => "not delivered",
            Self::ServerEnded(_) => "server ended",
        }
    }

    fn what(&self) -> &str {
        match self {
            Self::Lost(what)
            | Self::Doubled(what)
            | Self::OutOfOrder(what)
            | Self::NeverSubmitted(what)
            | Self::Unreadable(what)
            | Self::SeenBytesChanged(what)
            | Self::Readers(what)
            | Self::NotDelivered(what)
            | Self::ServerEnded(what) => what,
        }
    }
}

/// Counts and faults of a run.
#[derive(Debug, Default)]
pub struct Report {
    /// Seed of the schedule.
    pub seed: u64,
    /// Number of actions, by kind.
    pub actions: BTreeMap<&'static str, u64>,
    /// Number of worker processes.
    pub lives: u64,
    /// Number of submitted numbers; each is a record and a log line.
    pub submitted: u64,
    /// Number of records and log lines that a flush confirmed.
    pub acked: u64,
    /// Number of records in event files.
    pub records: u64,
    /// Number of lines in log files.
    pub lines: u64,
    /// Broken guarantees.
    pub faults: Vec<Fault>,
}

impl Report {
    /// Number of faults, by check.
    pub fn caught_by(&self) -> BTreeMap<&'static str, u64> {
        let mut counts = BTreeMap::new();
        for fault in &self.faults {
            *counts.entry(fault.check()).or_insert(0) += 1;
        }
        counts
    }
}

/// Limit on the faults that the report lists one by one.
const TOLD: usize = 20;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "seed {}: {} workers submitted {} numbers, {} records and lines confirmed",
            self.seed, self.lives, self.submitted, self.acked
        )?;
        writeln!(f, "on disk: {} records, {} lines", self.records, self.lines)?;
        let actions: Vec<String> = self
            .actions
            .iter()
            .map(|(action, count)| format!("{count} {action}"))
            .collect();
        writeln!(f, "done to them: {}", actions.join(", "))?;
        for fault in self.faults.iter().take(TOLD) {
            writeln!(f, "FAULT: {}: {}", fault.check(), fault.what())?;
        }
        write!(f, "{} faults {:?}", self.faults.len(), self.caught_by())
    }
}
