//! Outcome of a flush, and the counters of a writer.

use std::io;

/// Error of [`Writer::flush`](crate::Writer::flush) and [`Writer::close`](crate::Writer::close): not every
/// record so far can be seen by TensorBoard.
#[derive(Debug, thiserror::Error)]
#[error(
    "{outstanding} records are outstanding, {dropped} were dropped and {refused} refused since the last flush{}",
    cause.as_ref().map(|cause| format!(": {cause}")).unwrap_or_default()
)]
#[non_exhaustive]
pub struct FlushError {
    /// Records that were still queued when the timeout passed.
    pub outstanding: u64,
    /// Records that were dropped since the last flush, for example because the buffer was full.
    pub dropped: u64,
    /// Records that were refused since the last flush, for example because the group is unknown.
    pub refused: u64,
    /// Error of the disk, if a local writer could not write. The records stay queued.
    #[source]
    pub cause: Option<io::Error>,
}

impl FlushError {
    /// True when another flush may succeed: records are queued or wait for the disk, and none was lost.
    pub fn is_retryable(&self) -> bool {
        self.dropped == 0 && self.refused == 0
    }

    pub(super) fn outstanding(outstanding: u64) -> Self {
        Self {
            outstanding,
            dropped: 0,
            refused: 0,
            cause: None,
        }
    }

    pub(super) fn refused(refused: u64) -> Self {
        Self {
            refused,
            ..Self::outstanding(0)
        }
    }
}

impl From<remotecall::FlushError> for FlushError {
    fn from(error: remotecall::FlushError) -> Self {
        Self {
            outstanding: error.outstanding,
            dropped: error.dropped,
            refused: error.refused,
            cause: None,
        }
    }
}

impl From<io::Error> for FlushError {
    fn from(cause: io::Error) -> Self {
        Self {
            cause: Some(cause),
            ..Self::outstanding(0)
        }
    }
}

/// Counters of a [`Writer`](crate::Writer) and its clones, since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WriterStats {
    /// Records that are being encoded or are not acknowledged yet.
    pub outstanding: u64,
    /// Records that were dropped before they were sent or written.
    pub dropped: u64,
    /// Records that could not be encoded, or that the server or the run refused.
    pub refused: u64,
}
