//! Entry points for the targets in `fuzz/`, and the replay of their corpora in `cargo test`.
//!
//! A checksum that stands in the way of a mutation is made right, so that the decoder behind it is reached.

use std::path::Path;

pub use crate::journal::fuzzing::{checkpoint, segment};
pub use crate::spool::fuzzing::spool;

/// Path that errors name as the source of the bytes.
pub(crate) fn nowhere() -> &'static Path {
    Path::new("fuzz")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs every input that a fuzzer found worth keeping.
    #[track_caller]
    fn replay(name: &str, target: impl Fn(&[u8])) {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../fuzz/corpus")
            .join(name);
        let mut count = 0;
        for entry in std::fs::read_dir(&dir).unwrap() {
            target(&std::fs::read(entry.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 3, "{}: {count} files", dir.display());
    }

    #[test]
    fn the_corpora_hold() {
        replay("segment", segment);
        replay("checkpoint", checkpoint);
        replay("spool", spool);
    }
}
