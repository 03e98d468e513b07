//! Durable storage of `remotecall`: the journal, files that a replay completes, the spool and checkpoints.
//!
//! | module | subject |
//! | --- | --- |
//! | [`journal`] | the server's write-ahead log, its checkpoint and recovery |
//! | [`files`] | output files that are a function of the journal |
//! | [`spool`] | the worker's write-ahead log |
//! | [`disk`] | system calls that change files of the server; in tests each of them can fail |
//! | [`fork`] | forks of this process, and the spool locks that a child closes |

pub mod disk;
pub mod files;
pub mod fork;
pub mod journal;
pub mod mutants;
pub mod process_id;
pub mod spool;

#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
