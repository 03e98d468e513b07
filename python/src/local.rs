//! `LocalWriter`: records into a local directory, without a server.
//!
//! A writer and those of its child runs share one `DirectoryWriter` until `close`; the next record opens
//! another. A forked child opens one of its own and never touches its parent's.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use remotecall::ClientId;
use tensorplex::Scalars;
use tensorplex::encode_queue::EncodeQueue;
use tensorplex::local::{DirectoryWriter, RunWriter, WriteError};
use tensorplex::records::Encode;
use tensorplex::tfevents::Bucket;

use crate::lock::lock;
use crate::open_files::OpenFiles;
use crate::package::{register_exit_handler, warn_of_lost_records};
use crate::scalar::Scalar;
use crate::waiting::{seconds, wait_in_slices};

/// Writer of one run of a log directory, with the interface of `Client`.
#[pyclass(frozen, module = "tensorplex._native")]
pub(crate) struct LocalWriter {
    shared: Arc<Shared>,
    /// Path of the run, relative to the log directory; "" is the directory itself.
    run: String,
}

struct Shared {
    /// `None`: records are checked and discarded.
    log_dir: Option<PathBuf>,
    pause: Duration,
    open: Mutex<Option<Arc<OpenFiles>>>,
    /// Records that were lost while earlier files were open.
    lost_before: Mutex<u64>,
    /// Number of records lost since then that were logged.
    reported: Mutex<u64>,
}

#[pymethods]
impl LocalWriter {
    /// Creates the directory. Records are written every `pause` seconds, so one waits at most about twice as long.
    ///
    /// Without a directory records are checked and discarded.
    #[new]
    fn new(py: Python<'_>, log_dir: Option<PathBuf>, pause: f64) -> PyResult<Self> {
        let writer = Self {
            shared: Arc::new(Shared {
                log_dir,
                pause: seconds(pause),
                open: Mutex::new(None),
                lost_before: Mutex::new(0),
                reported: Mutex::new(0),
            }),
            run: String::new(),
        };
        writer.current_files(py)?;
        Ok(writer)
    }

    /// Creates the event file, with its version record.
    fn start(&self, py: Python<'_>) -> PyResult<()> {
        self.write(py, RunWriter::start)
    }

    /// The writer of a child run.
    fn child(&self, name: &str) -> PyResult<Self> {
        let name = ClientId::new(name).map_err(|why| PyValueError::new_err(why.to_string()))?;
        let run = match self.run.as_str() {
            "" => name.to_string(),
            run => format!("{run}/{name}"),
        };
        Ok(Self {
            shared: self.shared.clone(),
            run,
        })
    }

