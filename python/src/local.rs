//! Records into a directory of this machine, without a server.
//!
//! A writer and those of the runs below it share one `DirectoryWriter`, until it is closed; the next record opens another. A
//! child process, after a fork, opens one of its own, and never touches its parent's.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use remotecall::ClientId;
use tensorplex::Scalars;
use tensorplex::encode_queue::EncodeQueue;
use tensorplex::local::{DirectoryWriter, RunWriter, WriteError};
use tensorplex::records::Encode;
use tensorplex::tfevents::Bucket;

use crate::client::{wait_in_slices, watch_exit};
use crate::exit::{Files, seconds};
use crate::lock::lock;
use crate::scalar::Scalar;

/// One run of a directory: what a `Client` is for a server.
#[pyclass(frozen, module = "tensorplex._native")]
pub(crate) struct LocalWriter {
    shared: Arc<Shared>,
    /// Its directory below the first one's, which is "".
    run: String,
}

struct Shared {
    /// `None` when nothing is to be written.
    log_dir: Option<PathBuf>,
    pause: Duration,
    open: Mutex<Option<Arc<Files>>>,
    /// Records that were lost while earlier files were open.
    lost_before: Mutex<u64>,
    /// How many of those that were lost since were told of.
    told: Mutex<u64>,
}

#[pymethods]
impl LocalWriter {
    /// Makes the directory. A record waits for `pause` seconds, at most about twice as long. Without a directory records are
    /// checked and nothing is written.
    #[new]
    fn new(py: Python<'_>, log_dir: Option<PathBuf>, pause: f64) -> PyResult<Self> {
        let writer = Self {
            shared: Arc::new(Shared {
                log_dir,
                pause: seconds(pause),
                open: Mutex::new(None),
                lost_before: Mutex::new(0),
                told: Mutex::new(0),
            }),
            run: String::new(),
        };
        writer.here(py)?;
        Ok(writer)
    }

