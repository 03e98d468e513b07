//! What a client counts.

use super::NotQueued;

/// Numbers of a client since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientStats {
    /// Calls that were taken; also those that a process before this one left in the spool.
    pub taken: u64,
    /// Calls that the server has acknowledged.
    pub acked: u64,
    /// Calls that were dropped.
    pub dropped: Dropped,
    /// Calls that were taken and could not be written to the spool: they do not survive a kill of this process.
    pub unspooled: u64,
    /// Calls that the server took and refused, such as records of an unknown group. They are acknowledged, and lost.
    pub refused: u64,
    /// How often frames had to be sent again.
    pub rewinds: u64,
}

/// Calls that were dropped, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Not taken: the window was full.
    pub newest: u64,
    /// Taken, and given up for newer ones: the window was full.
    pub oldest: u64,
    /// Not taken: too large for a frame.
    pub too_large: u64,
    /// Not taken: the arguments cannot be encoded.
    pub unencodable: u64,
    /// Not taken: the client was closed.
    pub closed: u64,
    /// Taken, and not readable in the spool any more.
    pub unreadable: u64,
    /// Taken, and in a frame that the broker refused for good.
    pub refused: u64,
}

impl ClientStats {
    /// Calls that were taken and not acknowledged yet.
    pub fn outstanding(&self) -> u64 {
        let gone = self.acked + self.dropped.oldest + self.dropped.unreadable + self.dropped.refused;
        self.taken.saturating_sub(gone)
    }
}

impl Dropped {
    /// None were dropped.
    pub const NONE: Self = Self {
        newest: 0,
        oldest: 0,
        too_large: 0,
        unencodable: 0,
        closed: 0,
        unreadable: 0,
        refused: 0,
    };

    /// Adds those of another client.
    pub fn add(&mut self, other: &Self) {
        self.newest += other.newest;
        self.oldest += other.oldest;
        self.too_large += other.too_large;
        self.unencodable += other.unencodable;
        self.closed += other.closed;
        self.unreadable += other.unreadable;
        self.refused += other.refused;
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.causes().iter().map(|&(_, count)| count).sum()
    }

    /// Every cause in a word or two, with its count.
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

    /// A call was not taken.
    pub(super) fn count(&mut self, why: &NotQueued) {
        match why {
            NotQueued::WindowFull { .. } => self.newest += 1,
            NotQueued::Replaced { .. } => self.oldest += 1,
            NotQueued::Refused { .. } => self.refused += 1,
            NotQueued::TooLarge { .. } => self.too_large += 1,
            NotQueued::Unencodable(_) => self.unencodable += 1,
            NotQueued::Closed => self.closed += 1,
            // Nothing of the parent's is touched.
            NotQueued::OtherProcess => {}
        }
    }
}

/// `3 newest, 1 too large`: those that are not zero.
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