    /// Writes a record that needs no encoding thread. `method` and its arguments are those of the server.
    fn send(
        &self,
        py: Python<'_>,
        method: &str,
        args: &Bound<'_, PyTuple>,
        kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<bool> {
        if kwargs.is_some_and(|kwargs| !kwargs.is_empty()) {
            let text = format!("{method} of a local writer takes its arguments by position");
            return Err(PyTypeError::new_err(text));
        }
        match method {
            "add_scalar" => {
                let (tag, value, step, time): (String, f64, i64, Option<f64>) = args.extract()?;
                self.write(py, |writer| writer.add_scalar(&tag, value, Some(step), time))?;
            }
            "add_scalars" => {
                let (scalars, step, time): (Bound<'_, PyDict>, i64, Option<f64>) = args.extract()?;
                let scalars: Vec<(String, f64)> = scalars.items().extract()?;
                let scalars: Scalars = scalars.into_iter().collect();
                self.write(py, |writer| writer.add_scalars(&scalars, Some(step), time))?;
            }
            "add_histogram_buckets" => {
                let (tag, buckets, step, time): (String, Vec<Bucket>, i64, Option<f64>) = args.extract()?;
                self.write(py, |writer| {
                    writer.add_histogram_buckets(&tag, &buckets, Some(step), time)
                })?;
            }
            "add_text" => {
                let (tag, text, step, time): (String, String, i64, Option<f64>) = args.extract()?;
                self.write(py, |writer| writer.add_text(&tag, &text, Some(step), time))?;
            }
            "rewind" => {
                let (step,): (i64,) = args.extract()?;
                self.write(py, |writer| writer.rewind(step))?;
            }
            "resume" => self.write(py, RunWriter::resume)?,
            other => return Err(PyValueError::new_err(format!("unknown record method {other:?}"))),
        }
        Ok(true)
    }

    /// Fast path of `send` for a scalar. `None`: an argument needs the slow path, and nothing was written.
    fn add_scalar(
        &self,
        tag: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
        step: &Bound<'_, PyAny>,
        walltime: &Bound<'_, PyAny>,
    ) -> PyResult<Option<bool>> {
        let Some(scalar) = Scalar::from_plain(tag, value, step, walltime) else {
            return Ok(None);
        };
        self.write(tag.py(), |writer| {
            writer.add_scalar(scalar.tag, scalar.value, Some(scalar.step), scalar.walltime)
        })?;
        Ok(Some(true))
    }

    /// Waits until every record so far is encoded.
    fn drain(&self, py: Python<'_>) -> PyResult<()> {
        match self.already_open() {
            Some(files) => drained(py, &files, f64::INFINITY).map(drop),
            None => Ok(()),
        }
    }

    /// Writes everything; false on timeout, or when records were lost.
    fn flush(&self, py: Python<'_>, timeout: f64) -> PyResult<bool> {
        let Some(files) = self.already_open() else {
            return Ok(true);
        };
        let encoded = drained(py, &files, timeout)?;
        let Some(recorder) = files.get() else {
            return Ok(true);
        };
        py.detach(|| recorder.flush())?;
        Ok(self.report_losses(py, recorder)? && encoded)
    }

    /// Flushes and closes. The next record opens another file.
    fn close(&self, py: Python<'_>, timeout: f64) -> PyResult<bool> {
        let flushed = self.flush(py, timeout);
        let files = lock(&self.shared.open).take();
        *lock(&self.shared.lost_before) += lost(py, files.as_deref());
        *lock(&self.shared.reported) = 0;
        drop(files);
        flushed
    }

    /// Number of records lost since the writer was made.
    fn refused(&self, py: Python<'_>) -> u64 {
        let before = *lock(&self.shared.lost_before);
        before + lost(py, self.already_open().as_deref())
    }
}

/// Queues an encoding job of `bytes` bytes. While the queue is full the caller waits detached, so other
/// Python threads run.
pub(crate) fn enqueue(
    py: Python<'_>,
    encoder: &EncodeQueue,
    bytes: usize,
    mut job: impl FnOnce() + Send + 'static,
) {
    while let Err(again) = encoder.try_run(bytes, job) {
        py.detach(|| encoder.wait_for_room(bytes));
        job = again;
    }
}

/// Number of lost records that were meant for these files.
fn lost(py: Python<'_>, files: Option<&OpenFiles>) -> u64 {
    let recorder = files.and_then(OpenFiles::get);
    recorder.map_or(0, |recorder| py.detach(|| recorder.lost().records))
}

impl LocalWriter {
    pub fn add(
        &self,
        py: Python<'_>,
        record: impl Encode + Send + 'static,
        (step, walltime): (i64, Option<f64>),
    ) -> PyResult<()> {
        if let Some(files) = self.current_files(py)?
            && let Some(recorder) = files.get()
        {
            let bytes = record.held_bytes();
            let job = recorder.job(&self.run, record, Some(step), walltime);
            enqueue(py, recorder.queue(), bytes, job);
        }
        Ok(())
    }

    fn write<F>(&self, py: Python<'_>, act: F) -> PyResult<()>
    where
        F: FnOnce(&mut RunWriter) -> Result<(), WriteError> + Send,
    {
        // The usual case first: each check of the process id is a system call.
        let mut files = lock(&self.shared.open).clone();
        if files.as_ref().and_then(|files| files.get()).is_none() {
            files = self.current_files(py)?;
        }
        if let Some(recorder) = files.as_ref().and_then(|files| files.get())
            && let Err(act) = recorder.try_write(&self.run, act)
        {
            // Another thread is writing, perhaps to a slow disk: wait detached.
            py.detach(|| recorder.write(&self.run, act));
        }
        Ok(())
    }

    /// The files of this process, if open.
    fn already_open(&self) -> Option<Arc<OpenFiles>> {
        let open = lock(&self.shared.open).clone();
        open.filter(|files| files.get().is_some())
    }

    /// The files of this process, opened if needed; `None` when records are discarded.
    fn current_files(&self, py: Python<'_>) -> PyResult<Option<Arc<OpenFiles>>> {
        let Some(log_dir) = &self.shared.log_dir else {
            return Ok(None);
        };
        if let Some(files) = self.already_open() {
            return Ok(Some(files));
        }
        register_exit_handler(py)?;
        let created = py.detach(|| DirectoryWriter::create(log_dir, self.shared.pause));
        let recorder = created.map_err(|why| {
            let text = format!("cannot open log directory {}: {why}", log_dir.display());
            io::Error::new(why.kind(), text)
        })?;
        let files = OpenFiles::new(recorder);
        let mut open = lock(&self.shared.open);
        // Another thread may have opened them meanwhile.
        if let Some(other) = open.clone().filter(|files| files.get().is_some()) {
            return Ok(Some(other));
        }
        *open = Some(files.clone());
        Ok(Some(files))
    }

    /// Logs records lost since the last report; returns whether there were none.
    fn report_losses(&self, py: Python<'_>, recorder: &DirectoryWriter) -> PyResult<bool> {
        let lost = py.detach(|| recorder.lost());
        let before = std::mem::replace(&mut *lock(&self.shared.reported), lost.records);
        let more = lost.records.saturating_sub(before);
        if more > 0 {
            warn_of_lost_records(py, more, &lost.why)?;
        }
        Ok(more == 0)
    }
}

/// Waits until every record so far is encoded; false on timeout.
fn drained(py: Python<'_>, files: &OpenFiles, timeout: f64) -> PyResult<bool> {
    match files.get() {
        Some(recorder) => wait_in_slices(py, timeout, |slice| recorder.wait(slice)),
        None => Ok(true),
    }
}
