//! Event files written by this process, without a server.
//!
//! [`Writer::create`](crate::Writer::create) is the everyday way. This module has its parts, for programs that need
//! every argument of a record or its error:
//!
//! - [`RunWriter`] writes one run, in the caller's thread, and returns each error.
//! - [`DirectoryWriter`] writes many runs for many threads, and encodes images and the like in a thread of its own.

mod directory_writer;
mod run_writer;

pub use directory_writer::{DirectoryWriter, LostRecords};
pub use run_writer::{RunWriter, WriteError};
