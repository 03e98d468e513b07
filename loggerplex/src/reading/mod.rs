//! Log files, read by people's tools: what was logged last, and what is logged from now on.
//!
//! ```text
//! places.rs   which files there are, and whose
//! entry.rs    an entry: its time, its level, its lines
//! times.rs    the time at the beginning of a line, also where its date must be guessed
//! history.rs  the last entries of a client
//! follow.rs   what is added to a client's files, over rotation
//! ```
//!
//! All of it works on the files alone, while a server writes them or not.

mod entry;
mod follow;
mod history;
mod places;
mod times;

pub use entry::LogEntry;
pub use follow::Follow;
pub use history::{MAX_HISTORY, Wanted, last_entries};
pub use places::{LogPlace, find_logs};
