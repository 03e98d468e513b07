//! Event files without a server.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::clock::{finite_or_now, now};
use crate::records::{Encode, EventRecord, RecordContent, SummaryRecord, normalize};
use crate::runs::Runs;
use crate::scalars::Scalars;
use crate::tfevents::messages::EventPayload;
use crate::tfevents::{Bucket, Point, bucket};
use crate::value::{RecordError, RecordKind, Value, check_tag};

/// Bytes that are written at the latest when so many wait.
const BUFFER: usize = 64 << 10;
/// Records are written when the next one comes so long after the last writing.
const PAUSE: Duration = Duration::from_secs(2);
/// Bytes that may wait while the disk refuses them: 16 MiB.
const MAX_PENDING: usize = 16 << 20;

/// Writes one run from this process. What clients of a [`Tensorplex`](crate::Tensorplex) call is here with the same names.
///
/// Records are buffered for a moment; [`flush`](Self::flush) and dropping the writer write them. The file appears with the
/// first of them, and never changes one that was there.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let log_dir = dir.path().join("runs/first");
/// let mut writer = tensorplex::local::RunWriter::create(&log_dir)?;
/// for step in 0..100 {
///     writer.add_scalar("loss", 1.0 / (step + 1) as f64, Some(step), None)?;
/// }
/// writer.flush()?;
/// # Ok(())
/// # }
/// ```
pub struct RunWriter {
    runs: Runs,
    tag: String,
    written: Instant,
    pause: Duration,
    /// The highest step that was there when this writer was told to go on.
    resume_after: Option<i64>,
}

/// A record could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The record was refused.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The file could not be written. The record was taken and waits for the next attempt.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Too much waits for a disk that refuses it. The record was not taken.
    #[error("more than {MAX_PENDING} bytes wait to be written: {0}")]
    Full(io::Error),
}

impl RunWriter {
    /// A writer of the run in directory `log_dir`, which is made when missing.
    ///
    /// # Errors
    /// When the directory cannot be made.
    pub fn create(log_dir: impl AsRef<Path>) -> io::Result<Self> {
        std::fs::create_dir_all(log_dir.as_ref())?;
        Ok(Self {
            runs: Runs::open(log_dir.as_ref(), None)?,
            tag: String::new(),
            written: Instant::now(),
            pause: PAUSE,
            resume_after: None,
        })
    }

    /// Creates the event file, with its version record, before the first record: programs that look into the directory
    /// expect it there, because torch's writer does so.
    ///
    /// # Errors
    /// When the file cannot be written. The next flush tries again.
    pub fn start(&mut self) -> Result<(), WriteError> {
        self.runs.start_file("", now())?;
        Ok(self.flush()?)
    }

    /// Has records written when the next one comes `pause` after the last writing, instead of two seconds.
    #[must_use]
    pub fn pause(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }

    /// Records a number. A step that is not given is 0; a wall time that is not given, or not finite, is now.
    ///
    /// # Errors
    /// When the tag cannot be used, or when it was time to write and that failed.
    pub fn add_scalar(
        &mut self,
        tag: &str,
        scalar_value: f64,
        global_step: Option<i64>,
        walltime: Option<f64>,
    ) -> Result<(), WriteError> {
        self.record(tag, Value::scalar(scalar_value), (global_step, walltime))
    }

    /// Records several numbers of one step, as [`add_scalar`](Self::add_scalar) for each would.
    ///
    /// # Errors
    /// The first that `add_scalar` returns; the other numbers are recorded.
    pub fn add_scalars(
        &mut self,
        tag_scalar_dict: &Scalars,
        global_step: Option<i64>,
        walltime: Option<f64>,
    ) -> Result<(), WriteError> {
        let mut outcome = Ok(());
        for (tag, value) in tag_scalar_dict.iter() {
            let one = self.add_scalar(tag, value, global_step, walltime);
            outcome = outcome.and(one);
        }
        outcome
    }

    /// Records how values are distributed; those that are not finite are left out.
    ///
    /// # Errors
    /// As for [`add_scalar`](Self::add_scalar).
    pub fn add_histogram(
        &mut self,
        tag: &str,
        values: &[f64],
        global_step: Option<i64>,
        walltime: Option<f64>,
    ) -> Result<(), WriteError> {
        let buckets = bucket(values);
        self.add_histogram_buckets(tag, &buckets, global_step, walltime)
    }

    /// Records a distribution that is sorted into buckets already: left edge, right edge, count.
    ///
    /// # Errors
    /// When a bucket cannot be used, and as for [`add_scalar`](Self::add_scalar).
    pub fn add_histogram_buckets(
        &mut self,
        tag: &str,
        buckets: &[Bucket],
        global_step: Option<i64>,
        walltime: Option<f64>,
    ) -> Result<(), WriteError> {
        self.record(tag, Value::histogram(buckets)?, (global_step, walltime))
    }

    /// Records a text, shown as Markdown.
    ///
    /// # Errors
    /// When the text is too long, and as for [`add_scalar`](Self::add_scalar).
    pub fn add_text(
        &mut self,
        tag: &str,
        text_string: &str,
        global_step: Option<i64>,
        walltime: Option<f64>,
    ) -> Result<(), WriteError> {
        self.record(tag, Value::text(text_string)?, (global_step, walltime))
    }

