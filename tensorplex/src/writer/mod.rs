//! The writer of a worker, remote or local.

mod error;
mod local;
mod remote;

pub use error::{FlushError, WriterStats};

use std::io;
use std::path::Path;
use std::time::Duration;

use remotecall::{ClientIdError, ConnectError, OneWay};

use crate::TensorplexClient;
use crate::local::{DirectoryWriter, RunWriter};
use crate::records::Encode;
use crate::tensorplex::QUEUE;
use crate::tfevents::{Real, bucket};

use local::LocalWriter;
use remote::RemoteWriter;

/// Delay before a local record is written, unless a flush comes first.
const LOCAL_PAUSE: Duration = Duration::from_secs(2);

/// Writer of scalars, histograms, texts and other records of one client id.
///
/// A remote writer sends to a [`Tensorplex`](crate::Tensorplex) server, a local one writes event files itself. Both
/// have the same methods. The methods that log do not fail: lost records are counted in [`stats`](Self::stats) and
/// reported by [`flush`](Self::flush). Clones share the connection or the files, so a writer may be used by many
/// threads.
///
/// The wall time of a record is the time of the call. [`client`](Self::client) and the module
/// [`local`](crate::local) take every argument.
///
/// ```no_run
/// use std::time::Duration;
///
/// let writer = tensorplex::Writer::connect("localhost:6379", "agent/17")?;
/// for step in 0..100 {
///     writer.scalar("loss", 1.0 / (1.0 + step as f64), step);
/// }
/// writer.flush(Duration::from_secs(10))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Writer(Target);

#[derive(Clone, Debug)]
enum Target {
    Remote(RemoteWriter),
    Local(LocalWriter),
}

impl Writer {
    /// Connects to the queue [`QUEUE`] of the broker at `address`. The server may start later.
    ///
    /// # Errors
    /// When the address or the client id is invalid.
    pub fn connect(address: &str, client_id: &str) -> Result<Self, ConnectError> {
        let client = TensorplexClient::connect(address, QUEUE, client_id)?;
        Ok(Self::from_client(client.one_way()))
    }

    /// Creates the directory `log_dir` if it is missing, and writes the run in it. Records appear there after about
    /// 2 s or with the next [`flush`](Self::flush). Dropping the last clone writes the rest.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let log_dir = dir.path().join("runs/first");
    /// let writer = tensorplex::Writer::create(&log_dir)?;
    /// writer.text("note", "first **run**", 0);
    /// writer.close(std::time::Duration::from_secs(10))?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the directory cannot be created.
    pub fn create(log_dir: impl AsRef<Path>) -> io::Result<Self> {
        let files = DirectoryWriter::create(log_dir, LOCAL_PAUSE)?;
        Ok(Self(Target::Local(LocalWriter::new(files))))
    }

    /// Remote writer over an existing client, for example one with options.
    ///
    /// ```no_run
    /// use remotecall::{Client, ClientOptions};
    /// use tensorplex::{TensorplexClient, Writer};
    ///
    /// // With a spool, encoded records survive a kill of this process.
    /// let options = ClientOptions { spool: Some("spool".into()), ..ClientOptions::default() };
    /// let client = Client::connect_with("localhost:6379", tensorplex::QUEUE, "agent/17", options)?;
    /// let writer = Writer::from_client(TensorplexClient::new(client).one_way());
    /// # Ok::<(), remotecall::ConnectError>(())
    /// ```
    pub fn from_client(client: TensorplexClient<OneWay>) -> Self {
        Self(Target::Remote(RemoteWriter::new(client)))
    }

    /// Writer of another client id over the same connection. Of a local writer: of the run `client_id` below its
    /// first directory.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// let writer = tensorplex::Writer::create(&dir)?;
    /// let validation = writer.with_client_id("validation")?;
    /// validation.scalar("loss", 0.25, 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the client id is invalid.
    pub fn with_client_id(&self, client_id: &str) -> Result<Self, ClientIdError> {
        Ok(Self(match &self.0 {
            Target::Remote(remote) => Target::Remote(remote.with_client_id(client_id)?),
            Target::Local(local) => Target::Local(local.with_client_id(client_id)?),
        }))
    }

    /// The client of a remote writer, whose methods take every argument of a record.
    pub fn client(&self) -> Option<&TensorplexClient<OneWay>> {
        match &self.0 {
            Target::Remote(remote) => Some(&remote.client),
            Target::Local(_) => None,
        }
    }

