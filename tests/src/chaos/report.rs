//! What a run came to.

use std::collections::BTreeMap;
use std::fmt;

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Something acknowledged is not there, or something before what is there.
    Lost(String),
    /// Something is there twice.
    Doubled(String),
    /// Everything is there once, in another order.
    OutOfOrder(String),
    /// Something is there that nobody submitted.
    NeverSubmitted(String),
    /// A file does not read to its end.
    Unreadable(String),
    /// Bytes that a reader may have seen changed or went away.
    SeenBytesChanged(String),
    /// A reader of TensorBoard shows something else than the files hold.
    Readers(String),
    /// With everything whole again, a worker could not deliver.
    NotDelivered(String),
    /// The server ended by itself.
    ServerEnded(String),
}

impl Fault {
    /// The check that found it.
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

/// Numbers of a run, and what went wrong.
#[derive(Debug, Default)]
pub struct Report {
    /// Repeats the schedule.
    pub seed: u64,
    /// How often each kind of action was done.
    pub actions: BTreeMap<&'static str, u64>,
    /// Lives of workers.
    pub lives: u64,
    /// Numbers that were submitted, each as a record and as a log line.
    pub submitted: u64,
    /// Records and log lines that a flush confirmed.
    pub acked: u64,
    /// Records in event files.
    pub records: u64,
    /// Lines in log files.
    pub lines: u64,
    /// Broken promises.
    pub faults: Vec<Fault>,
}

impl Report {
    /// How many faults each check found.
    pub fn caught_by(&self) -> BTreeMap<&'static str, u64> {
        let mut counts = BTreeMap::new();
        for fault in &self.faults {
            *counts.entry(fault.check()).or_insert(0) += 1;
        }
        counts
    }
}

/// Most faults that are told one by one.
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
