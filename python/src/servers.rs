//! Servers behind the Python classes `Tensorplex` and `Loggerplex`: the same as the program's.

use std::cell::RefCell;
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use tensorplex::layout::PRIVATE;
use tensorplex::logdir;
use tensorplex::routing::{GroupError, TryBinName};
use tensorplex::{Group, Tensorplex};

use crate::errors;
use crate::package::register_exit_handler;
use crate::server::{ServerHandle, attached};

/// Limit on the cached bins of a combined group. The cache saves a call into Python per record.
const MAX_BINS: usize = 1 << 16;

/// Kind of a group.
#[derive(FromPyObject)]
pub(crate) enum GroupKind {
    /// Bin size: numbered clients.
    Indexed(NonZeroU32),
    /// Function from a client name to a bin, or None: clients that share a run.
    Other(Option<Py<PyAny>>),
}

/// Validates a group; raises `ValueError`.
#[pyfunction]
pub(crate) fn check_group(name: &str, kind: GroupKind) -> PyResult<()> {
    group(name, kind).map(drop).map_err(invalid_argument)
}

/// Starts a server that writes event files below a log directory.
#[pyfunction]
pub(crate) fn serve_records(
    py: Python<'_>,
    address: &str,
    logdir: PathBuf,
    groups: Vec<(String, GroupKind)>,
) -> PyResult<ServerHandle> {
    let groups: Result<Vec<Group>, GroupError> = groups
        .into_iter()
        .map(|(name, kind)| group(&name, kind))
        .collect();
    let groups = groups.map_err(invalid_argument)?;
    register_exit_handler(py)?;
    py.detach(|| {
        let private = logdir.join(PRIVATE).join(tensorplex::QUEUE);
        let mut records = Tensorplex::open(&logdir, &private)?;
        for group in groups {
            records = records.group(group).map_err(invalid_argument)?;
        }
        started(records.serve(address))
    })
}

/// Starts a server that writes text log files into a folder.
#[pyfunction]
pub(crate) fn serve_lines(
    py: Python<'_>,
    address: &str,
    folder: PathBuf,
    overwrite: bool,
    lines: &LogLines,
) -> PyResult<ServerHandle> {
    register_exit_handler(py)?;
    py.detach(|| {
        let private = folder.join(PRIVATE).join(loggerplex::QUEUE);
        let logs = loggerplex::Loggerplex::open(&folder, &private)?
            .overwrite(overwrite)
            .level(lines.threshold)
            .lines(lines.format.clone());
        started(logs.serve(address))
    })
}

/// The names of the runs below a log directory.
#[pyfunction]
pub(crate) fn runs(py: Python<'_>, logdir: PathBuf) -> PyResult<Vec<String>> {
    let found = py.detach(|| logdir::find_runs(&logdir));
    let found = found.map_err(|error| PyOSError::new_err(error.to_string()))?;
    Ok(found.runs.into_iter().map(|run| run.name).collect())
}

/// The scalars below a log directory: `{run: {tag: [[wall time, step, value], …]}}`, as JSON.
#[pyfunction]
pub(crate) fn export_json(py: Python<'_>, logdir: PathBuf) -> PyResult<Bound<'_, PyBytes>> {
    let mut document = Vec::new();
    let exported = py.detach(|| logdir::export_json(&logdir, &mut document));
    exported.map_err(|error| PyOSError::new_err(error.to_string()))?;
    Ok(PyBytes::new(py, &document))
}

/// Format and level threshold of log lines.
#[pyclass(frozen, module = "tensorplex._native")]
pub(crate) struct LogLines {
    threshold: loggerplex::Level,
    format: loggerplex::format::LineFormat,
}

#[pymethods]
impl LogLines {
    #[new]
    fn new(level: &str, format: Option<&str>, time_format: Option<&str>, show_level: bool) -> PyResult<Self> {
        let time = time_format
            .map(str::parse)
            .transpose()
            .map_err(invalid_argument)?;
        let mut lines = loggerplex::format::TextFormat::default()
            .time(time)
            .show_level(show_level);
        if let Some(preamble) = format {
            lines = lines.preamble(preamble.parse().map_err(invalid_argument)?);
        }
        Ok(Self {
            threshold: level.parse().map_err(invalid_argument)?,
            format: lines.into(),
        })
    }

    /// A message formatted with the current time, with its end of line; `None` below the threshold.
    fn line(&self, client_id: &str, level: u8, message: &str) -> Option<String> {
        let level = loggerplex::Level(level);
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let time_ns = i64::try_from(since.as_nanos()).unwrap_or(i64::MAX);
        (level >= self.threshold).then(|| self.format.line(client_id, time_ns, level, message))
    }
}

fn started(outcome: Result<remotecall::ServerHandle, remotecall::RunError>) -> PyResult<ServerHandle> {
    outcome
        .map(ServerHandle::new)
        .map_err(|error| Python::attach(|py| errors::run(py, error)))
}

fn group(name: &str, kind: GroupKind) -> Result<Group, GroupError> {
    match kind {
        GroupKind::Indexed(bin_size) => Group::indexed(name, bin_size),
        GroupKind::Other(None) => Group::normal(name),
        GroupKind::Other(Some(function)) => Group::try_combined(name, bin_name(function)),
    }
}

fn bin_name(function: Py<PyAny>) -> TryBinName {
    let cache: RefCell<HashMap<String, Result<String, String>>> = RefCell::default();
    Box::new(move |name| {
        if let Some(bin) = cache.borrow().get(name) {
            return bin.clone();
        }
        let bin = attached(|py| call_bin_function(function.bind(py), name));
        let mut cache = cache.borrow_mut();
        if cache.len() < MAX_BINS {
            cache.insert(name.to_owned(), bin.clone());
        }
        bin
    })
}

fn call_bin_function(function: &Bound<'_, PyAny>, name: &str) -> Result<String, String> {
    let py = function.py();
    let bin = function.call1((name,)).map_err(|error| {
        // Its `str` may raise as well; the type is always known.
        let kind = error.get_type(py).name().map(|name| name.to_string());
        let message = error.value(py).str().map(|text| text.to_string());
        format!(
            "its function raised {}: {}",
            kind.unwrap_or_default(),
            message.unwrap_or_default()
        )
    })?;
    bin.extract().map_err(|_| {
        let kind = bin.get_type().name().map(|name| name.to_string());
        format!(
            "its function returned a {}: expected a str",
            kind.unwrap_or_default()
        )
    })
}

fn invalid_argument(error: impl std::fmt::Display) -> PyErr {
    PyValueError::new_err(error.to_string())
}
