//! `Server`: a Python object whose methods remote clients call.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};
use remotecall::{Args, CallContext, CallError, ClientId, MAX_RESULT, Remote, RemoteCall};

use crate::errors;
use crate::lock::lock;
use crate::package::register_exit_handler;
use crate::process_bound::ProcessBound;
use crate::values::{Encoder, decode_value};
use crate::waiting::seconds;

/// Interval between two looks at whether a server has ended.
const POLL: Duration = Duration::from_millis(10);

/// A server that has not started, or that runs in the thread that called `run`.
#[pyclass(frozen, module = "tensorplex._native")]
pub(crate) struct Server {
    remote: Mutex<Option<RemoteCall<Object>>>,
    address: String,
    stop: Arc<AtomicBool>,
    interrupt: Interrupt,
}

/// Exception raised by a signal handler while the server ran in the main thread.
type Interrupt = Arc<Mutex<Option<PyErr>>>;

#[pymethods]
impl Server {
    /// `methods` is the allow-list: names and bound methods.
    #[new]
    fn new(
        methods: Vec<(String, Py<PyAny>)>,
        set_client_id: Option<Py<PyAny>>,
        address: String,
        queue: &str,
        has_return_value: bool,
        journal: Option<PathBuf>,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let interrupt = Interrupt::default();
        let has_client_id = set_client_id.is_some();
        let object = Object::new(methods, set_client_id, stop.clone(), interrupt.clone());
        let mut remote = RemoteCall::new(object)
            .queue(queue)
            .environment("TENSORPLEX")
            .has_client_id(has_client_id)
            .has_return_value(has_return_value);
        if let Some(dir) = journal {
            remote = remote.journal(&dir);
        }
        Self {
            remote: Mutex::new(Some(remote)),
            address,
            stop,
            interrupt,
        }
    }

    /// Serves in this thread until [`request_stop`](Self::request_stop).
    fn run(&self, py: Python<'_>) -> PyResult<()> {
        let remote = self.take()?;
        let (address, stop) = (&self.address, self.stop.clone());
        let ended = py.detach(|| remote.run_until(address, stop));
        if let Some(raised) = lock(&self.interrupt).take() {
            return Err(raised);
        }
        ended.map_err(|error| errors::run(py, error))
    }

    /// Tells [`run`](Self::run) to drain the queue and return.
    fn request_stop(&self) {
        self.stop.store(true, Relaxed);
    }

    /// Serves in a thread.
    fn start(&self, py: Python<'_>) -> PyResult<ServerHandle> {
        let remote = self.take()?;
        register_exit_handler(py)?;
        let address = &self.address;
        let handle = py
            .detach(|| remote.start(address))
            .map_err(|error| errors::run(py, error))?;
        Ok(ServerHandle::new(handle))
    }
}

impl Server {
    fn take(&self) -> PyResult<RemoteCall<Object>> {
        lock(&self.remote)
            .take()
            .ok_or_else(|| PyRuntimeError::new_err("the server was already started"))
    }
}

/// A server that runs in a thread.
#[pyclass(frozen, weakref, module = "tensorplex._native")]
pub(crate) struct ServerHandle {
    handle: Mutex<ProcessBound<remotecall::ServerHandle>>,
}

#[pymethods]
impl ServerHandle {
    /// Whether the server runs; false in a forked child.
    #[getter]
    fn is_running(&self) -> bool {
        lock(&self.handle).get().is_some_and(|handle| !handle.has_ended())
    }

    /// Counters since the server started; all 0 in a forked child.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let stats = lock(&self.handle).get().map(remotecall::ServerHandle::stats);
        let stats = stats.unwrap_or_default();
        let dict = PyDict::new(py);
        dict.set_item("clients", stats.clients)?;
        dict.set_item("calls", stats.calls)?;
        dict.set_item("bytes", stats.bytes)?;
        dict.set_item("backlog", stats.backlog)?;
        dict.set_item("duplicates", stats.duplicates)?;
        dict.set_item("dropped", stats.dropped)?;
        dict.set_item("gaps", stats.gaps)?;
        dict.set_item("refused", stats.refused)?;
        Ok(dict)
    }

    /// Drains the queue and stops the server; false when `timeout` seconds pass first.
    #[pyo3(signature = (timeout = f64::INFINITY))]
    fn stop(&self, py: Python<'_>, timeout: f64) -> PyResult<bool> {
        if let Some(handle) = lock(&self.handle).get() {
            handle.request_stop();
        }
        let ended = self.wait(py, timeout)?;
        let handle = if ended { lock(&self.handle).take() } else { None };
        match handle.map(remotecall::ServerHandle::stop) {
            Some(Err(error)) => Err(errors::run(py, error)),
            _ => Ok(ended),
        }
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_raised))]
    fn __exit__(&self, py: Python<'_>, _raised: &Bound<'_, PyTuple>) -> PyResult<()> {
        self.stop(py, f64::INFINITY).map(drop)
    }
}

impl ServerHandle {
    pub(crate) fn new(handle: remotecall::ServerHandle) -> Self {
        Self {
            handle: Mutex::new(ProcessBound::new(handle)),
        }
    }

    fn has_ended(&self) -> bool {
        lock(&self.handle)
            .get()
            .is_none_or(remotecall::ServerHandle::has_ended)
    }

