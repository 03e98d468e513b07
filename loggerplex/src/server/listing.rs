//! Replies of the methods `list_logs` and `read_log` of [`Loggerplex`](super::Loggerplex).

use serde::{Deserialize, Serialize};

use crate::files::LogId;

/// Limit on the files in one reply; the reader asks again for the rest.
pub(crate) const MAX_LISTED: usize = 2000;
/// Limit on the file bytes in one reply: 256 KiB.
pub const MAX_PART: usize = 256 << 10;

/// Changes among a server's log files, in order.
///
/// A reader passes `list` and `change` of the last reply to the next call, and gets only what
/// changed in between. [`ServerSource`](crate::reading::ServerSource) does so.
///
/// ```
/// use loggerplex::server::{Loggerplex, LoggerplexClient, QUEUE};
/// use remotecall::embedded::{BrokerOptions, EmbeddedBroker};
///
/// let runs = tempfile::tempdir()?;
/// let broker = EmbeddedBroker::start(BrokerOptions::new(([127, 0, 0, 1], 0).into()))?;
/// let address = broker.address().to_string();
/// let logs = Loggerplex::open(&runs.path().join("logs"), &runs.path().join("private"))?;
/// let server = logs.serve(&address)?;
///
/// let client = LoggerplexClient::connect(&address, QUEUE, "agent/17")?;
/// client.info("started".into()).get()?;
/// let listing = client.list_logs(0, 0).get()?;
/// assert_eq!(listing.files[0].path, "agent/17.log");
/// if let Some(log) = &listing.files[0].log {
///     let bytes = client.read_log("agent/17.log", &log.id, 0, log.length).get()?;
///     assert!(bytes.is_some_and(|bytes| bytes.ends_with(b"started\n")));
/// }
/// server.stop()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LogListing {
    /// Number of the list. A restarted server begins another list.
    pub list: u64,
    /// Number of the last change in this reply.
    pub change: u64,
    /// Number of the server's last scan of its files.
    pub look: u64,
    /// Set when the list holds further changes.
    pub more: bool,
    /// Changed files.
    pub files: Vec<ListedLog>,
}

/// Changed log file of a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ListedLog {
    /// Path below the log folder: `agent/17.log`.
    pub path: String,
    /// The file; none when it was removed.
    pub log: Option<FileSnapshot>,
}

/// Log file at the time of the server's scan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FileSnapshot {
    /// Identity of the file.
    pub id: LogId,
    /// Length in bytes.
    pub length: u64,
    /// Time of the last write, in nanoseconds since 1970-01-01 UTC.
    pub modified_ns: i64,
}
