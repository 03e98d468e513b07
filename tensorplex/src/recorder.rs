//! What a worker records with.

use std::time::Duration;

use remotecall::{ClientIdError, ConnectError, FlushError, OneWay};

use crate::TensorplexClient;

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
}

impl Recorder {
    /// Records under a client id to the queue [`QUEUE`] at `address`. No server has to be there yet.
    ///
    /// # Errors
    /// When the address or the client id cannot be used.
    pub fn connect(address: &str, client_id: &str) -> Result<Self, ConnectError> {
        let client = TensorplexClient::connect(address, QUEUE, client_id)?;
        Ok(Self {
            client: client.one_way(),
        })
    }

    /// Records under another client id over the same connection.
    ///
    /// # Errors
    /// When the client id cannot be used.
    pub fn with_client_id(&self, client_id: &str) -> Result<Self, ClientIdError> {
        Ok(Self {
            client: self.client.with_client_id(client_id)?,
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
    pub fn histogram<T: Copy + Into<f64>>(&self, tag: &str, values: &[T], step: i64) {
        self.client.add_histogram_from(tag, values, Some(step), None);
    }

    /// Records a text, shown as Markdown.
    pub fn text(&self, tag: &str, text: &str, step: i64) {
        self.client.add_text(tag, text, Some(step), None);
    }

    /// Waits until everything so far is on the server's disk and visible to TensorBoard.
    ///
    /// # Errors
    /// When that has not happened after `timeout`, with the number of calls outstanding.
    pub fn flush(&self, timeout: Duration) -> Result<(), FlushError> {
        self.client.flush(timeout)
    }

    /// Flushes, and ends the connection for every clone of it.
    ///
    /// # Errors
    /// As for [`flush`](Self::flush); what is outstanding then is lost.
    pub fn close(&self, timeout: Duration) -> Result<(), FlushError> {
        self.client.client().close(timeout)
    }
}
