//! Deliberate faults: the proof that the tests bite. A test that passes while one of them is on checks nothing.
//!
//! They exist only with the cargo feature `mutants`, which nothing but `make mutants` turns on; there the environment
//! variable `TENSORPLEX_MUTANT` names the one that is on. Without the feature [`is_on`] is a constant, and what it
//! guards is not compiled. `docs/guarantees.md` tells which check finds which.

#[cfg(not(feature = "mutants"))]
use crate::broker::StreamId;

/// A promise that is broken on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutant {
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
pub(crate) const fn is_on(_: Mutant) -> bool {
    false
}

/// Whether this fault is on.
#[cfg(feature = "mutants")]
pub(crate) fn is_on(mutant: Mutant) -> bool {
    static NAME: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    let name = NAME.get_or_init(|| std::env::var("TENSORPLEX_MUTANT").ok());
    name.as_ref().is_some_and(|name| *name == format!("{mutant:?}"))
}

/// Does nothing.
#[cfg(not(feature = "mutants"))]
pub(crate) const fn slow_disk() {}

/// A disk that takes its time: two steps whose order is wrong lie so far apart that a kill comes between them.
#[cfg(feature = "mutants")]
pub(crate) fn slow_disk() {
    std::thread::sleep(std::time::Duration::from_millis(20));
}

/// Where a server begins to read a stream: at its beginning.
#[cfg(not(feature = "mutants"))]
pub(crate) const fn begin(_key: &str) -> StreamId {
    StreamId { ms: 0, seq: 0 }
}

/// A server got so far.
#[cfg(not(feature = "mutants"))]
pub(crate) const fn remember(_key: &str, _id: StreamId) {}

/// Whether an entry with this id came before: never.
#[cfg(not(feature = "mutants"))]
pub(crate) const fn seen_before(_: StreamId) -> bool {
    false
}

#[cfg(feature = "mutants")]
pub(crate) use memory::{begin, remember, seen_before};

/// What a server should not keep.
#[cfg(feature = "mutants")]
mod memory {
    use std::collections::{BTreeMap, BTreeSet};
    use std::sync::{Mutex, PoisonError};

    use super::{Mutant, is_on};
    use crate::broker::StreamId;

    /// How far each stream was read.
    static CURSORS: Mutex<BTreeMap<String, StreamId>> = Mutex::new(BTreeMap::new());
    /// Ids of entries.
    static SEEN: Mutex<BTreeSet<StreamId>> = Mutex::new(BTreeSet::new());

    /// Where a server begins to read a stream.
    pub(crate) fn begin(key: &str) -> StreamId {
        let cursors = CURSORS.lock().unwrap_or_else(PoisonError::into_inner);
        let saved = cursors.get(key).filter(|_| is_on(Mutant::SavedCursor));
        saved.copied().unwrap_or_default()
    }

    /// A server got so far.
    pub(crate) fn remember(key: &str, id: StreamId) {
        let mut cursors = CURSORS.lock().unwrap_or_else(PoisonError::into_inner);
        cursors.insert(key.to_owned(), id);
    }

    /// Whether an entry with this id came before.
    pub(crate) fn seen_before(id: StreamId) -> bool {
        !SEEN.lock().unwrap_or_else(PoisonError::into_inner).insert(id)
    }
}