    fn wait(&self, py: Python<'_>, timeout: f64) -> PyResult<bool> {
        let deadline = Instant::now() + seconds(timeout);
        while !self.has_ended() {
            if Instant::now() >= deadline {
                return Ok(false);
            }
            py.detach(|| std::thread::sleep(POLL));
            py.check_signals()?;
        }
        Ok(true)
    }
}

/// The served object. Its methods are fixed here: a call can only choose among them.
struct Object {
    numbers: HashMap<String, usize>,
    methods: Vec<Py<PyAny>>,
    set_client_id: Option<Py<PyAny>>,
    /// Error of `_set_client_id`: the answer to the call it preceded, which does not run.
    refused: Option<CallError>,
    stop: Arc<AtomicBool>,
    interrupt: Interrupt,
}

impl Object {
    fn new(
        methods: Vec<(String, Py<PyAny>)>,
        set_client_id: Option<Py<PyAny>>,
        stop: Arc<AtomicBool>,
        interrupt: Interrupt,
    ) -> Self {
        let numbers = methods
            .iter()
            .enumerate()
            .map(|(number, (name, _))| (name.clone(), number));
        Self {
            numbers: numbers.collect(),
            methods: methods.into_iter().map(|(_, method)| method).collect(),
            set_client_id,
            refused: None,
            stop,
            interrupt,
        }
    }
}

impl Remote for Object {
    fn method(&self, name: &str) -> Option<usize> {
        self.numbers.get(name).copied()
    }

    fn call(
        &mut self,
        _cx: &CallContext<'_>,
        method: usize,
        args: &Args<'_>,
        result: &mut Vec<u8>,
    ) -> Result<(), CallError> {
        if let Some(refused) = self.refused.take() {
            return Err(refused);
        }
        let Some(method) = self.methods.get(method) else {
            return Err(CallError::UnknownMethod(format!("#{method}")));
        };
        attached(|py| {
            let (args, kwargs) = decode_args(py, args)?;
            let value = method
                .bind(py)
                .call(args, Some(&kwargs))
                .map_err(|error| raised(py, &error))?;
            encode_result(&value, result)
        })
    }

    fn set_client_id(&mut self, id: &ClientId) {
        let Some(set_client_id) = &self.set_client_id else {
            return;
        };
        self.refused = attached(|py| {
            let outcome = client_id(py, id.as_str()).and_then(|id| set_client_id.call1(py, (id,)));
            outcome.err().map(|error| raised(py, &error))
        });
    }

    /// Runs pending Python signal handlers. Python itself does so only while it executes code.
    fn tick(&mut self) {
        attached(|py| {
            if let Err(error) = py.check_signals() {
                self.stop.store(true, Relaxed);
                *lock(&self.interrupt) = Some(error);
            }
        });
    }
}

/// Runs `work` attached to the interpreter.
///
/// After the interpreter has ended the thread parks for ever: no call can run, and none may be
/// acknowledged.
pub(crate) fn attached<R>(work: impl FnOnce(Python<'_>) -> R) -> R {
    Python::try_attach(work).unwrap_or_else(|| {
        loop {
            std::thread::park();
        }
    })
}

fn decode_args<'py>(
    py: Python<'py>,
    args: &Args<'_>,
) -> Result<(Bound<'py, PyTuple>, Bound<'py, PyDict>), CallError> {
    let decode = |name: &str, bytes: &[u8]| {
        decode_value(py, bytes)
            .map_err(|error| CallError::bad_argument(name, error.into_error().value(py).to_string()))
    };
    let mut positional = Vec::with_capacity(args.positional());
    for (index, bytes) in args.positional_values().enumerate() {
        positional.push(decode(&format!("#{}", index + 1), &bytes)?);
    }
    let named = PyDict::new(py);
    for (name, bytes) in args.named_values() {
        if named.contains(name).unwrap_or(true) {
            return Err(CallError::bad_argument(name, "given twice".to_owned()));
        }
        named
            .set_item(name, decode(name, bytes)?)
            .map_err(|error| raised(py, &error))?;
    }
    let positional = PyTuple::new(py, positional).map_err(|error| raised(py, &error))?;
    Ok((positional, named))
}

fn encode_result(value: &Bound<'_, PyAny>, result: &mut Vec<u8>) -> Result<(), CallError> {
    let before = result.len();
    let refused = match Encoder::new(result, before + MAX_RESULT).value(value) {
        Ok(()) => return Ok(()),
        Err(refused) => refused,
    };
    result.truncate(before);
    Err(match refused.too_large() {
        Some((size, limit)) => CallError::TooLarge { size, limit },
        None => raised(value.py(), &refused.into_error(value.py(), "the result")),
    })
}

/// Exception of a method, as it is sent to the caller. The server goes on.
fn raised(py: Python<'_>, error: &PyErr) -> CallError {
    let described = py
        .import("tensorplex._errors")
        .and_then(|module| module.call_method1("describe", (error.value(py), error.traceback(py))))
        .and_then(|parts| parts.extract::<(String, String, String)>());
    match described {
        Ok((kind, message, traceback)) => CallError::Raised {
            kind,
            message,
            traceback: Some(traceback),
        },
        Err(failed) => CallError::raised(&failed),
    }
}

/// Client id for `_set_client_id`. A plain decimal number becomes an int again: on the wire ids are text.
fn client_id<'py>(py: Python<'py>, id: &str) -> PyResult<Bound<'py, PyAny>> {
    match id.parse::<i64>() {
        Ok(number) if number.to_string() == id => Ok(number.into_pyobject(py)?.into_any()),
        _ => Ok(PyString::new(py, id).into_any()),
    }
}
