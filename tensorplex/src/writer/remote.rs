//! Writer over a broker: one-way calls of a [`TensorplexClient`], and a thread that encodes records.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use remotecall::{ClientIdError, OneWay};

use super::{FlushError, WriterStats};
use crate::TensorplexClient;
use crate::clock::now;
use crate::encode_queue::EncodeQueue;
use crate::records::Encode;

#[derive(Clone, Debug)]
pub(super) struct RemoteWriter {
    pub client: TensorplexClient<OneWay>,
    shared: Arc<Shared>,
}

/// State that the clones of a writer share.
#[derive(Debug, Default)]
struct Shared {
    queue: EncodeQueue,
    /// Records that could not be encoded.
    refused: AtomicU64,
}

impl RemoteWriter {
    pub fn new(client: TensorplexClient<OneWay>) -> Self {
        Self {
            client,
            shared: Arc::default(),
        }
    }

    pub fn with_client_id(&self, client_id: &str) -> Result<Self, ClientIdError> {
        Ok(Self {
            client: self.client.with_client_id(client_id)?,
            shared: self.shared.clone(),
        })
    }

    pub fn add(&self, record: impl Encode + Send + 'static, step: i64) {
        // The time of a record is that of the call.
        let wall_time = now();
        let client = self.client.clone();
        // A strong reference would let the job drop the queue on the queue's own thread.
        let refused = Arc::downgrade(&self.shared);
        self.shared.queue.run(record.held_bytes(), move || {
            if let Err(error) = client.add(record, Some(step), wall_time) {
                tracing::error!(%error, step, "record dropped: it cannot be encoded");
                if let Some(shared) = refused.upgrade() {
                    shared.refused.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
    }

    pub fn rewind(&self, step: i64) {
        // Records that are still being encoded were logged before the rewind.
        self.shared.queue.wait(Duration::MAX);
        self.client.rewind(step);
    }

    pub fn flush(&self, timeout: Duration) -> Result<(), FlushError> {
        let left = self.wait_for_encoding(timeout)?;
        Ok(self.client.flush(left)?)
    }

    pub fn close(&self, timeout: Duration) -> Result<(), FlushError> {
        let encoded = self.wait_for_encoding(timeout);
        let left = *encoded.as_ref().unwrap_or(&Duration::ZERO);
        self.client.client().close(left)?;
        encoded.map(|_| ())
    }

    pub fn stats(&self) -> WriterStats {
        let stats = self.client.client().stats();
        WriterStats {
            outstanding: stats.outstanding() + self.shared.queue.outstanding(),
            dropped: stats.dropped.total(),
            refused: stats.refused + self.shared.refused.load(Ordering::Relaxed),
        }
    }

    /// Waits until all records so far are encoded; returns the time that is left.
    fn wait_for_encoding(&self, timeout: Duration) -> Result<Duration, FlushError> {
        let start = Instant::now();
        if self.shared.queue.wait(timeout) {
            return Ok(timeout.saturating_sub(start.elapsed()));
        }
        let stats = self.client.client().stats();
        let encoding = self.shared.queue.outstanding().max(1);
        Err(FlushError::outstanding(stats.outstanding() + encoding))
    }
}