    /// Records one of the [`records`](crate::records), which is encoded here.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// use tensorplex::records::{Array, Image};
    ///
    /// let mut writer = tensorplex::local::RunWriter::create(&dir)?;
    /// let gray = Array::new(&[16, 16], vec![128u8; 256])?;
    /// writer.add(Image::new("sample", gray, "HW")?, Some(1), None)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When it cannot be encoded, and as for [`add_scalar`](Self::add_scalar).
    pub fn add(
        &mut self,
        record: impl Encode,
        global_step: Option<i64>,
        walltime: Option<f64>,
    ) -> Result<(), WriteError> {
        self.make_room()?;
        let wall_time = finite_or_now(walltime);
        let record = record.encode(wall_time)?;
        let (step, wall_time) = record.at.unwrap_or((global_step.unwrap_or(0), wall_time));
        let wall_time = finite_or_now(Some(wall_time));
        match record.content {
            RecordContent::Event(EventPayload::Summary(summary)) => {
                let values: Result<Vec<_>, RecordError> = summary.value.into_iter().map(normalize).collect();
                let values = values?;
                if values.iter().any(|(kind, _)| *kind == Some(RecordKind::Scalar)) {
                    self.notice_scalar(step)?;
                }
                self.runs.append_values("", (step, wall_time), values)?;
            }
            RecordContent::Event(what) => self.runs.append_graph("", (step, wall_time), what)?,
            RecordContent::Embedding(mut files) => {
                files.step = step;
                self.runs.append_embedding("", &files)?;
            }
        }
        self.write_in_time()
    }

    /// Records the values of a serialized `tensorflow.Summary`, all or none of them.
    ///
    /// # Errors
    /// When the bytes are no summary or a value is none that readers show, and as for [`add_scalar`](Self::add_scalar).
    pub fn add_summary(
        &mut self,
        summary: &[u8],
        global_step: Option<i64>,
        walltime: Option<f64>,
    ) -> Result<(), WriteError> {
        self.add(SummaryRecord::new(summary)?, global_step, walltime)
    }

    /// Records a serialized `tensorflow.Event` at its own step and time: a summary, a graph or a profile.
    ///
    /// # Errors
    /// When the bytes are no such event, and as for [`add_scalar`](Self::add_scalar).
    pub fn add_event(&mut self, event: &[u8]) -> Result<(), WriteError> {
        self.add(EventRecord::new(event)?, None, None)
    }

    /// Goes back to a step: what is in the directory from it on, whoever wrote it, counts no more, in either reader of
    /// TensorBoard. This is what others call `purge_step`.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub fn rewind(&mut self, step: i64) -> Result<(), WriteError> {
        self.runs.purge("", (step, now()))?;
        self.write_in_time()
    }

    /// Says that this writer goes on where another one of the same directory ended: if its first scalar is at a step that is
    /// in the directory, or at an earlier one, that is a [`rewind`](Self::rewind) to this step.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn resume(&mut self) -> Result<(), WriteError> {
        self.flush()?;
        self.resume_after = self.runs.last_step("")?;
        Ok(())
    }

    /// Notices the first scalar after [`resume`](Self::resume).
    fn notice_scalar(&mut self, step: i64) -> Result<(), WriteError> {
        match self.resume_after.take() {
            Some(last) if step <= last => self.rewind(step),
            _ => Ok(()),
        }
    }

    /// Writes what waits, to where readers see it.
    ///
    /// # Errors
    /// When that failed; what could not be written still waits.
    pub fn flush(&mut self) -> io::Result<()> {
        self.written = Instant::now();
        self.runs.commit()
    }

    fn record(
        &mut self,
        tag: &str,
        value: Value<'_>,
        at: (Option<i64>, Option<f64>),
    ) -> Result<(), WriteError> {
        self.make_room()?;
        check_tag(tag)?;
        if value.kind() == RecordKind::Scalar {
            self.notice_scalar(at.0.unwrap_or(0))?;
        }
        self.tag.clear();
        self.tag.push_str(tag);
        self.tag.push_str(value.kind().suffix());
        let (step, wall_time) = at;
        let point = Point {
            tag: &self.tag,
            step: step.unwrap_or(0),
            wall_time: finite_or_now(wall_time),
        };
        self.runs.append("", point, value)?;
        self.write_in_time()
    }

    fn make_room(&mut self) -> Result<(), WriteError> {
        if self.runs.pending_bytes() > MAX_PENDING {
            self.flush().map_err(WriteError::Full)?;
        }
        Ok(())
    }

    fn write_in_time(&mut self) -> Result<(), WriteError> {
        if self.runs.pending_bytes() >= BUFFER || self.written.elapsed() >= self.pause {
            self.flush()?;
        }
        Ok(())
    }
}

impl Drop for RunWriter {
    fn drop(&mut self) {
        if let Err(error) = self.flush() {
            tracing::error!(%error, bytes = self.runs.pending_bytes(), "records were lost: they could not be written");
        }
    }
}
