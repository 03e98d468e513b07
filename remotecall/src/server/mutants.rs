//! Deliberate faults of the event loop: see [`remotecall_store::mutants`].

#[cfg(not(feature = "mutants"))]
use remotecall_connection::StreamId;

/// Position from which a server reads a stream: its beginning.
#[cfg(not(feature = "mutants"))]
pub(super) const fn begin(_key: &str) -> StreamId {
    StreamId { ms: 0, seq: 0 }
}

/// A server got so far.
#[cfg(not(feature = "mutants"))]
pub(super) const fn remember(_key: &str, _id: StreamId) {}

/// True if an entry with this id came before: never.
#[cfg(not(feature = "mutants"))]
pub(super) const fn seen_before(_: StreamId) -> bool {
    false
}

#[cfg(feature = "mutants")]
pub(super) use memory::{begin, remember, seen_before};

/// State that a server must not keep.
#[cfg(feature = "mutants")]
mod memory {
    use std::collections::{BTreeMap, BTreeSet};
    use std::sync::{Mutex, PoisonError};

    use remotecall_connection::StreamId;
    use remotecall_store::mutants::{Mutant, is_on};

    /// Last read position of each stream.
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

    /// True if an entry with this id came before.
    pub(crate) fn seen_before(id: StreamId) -> bool {
        !SEEN.lock().unwrap_or_else(PoisonError::into_inner).insert(id)
    }
}
