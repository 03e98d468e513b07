//! `RemoteFuture`: the pending result of a call.

use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

use pyo3::exceptions::{PyTimeoutError, PyValueError};
use pyo3::prelude::*;
use remotecall::{Encoded, RemoteError};

use crate::connection::Connection;
use crate::errors;
use crate::lock::lock;
use crate::values::{DecodeError, decode_value};
use crate::waiting::seconds;

/// Longest wait between two checks for signals. A caller with less time does no inline I/O.
const SLICE: Duration = Duration::from_millis(400);

/// The pending result of a call. Dropping it does no I/O, and the call still runs.
#[pyclass(frozen, module = "tensorplex")]
pub(crate) struct RemoteFuture {
    state: Mutex<State>,
}

enum State {
    Waiting(Arc<Pending>),
    /// The encoded result. Decoded without the lock, because Python code may run.
    Encoded(Arc<Vec<u8>>),
    Done(Py<PyAny>),
    Failed(RemoteError),
    Discarded,
}

struct Pending {
    future: remotecall::RemoteFuture<Encoded>,
    callbacks: Arc<Callbacks>,
    /// Keeps the connection open. Dropped after the future, because its drop may close the connection.
    _connection: Arc<Connection>,
}

/// Functions to call when the call ends.
#[derive(Default)]
struct Callbacks(Mutex<Vec<Py<PyAny>>>);

impl RemoteFuture {
    pub fn waiting(future: remotecall::RemoteFuture<Encoded>, connection: Arc<Connection>) -> Self {
        let pending = Pending {
            future,
            callbacks: Arc::default(),
            _connection: connection,
        };
        Self {
            state: Mutex::new(State::Waiting(Arc::new(pending))),
        }
    }

    pub fn failed(error: RemoteError) -> Self {
        Self {
            state: Mutex::new(State::Failed(error)),
        }
    }
}

