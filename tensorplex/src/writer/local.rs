//! Writer of a directory: one run of a [`DirectoryWriter`], without a server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use remotecall::{ClientId, ClientIdError};

use super::{FlushError, WriterStats};
use crate::local::{DirectoryWriter, RunWriter, WriteError};
use crate::records::Encode;

#[derive(Clone, Debug)]
pub(super) struct LocalWriter {
    shared: Arc<Shared>,
    /// Path of the run below the directory; empty for the directory itself.
    run: String,
}

/// State that the clones of a writer share.
#[derive(Debug)]
struct Shared {
    files: DirectoryWriter,
    is_closed: AtomicBool,
    /// Records that were logged after `close`.
    dropped: AtomicU64,
    /// Refused records that an earlier flush reported.
    reported: AtomicU64,
}

impl LocalWriter {
    pub fn new(files: DirectoryWriter) -> Self {
        Self {
            shared: Arc::new(Shared {
                files,
                is_closed: AtomicBool::new(false),
                dropped: AtomicU64::new(0),
                reported: AtomicU64::new(0),
            }),
            run: String::new(),
        }
    }

    pub fn with_client_id(&self, client_id: &str) -> Result<Self, ClientIdError> {
        Ok(Self {
            shared: self.shared.clone(),
            run: ClientId::new(client_id)?.to_string(),
        })
    }

    pub fn write(&self, act: impl FnOnce(&mut RunWriter) -> Result<(), WriteError>) {
        if self.accepts() {
            self.shared.files.write(&self.run, act);
        }
    }

    pub fn add(&self, record: impl Encode + Send + 'static, step: i64) {
        if self.accepts() {
            self.shared.files.add(&self.run, record, Some(step), None);
        }
    }

    pub fn rewind(&self, step: i64) {
        // Records that are still being encoded were logged before the rewind.
        self.shared.files.wait(Duration::MAX);
        self.write(|writer| writer.rewind(step));
    }

    pub fn flush(&self, timeout: Duration) -> Result<(), FlushError> {
        let is_encoded = self.shared.files.wait(timeout);
        self.shared.files.flush()?;
        if !is_encoded {
            return Err(FlushError::outstanding(self.outstanding().max(1)));
        }
        let refused = self.shared.files.lost().records;
        match refused - self.shared.reported.swap(refused, Ordering::Relaxed).min(refused) {
            0 => Ok(()),
            new => Err(FlushError::refused(new)),
        }
    }

    pub fn close(&self, timeout: Duration) -> Result<(), FlushError> {
        self.shared.is_closed.store(true, Ordering::Relaxed);
        self.flush(timeout)
    }

    pub fn stats(&self) -> WriterStats {
        WriterStats {
            outstanding: self.outstanding(),
            dropped: self.shared.dropped.load(Ordering::Relaxed),
            refused: self.shared.files.lost().records,
        }
    }

    fn outstanding(&self) -> u64 {
        self.shared.files.queue().outstanding()
    }

    fn accepts(&self) -> bool {
        let is_closed = self.shared.is_closed.load(Ordering::Relaxed);
        self.shared.dropped.fetch_add(is_closed.into(), Ordering::Relaxed);
        !is_closed
    }
}
