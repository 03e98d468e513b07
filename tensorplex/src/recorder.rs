//! What a worker records with.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use remotecall::{ClientIdError, ConnectError, FlushError, OneWay};

use crate::TensorplexClient;
use crate::encode_queue::EncodeQueue;
use crate::records::Encode;
use crate::summary_writer::now;
use crate::tfevents::Real;

/// The queue on which a [`Tensorplex`](crate::Tensorplex) is expected.
pub const QUEUE: &str = "tensorplex";

/// Records into a [`Tensorplex`](crate::Tensorplex) that runs elsewhere. No call waits for the network, and none
/// fails: what cannot be delivered is counted, and [`flush`](Self::flush) tells.
///
/// The time of a record is that of the call. For another time, or a record without a step, there is
/// [`client`](Self::client) with all arguments.
///
/// ```no_run
/// use std::time::Duration;
///
/// let log = tensorplex::Recorder::connect("localhost:6379", "agent/17")?;
/// for step in 0..100 {
///     log.scalar("loss", 1.0 / (1.0 + step as f64), step);
/// }
/// log.flush(Duration::from_secs(10))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Recorder {
    client: TensorplexClient<OneWay>,
    shared: Arc<Shared>,
}

/// What the clones of a recorder have in common.
#[derive(Debug)]
struct Shared {
    encoder: EncodeQueue,
    refused: AtomicU64,
}

impl Shared {
    fn new() -> Self {
        Self {
            encoder: EncodeQueue::new(),
            refused: AtomicU64::new(0),
        }
    }
}

impl Recorder {
    /// Records under a client id to the queue [`QUEUE`] at `address`. No server has to be there yet.
    ///
    /// # Errors
    /// When the address or the client id cannot be used.
    pub fn connect(address: &str, client_id: &str) -> Result<Self, ConnectError> {
        let client = TensorplexClient::connect(address, QUEUE, client_id)?;
        Ok(Self::new(client.one_way()))
    }

    /// Records through a client that is there already, for example one with options.
    ///
    /// ```no_run
    /// use remotecall::{Client, ClientOptions};
    /// use tensorplex::{Recorder, TensorplexClient};
    ///
    /// // What was recorded survives a kill of this process.
    /// let options = ClientOptions { spool: Some("spool".into()), ..ClientOptions::default() };
    /// let client = Client::connect_with("localhost:6379", tensorplex::QUEUE, "agent/17", options)?;
    /// let log = Recorder::new(TensorplexClient::new(client).one_way());
    /// # Ok::<(), remotecall::ConnectError>(())
    /// ```
    pub fn new(client: TensorplexClient<OneWay>) -> Self {
        Self {
            client,
            shared: Arc::new(Shared::new()),
        }
    }

    /// Records under another client id over the same connection.
    ///
    /// # Errors
    /// When the client id cannot be used.
    pub fn with_client_id(&self, client_id: &str) -> Result<Self, ClientIdError> {
        Ok(Self {
            client: self.client.with_client_id(client_id)?,
            shared: self.shared.clone(),
        })
    }

    /// The client beneath.
    pub fn client(&self) -> &TensorplexClient<OneWay> {
        &self.client
    }

    /// Records a number.
    pub fn scalar(&self, tag: &str, value: f64, step: i64) {
        self.client.add_scalar(tag, value, Some(step), None);
    }

    /// Records how values are distributed. They are sorted into buckets here, in the caller's thread.
    pub fn histogram<T: Real>(&self, tag: &str, values: &[T], step: i64) {
        self.client.add_histogram_from(tag, values, Some(step), None);
    }

    /// Records a text, shown as Markdown.
    pub fn text(&self, tag: &str, text: &str, step: i64) {
        self.client.add_text(tag, text, Some(step), None);
    }

    /// Records one of the [`records`](crate::records). What is wrong with it was told when it was made; it is encoded in
    /// a thread of the recorder, so the caller does not wait for PNG, GIF and their like, unless so many records wait for it
    /// that they hold [`MAX_QUEUED_BYTES`](crate::MAX_QUEUED_BYTES) bytes.
    /// With a spool it survives a kill from the moment on when it is encoded.
    ///
    /// ```no_run
    /// use tensorplex::records::{Array, Image};
    ///
    /// # let log = tensorplex::Recorder::connect("localhost:6379", "agent/17")?;
    /// let pixels = Array::new(&[512, 512, 3], vec![0.5_f32; 512 * 512 * 3])?;
    /// log.add(Image::new("camera", pixels, "HWC")?, 100);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn add(&self, record: impl Encode + Send + 'static, step: i64) {
        // The time of a record is that of the call.
        let wall_time = now();
        let client = self.client.clone();
        let refused = Arc::downgrade(&self.shared);
        self.shared.encoder.run(record.held_bytes(), move || {
            if let Err(error) = client.add(record, Some(step), wall_time) {
                tracing::error!(%error, step, "a record was lost: it cannot be encoded");
                if let Some(shared) = refused.upgrade() {
                    shared.refused.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
    }

    /// Records that could not be encoded, since the recorder was made.
    pub fn refused(&self) -> u64 {
        self.shared.refused.load(Ordering::Relaxed)
    }

    /// Goes back to a step: what was logged from it on counts no more. Waits for records that are being encoded: they were
    /// logged before.
    pub fn rewind(&self, step: i64) {
        self.shared.encoder.wait(Duration::MAX);
        self.client.rewind(step);
    }

    /// Says that this process goes on where another one under the same client id ended. If its first scalar is at a step
    /// that was logged before, or at an earlier one, that is a rewind to this step.
    pub fn resume(&self) {
        self.client.resume();
    }

    /// Waits until everything so far is on the server's disk and visible to TensorBoard.
    ///
    /// # Errors
    /// When that has not happened after `timeout`, with the number of calls outstanding.
    pub fn flush(&self, timeout: Duration) -> Result<(), FlushError> {
        let left = self.encoded_within(timeout)?;
        self.client.flush(left)
    }

    /// Flushes, and ends the connection for every clone of it.
    ///
    /// # Errors
    /// As for [`flush`](Self::flush); what is outstanding then is lost.
    pub fn close(&self, timeout: Duration) -> Result<(), FlushError> {
        let encoded = self.encoded_within(timeout);
        let left = *encoded.as_ref().unwrap_or(&Duration::ZERO);
        self.client.client().close(left)?;
        encoded.map(|_| ())
    }

    /// Waits for the encoder; what is left of the time then.
    fn encoded_within(&self, timeout: Duration) -> Result<Duration, FlushError> {
        let start = Instant::now();
        if self.shared.encoder.wait(timeout) {
            return Ok(timeout.saturating_sub(start.elapsed()));
        }
        let stats = self.client.client().stats();
        Err(FlushError {
            outstanding: stats.outstanding() + 1,
            dropped: 0,
            refused: 0,
        })
    }
}