#[pymethods]
impl RemoteFuture {
    /// Waits for the result and returns it; `None` after `timeout` seconds. A timeout of 0 waits for ever.
    #[pyo3(signature = (timeout = Some(0.0)))]
    fn get(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Option<Py<PyAny>>> {
        if self.is_discarded() {
            return Ok(None);
        }
        let timeout = timeout.filter(|&timeout| timeout != 0.0);
        match self.wait(py, timeout)? {
            true => self
                .value(py)?
                .map_err(|error| errors::remote(py, &error))
                .map(Some),
            false => Ok(None),
        }
    }

    /// Waits for the result and returns it; raises `TimeoutError` after `timeout` seconds.
    #[pyo3(signature = (timeout = None))]
    fn result(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Py<PyAny>> {
        self.outcome(py, timeout)?
            .map_err(|error| errors::remote(py, &error))
    }

    /// Waits for the end of the call and returns its exception, or `None`.
    #[pyo3(signature = (timeout = None))]
    fn exception(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Option<Py<PyAny>>> {
        let error = self.outcome(py, timeout)?.err();
        Ok(error.map(|error| errors::remote(py, &error).into_value(py).into_any()))
    }

    /// Returns whether the call has ended.
    fn done(&self, py: Python<'_>) -> PyResult<bool> {
        self.wait(py, Some(0.0))
    }

    /// Gives up the result. The call still runs.
    fn discard(&self) {
        let before = std::mem::replace(&mut *lock(&self.state), State::Discarded);
        // Dropped without the lock: Python code may run.
        drop(before);
    }

    /// Calls `callback` when the call ends: from another thread, or from this one if it has ended.
    fn _when_done(&self, py: Python<'_>, callback: Py<PyAny>) -> PyResult<()> {
        let Some(pending) = self.pending() else {
            return callback.call0(py).map(drop);
        };
        let callbacks = &pending.callbacks;
        lock(&callbacks.0).push(callback);
        let waits = pending.future.wake_when_done(Waker::from(callbacks.clone()));
        if !waits.map_err(|error| errors::remote(py, &error))? {
            callbacks.call(py);
        }
        Ok(())
    }

    fn __await__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("tensorplex._await")?.call_method1("wait", (slf,))
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        let _ = self.done(py);
        let state = match &*lock(&self.state) {
            State::Waiting(_) => "waiting",
            State::Encoded(_) | State::Done(_) => "done",
            State::Failed(_) => "failed",
            State::Discarded => "discarded",
        };
        format!("<RemoteFuture {state}>")
    }
}

impl RemoteFuture {
    fn pending(&self) -> Option<Arc<Pending>> {
        match &*lock(&self.state) {
            State::Waiting(pending) => Some(pending.clone()),
            _ => None,
        }
    }

    fn is_discarded(&self) -> bool {
        matches!(&*lock(&self.state), State::Discarded)
    }

    /// Waits until the call has ended; false after `timeout` seconds.
    fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        let Some(pending) = self.pending() else {
            return Ok(true);
        };
        let deadline = match timeout {
            Some(time) if time.is_nan() || time < 0.0 => {
                return Err(PyValueError::new_err(format!(
                    "timeout is {time} s: must not be negative"
                )));
            }
            Some(time) => Some(Instant::now() + seconds(time)),
            None => None,
        };
        let is_done = |time| pending.future.is_done_within(time);
        let mut done = is_done(Duration::ZERO);
        loop {
            match done {
                Ok(true) | Err(_) => return Ok(true),
                Ok(false) => {}
            }
            let left = deadline.map_or(SLICE, |at| at.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Ok(false);
            }
            done = py.detach(|| is_done(left.min(SLICE)));
            py.check_signals()?;
        }
    }

    fn outcome(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Result<Py<PyAny>, RemoteError>> {
        match self.wait(py, timeout)? {
            true => self.value(py),
            false => Err(PyTimeoutError::new_err("timeout: the result has not arrived yet")),
        }
    }

    /// The outcome of a call that has ended.
    fn value(&self, py: Python<'_>) -> PyResult<Result<Py<PyAny>, RemoteError>> {
        let (encoded, ended) = self.take(py);
        // Dropped without the lock: it may be the last owner of its connection.
        drop(ended);
        let encoded = match encoded {
            Ok(Ok(encoded)) => encoded,
            Ok(Err(error)) => return Ok(Err(error)),
            Err(value) => return Ok(Ok(value)),
        };
        let next = match decode_value(py, &encoded) {
            Ok(value) => State::Done(value.unbind()),
            Err(DecodeError::Bytes(why)) => State::Failed(RemoteError::BadResult(why.to_owned())),
            Err(DecodeError::Python(error)) => State::Failed(RemoteError::BadResult(error.to_string())),
        };
        let mut state = lock(&self.state);
        if let State::Encoded(_) = &*state {
            *state = next;
        }
        match &*state {
            State::Done(value) => Ok(Ok(value.clone_ref(py))),
            State::Failed(error) => Ok(Err(error.clone())),
            _ => Ok(Err(RemoteError::Taken)),
        }
    }

    /// The encoded result, or its value if it is decoded already; and the replaced state, for the caller
    /// to drop.
    #[expect(clippy::type_complexity, reason = "a private tuple with one caller")]
    fn take(
        &self,
        py: Python<'_>,
    ) -> (
        Result<Result<Arc<Vec<u8>>, RemoteError>, Py<PyAny>>,
        Option<State>,
    ) {
        let mut state = lock(&self.state);
        let mut ended = None;
        if let State::Waiting(pending) = &*state {
            let next = match pending.future.take() {
                Ok(Some(bytes)) => State::Encoded(Arc::new(bytes)),
                Ok(None) => State::Failed(RemoteError::Taken),
                Err(error) => State::Failed(error),
            };
            ended = Some(std::mem::replace(&mut *state, next));
        }
        let result = match &*state {
            State::Encoded(bytes) => Ok(Ok(bytes.clone())),
            State::Failed(error) => Ok(Err(error.clone())),
            State::Done(value) => Err(value.clone_ref(py)),
            State::Waiting(_) | State::Discarded => Ok(Err(RemoteError::Taken)),
        };
        (result, ended)
    }
}

impl Callbacks {
    fn call(&self, py: Python<'_>) {
        let callbacks = std::mem::take(&mut *lock(&self.0));
        for callback in callbacks {
            if let Err(error) = callback.call0(py) {
                error.write_unraisable(py, Some(callback.bind(py)));
            }
        }
    }
}

impl Wake for Callbacks {
    /// Runs in the thread that receives replies. Does nothing while the interpreter is ending.
    fn wake(self: Arc<Self>) {
        Python::try_attach(|py| self.call(py));
    }
}