    /// Logs a number.
    pub fn scalar(&self, tag: &str, value: f64, step: i64) {
        match &self.0 {
            Target::Remote(remote) => remote.client.add_scalar(tag, value, Some(step), None),
            Target::Local(local) => local.write(|run| run.add_scalar(tag, value, Some(step), None)),
        }
    }

    /// Logs the distribution of `values`. The caller's thread sorts them into 30 buckets; values that are not finite
    /// are left out.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let writer = tensorplex::Writer::create(&dir)?;
    /// let weights = [0.5_f32, -0.25, 0.75];
    /// writer.histogram("weights", &weights, 100);
    /// # Ok(())
    /// # }
    /// ```
    pub fn histogram<T: Real>(&self, tag: &str, values: &[T], step: i64) {
        match &self.0 {
            Target::Remote(remote) => remote.client.add_histogram_from(tag, values, Some(step), None),
            Target::Local(local) => {
                let buckets = bucket(values);
                local.write(|run| run.add_histogram_buckets(tag, &buckets, Some(step), None));
            }
        }
    }

    /// Logs a text, which TensorBoard shows as Markdown.
    pub fn text(&self, tag: &str, text: &str, step: i64) {
        match &self.0 {
            Target::Remote(remote) => remote.client.add_text(tag, text, Some(step), None),
            Target::Local(local) => local.write(|run| run.add_text(tag, text, Some(step), None)),
        }
    }

    /// Logs one of the [`records`](crate::records). Its constructor checked it; a thread of the writer encodes it, so
    /// the caller does not wait for PNG or GIF. The caller waits only while the queued records hold more than
    /// [`MAX_QUEUED_BYTES`](crate::limits::MAX_QUEUED_BYTES), 64 MiB.
    ///
    /// ```
    /// use tensorplex::records::{Array, Image};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let writer = tensorplex::Writer::create(&dir)?;
    /// let pixels = Array::new(&[32, 32, 3], vec![0.5_f32; 32 * 32 * 3])?;
    /// writer.add(Image::new("camera", pixels, "HWC")?, 100);
    /// # Ok(())
    /// # }
    /// ```
    pub fn add(&self, record: impl Encode + Send + 'static, step: i64) {
        match &self.0 {
            Target::Remote(remote) => remote.add(record, step),
            Target::Local(local) => local.add(record, step),
        }
    }

    /// Rewinds the run to `step`: TensorBoard hides the records logged earlier with this step or a later one. Waits
    /// until the queued records are encoded, because they were logged before.
    pub fn rewind(&self, step: i64) {
        match &self.0 {
            Target::Remote(remote) => remote.rewind(step),
            Target::Local(local) => local.rewind(step),
        }
    }

    /// Continues a run that another process began. If the first scalar is at a step that was already logged, or at an
    /// earlier one, the run is rewound to that step.
    pub fn resume(&self) {
        match &self.0 {
            Target::Remote(remote) => remote.client.resume(),
            Target::Local(local) => local.write(RunWriter::resume),
        }
    }

    /// Waits until every record so far is visible to TensorBoard, and on the server's disk if the writer is remote. A
    /// local writer hands the bytes to the operating system: they survive a kill of this process, not a power cut.
    ///
    /// # Errors
    /// When records are outstanding after `timeout`, or were dropped or refused since the last flush. A record that a
    /// remote writer could not encode is counted in [`stats`](Self::stats) only.
    pub fn flush(&self, timeout: Duration) -> Result<(), FlushError> {
        match &self.0 {
            Target::Remote(remote) => remote.flush(timeout),
            Target::Local(local) => local.flush(timeout),
        }
    }

    /// Flushes, then ends the writer and all its clones. Records logged afterwards are dropped.
    ///
    /// # Errors
    /// As for [`flush`](Self::flush). A remote writer loses the outstanding records.
    pub fn close(&self, timeout: Duration) -> Result<(), FlushError> {
        match &self.0 {
            Target::Remote(remote) => remote.close(timeout),
            Target::Local(local) => local.close(timeout),
        }
    }

    /// Counters of this writer and its clones.
    pub fn stats(&self) -> WriterStats {
        match &self.0 {
            Target::Remote(remote) => remote.stats(),
            Target::Local(local) => local.stats(),
        }
    }
}
