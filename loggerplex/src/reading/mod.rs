//! Reading log files: recent entries, and new ones as they are written.
//!
//! ```text
//! source          where files are read from: a local folder or any other source
//! server_source   the files of a remote server, read by calls
//! entry           one entry: time, level, text
//! timestamp       the time at the beginning of a line, with its missing parts guessed
//! history         the last entries of a client
//! follower        new entries of a client, across rotation
//! ```
//!
//! A [`FolderSource`] reads files, whether a server is writing them or not. A [`ServerSource`] asks
//! a remote server.
//!
//! ```
//! use loggerplex::format::Zone;
//! use loggerplex::reading::{FolderSource, HistoryQuery, find_logs, read_history};
//!
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("agent.log");
//! std::fs::write(&path, "12:00:00 INFO> one\n12:00:01 INFO> two\n")?;
//!
//! // The last entry, and then what is appended.
//! let mut source = FolderSource::new(folder.path());
//! let files = &find_logs(folder.path())?[0];
//! let query = HistoryQuery::last(1).zone(Zone::Utc);
//! let (mut follower, last) = read_history(&mut source, files, &query)?;
//! assert_eq!(last[0].message, "two");
//!
//! use std::io::Write;
//! let mut file = std::fs::File::options().append(true).open(&path)?;
//! file.write_all(b"12:00:02 INFO> three\n12:00:03 INFO> four\n")?;
//! let mut new = Vec::new();
//! follower.poll(&mut source, files, Zone::Utc, &mut |entry| new.push(entry.message))?;
//! assert_eq!(new, ["three"], "the last entry may still get continuation lines");
//! # Ok::<(), std::io::Error>(())
//! ```

mod entry;
mod follower;
mod history;
mod server_source;
mod source;
mod timestamp;

pub use crate::files::{ClientFiles, LogId, find_logs};
pub use entry::LogEntry;
pub use follower::Follower;
pub use history::{HistoryQuery, MAX_HISTORY, prefetch_history, read_history};
pub use server_source::{ServerSource, WaitPolicy};
pub use source::{FolderSource, OpenLog, Source};
