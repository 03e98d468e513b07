//! Errors of a spool.

use std::io;
use std::path::{Path, PathBuf};

use super::record::VERSION;

/// Error of a spool.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// A system call failed.
    #[error("spool {}: {error}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The error of the system.
        error: io::Error,
    },
    /// Another version of this library wrote it.
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
    /// A file is damaged or missing.
    #[error("{} is not a file of a spool: {why}", path.display())]
    NotASpool {
        /// The file.
        path: PathBuf,
        /// The kind of damage.
        why: &'static str,
    },
}

/// Adds the path to an error of the system, for `map_err`.
pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> SpoolError {
    let path = path.to_owned();
    |error| SpoolError::Io { path, error }
}