    /// The writer of a run below this one.
    fn below(&self, name: &str) -> PyResult<Self> {
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

    /// The quick records, under the names that a server has for them.
    fn send(
        &self,
        py: Python<'_>,
        method: &str,
        args: &Bound<'_, PyTuple>,
        _kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<bool> {
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
            other => return Err(PyValueError::new_err(format!("no such record: {other}"))),
        }
        Ok(true)
    }

    /// A number as `send` records it. `None` when it is not the usual kind, and nothing is done.
    fn add_scalar(
        &self,
        tag: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
        step: &Bound<'_, PyAny>,
        walltime: &Bound<'_, PyAny>,
    ) -> PyResult<Option<bool>> {
        let Some(scalar) = Scalar::of(tag, value, step, walltime) else {
            return Ok(None);
        };
        self.write(tag.py(), |writer| {
            writer.add_scalar(scalar.tag, scalar.value, Some(scalar.step), scalar.walltime)
        })?;
        Ok(Some(true))
    }

    /// Waits until what was handed over is encoded.
    fn drain(&self, py: Python<'_>) -> PyResult<()> {
        match self.already_open() {
            Some(files) => drained(py, &files, f64::INFINITY).map(drop),
            None => Ok(()),
        }
    }

    /// Writes everything; false when that took too long, or when records were lost.
    fn flush(&self, py: Python<'_>, timeout: f64) -> PyResult<bool> {
        let Some(files) = self.already_open() else {
            return Ok(true);
        };
        let encoded = drained(py, &files, timeout)?;
        let Some(recorder) = files.get() else {
            return Ok(true);
        };
        py.detach(|| recorder.flush())?;
        Ok(self.tell_of_losses(py, recorder)? && encoded)
    }

    /// Flushes and ends. The next record opens another file.
    fn close(&self, py: Python<'_>, timeout: f64) -> PyResult<bool> {
        let flushed = self.flush(py, timeout);
        let files = lock(&self.shared.open).take();
        *lock(&self.shared.lost_before) += lost(py, files.as_deref());
        *lock(&self.shared.told) = 0;
        drop(files);
        flushed
    }

    /// Records that were lost since the writer was made.
    fn refused(&self, py: Python<'_>) -> u64 {
        let before = *lock(&self.shared.lost_before);
        before + lost(py, self.already_open().as_deref())
    }
}

/// Has a job done in a thread. Other threads of Python go on while there is no room for it, but not before it is there: it may
/// begin to read an array at once, which they may change.
pub(crate) fn hand_over(
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

/// How many records were lost of those that were to be in these files.
fn lost(py: Python<'_>, files: Option<&Files>) -> u64 {
    let recorder = files.and_then(Files::get);
    recorder.map_or(0, |recorder| py.detach(|| recorder.lost().records))
}

impl LocalWriter {
    pub fn add(
        &self,
        py: Python<'_>,
        record: impl Encode + Send + 'static,
        (step, walltime): (i64, Option<f64>),
    ) -> PyResult<()> {
        if let Some(files) = self.here(py)?
            && let Some(recorder) = files.get()
        {
            let bytes = record.held_bytes();
            let job = recorder.job(&self.run, record, Some(step), walltime);
            hand_over(py, recorder.queue(), bytes, job);
        }
        Ok(())
    }

    fn write<F>(&self, py: Python<'_>, act: F) -> PyResult<()>
    where
        F: FnOnce(&mut RunWriter) -> Result<(), WriteError> + Send,
    {
        // Whose files they are is asked once: it is a system call.
        let mut files = lock(&self.shared.open).clone();
        if files.as_ref().and_then(|files| files.get()).is_none() {
            files = self.here(py)?;
        }
        if let Some(recorder) = files.as_ref().and_then(|files| files.get())
            && let Err(act) = recorder.try_write(&self.run, act)
        {
            // Somebody else writes, perhaps to a slow disk: other threads go on.
            py.detach(|| recorder.write(&self.run, act));
        }
        Ok(())
    }

    /// The files of this process, if they are open.
    fn already_open(&self) -> Option<Arc<Files>> {
        let open = lock(&self.shared.open).clone();
        open.filter(|files| files.get().is_some())
    }

    /// The files of this process; `None` when nothing is to be written.
    fn here(&self, py: Python<'_>) -> PyResult<Option<Arc<Files>>> {
        let Some(log_dir) = &self.shared.log_dir else {
            return Ok(None);
        };
        if let Some(files) = self.already_open() {
            return Ok(Some(files));
        }
        watch_exit(py)?;
        let created = py.detach(|| DirectoryWriter::create(log_dir, self.shared.pause));
        let recorder = created.map_err(|why| {
            let text = format!("{} cannot be opened: {why}", log_dir.display());
            io::Error::new(why.kind(), text)
        })?;
        let files = Files::new(recorder);
        let mut open = lock(&self.shared.open);
        // Another thread may have been faster.
        if let Some(other) = open.clone().filter(|files| files.get().is_some()) {
            return Ok(Some(other));
        }
        *open = Some(files.clone());
        Ok(Some(files))
    }

    /// Warns of records that were lost since the last time; whether there were none.
    fn tell_of_losses(&self, py: Python<'_>, recorder: &DirectoryWriter) -> PyResult<bool> {
        let lost = py.detach(|| recorder.lost());
        let before = std::mem::replace(&mut *lock(&self.shared.told), lost.records);
        let more = lost.records.saturating_sub(before);
        if more > 0 {
            warn_of_losses(py, more, &lost.why)?;
        }
        Ok(more == 0)
    }
}

/// Waits until everything so far is encoded.
fn drained(py: Python<'_>, files: &Files, timeout: f64) -> PyResult<bool> {
    match files.get() {
        Some(recorder) => wait_in_slices(py, timeout, |slice| recorder.wait(slice)),
        None => Ok(true),
    }
}

/// Tells the logger `tensorplex` of records that nobody will see.
pub(crate) fn warn_of_losses(py: Python<'_>, count: u64, why: &str) -> PyResult<()> {
    py.import("logging")?
        .call_method1("getLogger", ("tensorplex",))?
        .call_method1("warning", ("%d records were lost; the last: %s", count, why))
        .map(drop)
}
