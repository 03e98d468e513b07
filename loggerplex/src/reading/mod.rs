//! Log files, read by people's tools: what was logged last, and what is logged from now on.
//!
//! ```text
//! source.rs   where they are read from: a folder here, or a server
//! places.rs   which files there are, and whose
//! entry.rs    an entry: its time, its level, its lines
//! times.rs    the time at the beginning of a line, also where its date must be guessed
//! history.rs  the last entries of a client
//! follow.rs   what is added to a client's files, over rotation
//! server_source.rs   the files of a server elsewhere, asked for by calls
//! ```
//!
//! A [`Folder`] works on the files alone, while a server writes them or not; a [`ServerSource`] asks the server.

mod entry;
mod follow;
mod history;
pub(crate) mod places;
mod server_source;
pub(crate) mod source;
mod times;

pub use entry::LogEntry;
pub use follow::Follow;
pub use history::{MAX_HISTORY, Wanted, begin, expect_history};
pub use places::{LogPlace, find_logs};
pub use server_source::{Patience, ServerSource};
pub use source::{Folder, LogId, OpenLog, Source};
