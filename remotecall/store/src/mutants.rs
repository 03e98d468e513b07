//! Deliberate faults: the proof that the tests bite. A test that passes while one of them is on checks nothing.
//!
//! They exist only with the cargo feature `mutants`, which nothing but `make mutants` turns on; there the environment
//! variable `REMOTECALL_MUTANT` names the one that is on. Without the feature [`is_on`] is a constant, and what it
//! guards is not compiled. `docs/guarantees.md` tells which check finds which.

/// A promise that is broken on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// The client takes the answer to `XADD` for the ack.
    AckOnXadd,
    /// After a reconnect the server reads on from where it was.
    #[cfg(feature = "mutants")]
    SavedCursor,
    /// Files are written before the journal.
    JournalAfterFiles,
    /// The stream is trimmed and acks are published before the journal is written.
    AckBeforeJournal,
    /// A recovery cuts files back to where the checkpoint saw them.
    TruncateAtRecovery,
    /// A checkpoint forgets which frames were accepted.
    WatermarkNotPersisted,
    /// An entry counts when its id is new, whatever its frame's number.
    DedupeByStreamId,
    /// A frame counts though one before it is missing.
    AcceptGaps,
    /// Who takes a spool over sends its frames under a new producer id.
    NewProducerAtTakeOver,
}

/// Whether this fault is on.
#[cfg(not(feature = "mutants"))]
pub const fn is_on(_: Mutant) -> bool {
    false
}

/// Whether this fault is on.
#[cfg(feature = "mutants")]
pub fn is_on(mutant: Mutant) -> bool {
    static NAME: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    let name = NAME.get_or_init(|| std::env::var("REMOTECALL_MUTANT").ok());
    name.as_ref().is_some_and(|name| *name == format!("{mutant:?}"))
}

/// Does nothing.
#[cfg(not(feature = "mutants"))]
pub const fn slow_disk() {}

/// A disk that takes its time: two steps whose order is wrong lie so far apart that a kill comes between them.
#[cfg(feature = "mutants")]
pub fn slow_disk() {
    std::thread::sleep(std::time::Duration::from_millis(20));
}
