//! What can be wrong with a spool.

use std::io;
use std::path::{Path, PathBuf};

use super::record::VERSION;

/// A spool cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The system refused something.
    #[error("spool {}: {error}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// It was written by another version of this library.
    #[error(
        "spool {} is of version {found}, and this program knows version {VERSION}: deliver it with `tensorplex drain` of \
         the version that wrote it",
        path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u8,
    },
    /// It is not what a spool looks like.
    #[error("{} is not a file of a spool: {why}", path.display())]
    NotASpool {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: &'static str,
    },
}

/// For `map_err`: an error of the system, with its path.
pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> SpoolError {
    let path = path.to_owned();
    |error| SpoolError::Io { path, error }
}
