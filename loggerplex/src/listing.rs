//! What a server tells of its log files; see the methods `list_logs` and `read_log` of [`Loggerplex`](crate::Loggerplex).

use serde::{Deserialize, Serialize};

use crate::reading::LogId;

/// Most files in one answer; the rest is in the next.
pub(crate) const MAX_LISTED: usize = 2000;
/// Most bytes of a file in one answer: 256 KiB.
pub const MAX_PART: usize = 256 << 10;

/// What has changed among a server's log files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogListing {
    /// Names the list; another one begins when the server was started again.
    pub list: u64,
    /// The last change in this answer.
    pub change: u64,
    /// How often the server has looked at the files: the same number means the same look.
    pub look: u64,
    /// Whether there are further changes already.
    pub more: bool,
    /// The files that changed.
    pub files: Vec<ListedLog>,
}

/// A log file of a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedLog {
    /// Where it is in the log folder: `agent/17.log`.
    pub path: String,
    /// What is there; none any more when this is missing.
    pub log: Option<LogState>,
}

/// A file as it was when the server looked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogState {
    /// By which it is known.
    pub id: LogId,
    /// Bytes in it.
    pub length: u64,
    /// When it was last written to: nanoseconds since 1970-01-01 UTC.
    pub modified_ns: i64,
}
