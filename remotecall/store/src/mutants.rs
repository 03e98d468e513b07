//! Mutants: deliberate faults, which prove that the chaos harness notices broken promises.
//!
//! They exist only with the cargo feature `mutants` of `make mutants`. The environment variable `REMOTECALL_MUTANT` names
//! the active one. Without the feature [`is_on`] is a constant, and the fault is not compiled.
//! `docs/reference/guarantees.md` says which check finds which mutant.

/// A promise that the code breaks on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// The client takes the answer to `XADD` for the acknowledgement.
    AckOnXadd,
    /// The server resumes reading from its last position after a reconnect.
    #[cfg(feature = "mutants")]
    SavedCursor,
    /// The server writes files before the journal.
    JournalAfterFiles,
    /// The server trims the stream and publishes acknowledgements before it writes the journal.
    AckBeforeJournal,
    /// The recovery truncates files to their length in the checkpoint.
    TruncateAtRecovery,
    /// A checkpoint lacks the watermarks.
    WatermarkNotPersisted,
    /// The server deduplicates by entry id instead of by frame number.
    DedupeByStreamId,
    /// The server accepts a frame after a gap.
    AcceptGaps,
    /// A process that takes over a spool sends its frames under a new producer id.
    NewProducerAtTakeOver,
}

/// True for the active mutant.
#[cfg(not(feature = "mutants"))]
pub const fn is_on(_: Mutant) -> bool {
    false
}

/// True for the active mutant.
#[cfg(feature = "mutants")]
pub fn is_on(mutant: Mutant) -> bool {
    static NAME: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    let name = NAME.get_or_init(|| std::env::var("REMOTECALL_MUTANT").ok());
    name.as_ref().is_some_and(|name| *name == format!("{mutant:?}"))
}

/// Does nothing.
#[cfg(not(feature = "mutants"))]
pub const fn slow_disk() {}

/// Delays a step by 20 ms, so that a kill can come between two steps in the wrong order.
#[cfg(feature = "mutants")]
pub fn slow_disk() {
    std::thread::sleep(std::time::Duration::from_millis(20));
}
