//! Counters of a client.

use super::NotQueued;

/// Counters of a client since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientStats {
    /// Calls that were queued, including those that an earlier process left in the spool.
    pub taken: u64,
    /// Calls that the server acknowledged.
    pub acked: u64,
    /// Calls that were dropped.
    pub dropped: Dropped,
    /// Calls that were queued and could not be written to the spool: they do not survive a kill of this process.
    pub unspooled: u64,
    /// Calls that the server acknowledged and refused, such as records of an unknown group. They are lost.
    pub refused: u64,
    /// Rewinds: times at which frames had to be sent again.
    pub rewinds: u64,
}

/// Dropped calls, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dropped {
    /// Not queued: the send window was full.
    pub newest: u64,
    /// Queued, and dropped for newer ones: the send window was full.
    pub oldest: u64,
    /// Not queued: too large for a frame.
    pub too_large: u64,
    /// Not queued: the arguments cannot be encoded.
    pub unencodable: u64,
    /// Not queued: the client was closed.
    pub closed: u64,
    /// Queued, and unreadable in the spool.
    pub unreadable: u64,
    /// Queued, and in a frame that the broker refuses for good.
    pub refused: u64,
}

impl ClientStats {
    /// Calls that were queued and are not acknowledged.
    pub fn outstanding(&self) -> u64 {
        let gone = self.acked + self.dropped.oldest + self.dropped.unreadable + self.dropped.refused;
        self.taken.saturating_sub(gone)
    }
}

impl Dropped {
    /// No dropped calls.
    pub const NONE: Self = Self {
        newest: 0,
        oldest: 0,
        too_large: 0,
        unencodable: 0,
        closed: 0,
        unreadable: 0,
        refused: 0,
    };

    /// Adds the counts of another client.
    pub fn add(&mut self, other: &Self) {
        self.newest += other.newest;
        self.oldest += other.oldest;
        self.too_large += other.too_large;
        self.unencodable += other.unencodable;
        self.closed += other.closed;
        self.unreadable += other.unreadable;
        self.refused += other.refused;
    }

    /// Sum of all causes.
    pub fn total(&self) -> u64 {
        self.causes().iter().map(|&(_, count)| count).sum()
    }

    /// Each cause in a word or two, with its count.
    pub fn causes(&self) -> [(&'static str, u64); 7] {
        [
            ("newest", self.newest),
            ("oldest", self.oldest),
            ("too large", self.too_large),
            ("unencodable", self.unencodable),
            ("after close", self.closed),
            ("unreadable", self.unreadable),
            ("refused by the broker", self.refused),
        ]
    }

    /// Counts a call that was not queued.
    pub(super) fn count(&mut self, why: &NotQueued) {
        match why {
            NotQueued::WindowFull { .. } => self.newest += 1,
            NotQueued::Replaced { .. } => self.oldest += 1,
            NotQueued::Refused { .. } => self.refused += 1,
            NotQueued::TooLarge { .. } => self.too_large += 1,
            NotQueued::Unencodable(_) => self.unencodable += 1,
            NotQueued::Closed => self.closed += 1,
            // The child process must not touch the parent's counters.
            NotQueued::OtherProcess => {}
        }
    }
}

/// Causes with a count above zero, such as `3 newest, 1 too large`.
impl std::fmt::Display for Dropped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let causes = self.causes();
        let mut some = causes.iter().filter(|&&(_, count)| count > 0);
        let Some((cause, count)) = some.next() else {
            return f.write_str("none");
        };
        write!(f, "{count} {cause}")?;
        some.try_for_each(|(cause, count)| write!(f, ", {count} {cause}"))
    }
}
