//! `Client`: a connection to a queue, on which the Python client classes are built.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use remotecall::{
    ClientId, ClientOptions, EncodedArgs, Environment, MAX_ARGS, MAX_FRAME, NotQueued, RemoteError, WhenFull,
};

use crate::connection::Connection;
use crate::errors;
use crate::future::RemoteFuture;
use crate::lock::lock;
use crate::package::{register_exit_handler, warn_of_lost_records};
use crate::scalar::Scalar;
use crate::values::Encoder;
use crate::waiting::{SLICE, seconds, wait_in_slices};

/// A connection to a queue under one client id. A forked child opens one of its own with its first call.
#[pyclass(frozen, module = "tensorplex._native")]
pub(crate) struct Client {
    /// Shared by the clients that [`Client::share`] makes.
    connection: Arc<Mutex<Arc<Connection>>>,
    deadline: Option<Duration>,
    /// Overrides the connection's own client id.
    client_id: Option<ClientId>,
    /// Number of lost records that were logged.
    reported: Arc<Mutex<u64>>,
}

#[pymethods]
impl Client {
    #[new]
    #[pyo3(signature = (address, queue, client_id, spool = None, when_full = Policy::Name("drop_newest".to_owned())))]
    fn new(
        py: Python<'_>,
        address: &str,
        queue: &str,
        client_id: &str,
        spool: Option<PathBuf>,
        when_full: Policy,
    ) -> PyResult<Self> {
        let options = ClientOptions {
            when_full: when_full.try_into()?,
            spool,
            environment: Environment::with_prefix("TENSORPLEX"),
            ..ClientOptions::default()
        };
        let made = py.detach(|| remotecall::Client::connect_with(address, queue, client_id, options));
        let client = made.map_err(errors::connect)?;
        register_exit_handler(py)?;
        Ok(Self {
            connection: Arc::new(Mutex::new(Connection::new(client))),
            deadline: None,
            client_id: None,
            reported: Arc::default(),
        })
    }

    /// The same connection, with a deadline: the server skips calls that are older than `deadline` seconds.
    fn with_deadline(&self, deadline: f64) -> PyResult<Self> {
        if deadline.is_nan() || deadline <= 0.0 {
            let why = format!("deadline is {deadline} s: must be positive");
            return Err(PyValueError::new_err(why));
        }
        Ok(Self {
            deadline: Some(seconds(deadline)),
            ..self.share()
        })
    }

    /// The same connection, under the client id `<this id>/<name>`, cut with a hash if it is too long.
    fn child(&self, py: Python<'_>, name: &str) -> PyResult<Self> {
        let id = format!(
            "{}/{name}",
            self.caller(&*self.current_connection(py)?).client_id()
        );
        let id = ClientId::from_name(&id).map_err(|why| PyValueError::new_err(why.to_string()))?;
        Ok(Self {
            client_id: Some(id),
            ..self.share()
        })
    }

    /// Waits until every record so far is encoded.
    fn drain(&self, py: Python<'_>) -> PyResult<()> {
        let connection = lock(&self.connection).clone();
        let encoder = &connection.records().encoder;
        wait_in_slices(py, f64::INFINITY, |slice| encoder.wait(slice)).map(drop)
    }

    /// Calls a method and returns the future of its result.
    fn call(
        &self,
        py: Python<'_>,
        method: &str,
        args: &Bound<'_, PyTuple>,
        kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<RemoteFuture> {
        let args = encode(py, args, kwargs)?;
        let connection = self.current_connection(py)?;
        let caller = self.caller(&connection);
        match enqueue(py, &caller, args.bytes.len(), || {
            caller.call_encoded(method, args)
        })? {
            Ok(future) => Ok(RemoteFuture::waiting(future, connection)),
            // A full window is reported by the future: a call never raises because of the network.
            Err(full @ NotQueued::WindowFull { .. }) => {
                Ok(RemoteFuture::failed(RemoteError::NotQueued(full)))
            }
            Err(error) => Err(errors::not_queued(py, error)),
        }
    }

    /// Calls a method without a result; false when the call was dropped because the send window is full.
    fn send(
        &self,
        py: Python<'_>,
        method: &str,
        args: &Bound<'_, PyTuple>,
        kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<bool> {
        let args = encode(py, args, kwargs)?;
        let connection = self.current_connection(py)?;
        let caller = self.caller(&connection);
        let sent = enqueue(py, &caller, args.bytes.len(), || {
            caller.send_encoded(method, args)
        })?;
        was_accepted(py, sent)
    }

    /// Fast path of `send` for a scalar. `None`: an argument needs the slow path, and nothing was sent.
    fn add_scalar(
        &self,
        tag: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
        step: &Bound<'_, PyAny>,
        walltime: &Bound<'_, PyAny>,
    ) -> PyResult<Option<bool>> {
        let py = tag.py();
        let Some(scalar) = Scalar::from_plain(tag, value, step, walltime) else {
            return Ok(None);
        };
        let args = (scalar.tag, scalar.value, scalar.step, scalar.walltime);
        let connection = self.current_connection(py)?;
        let caller = self.caller(&connection);
        let sent = enqueue(py, &caller, scalar.max_encoded_len(), || {
            caller.try_send("add_scalar", &args)
        })?;
        was_accepted(py, sent).map(Some)
    }

    /// Waits until every call so far is acknowledged; false on timeout, or when calls were dropped.
    fn flush(&self, py: Python<'_>, timeout: f64) -> PyResult<bool> {
        let connection = lock(&self.connection).clone();
        let flushed = flush(py, &connection, timeout)?;
        Ok(self.report_losses(py, &connection)? && flushed)
    }

    /// Flushes and closes the connection.
    fn close(&self, py: Python<'_>, timeout: f64) -> PyResult<bool> {
        let connection = lock(&self.connection).clone();
        let flushed = self.flush(py, timeout);
        // Also after an interrupted flush: `flush` has reported what is outstanding.
        let _ = py.detach(|| connection.client.close(Duration::ZERO));
        flushed
    }

    /// Counters since the client was made.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let connection = lock(&self.connection).clone();
        let stats = connection.client.stats();
        let dict = PyDict::new(py);
        dict.set_item("taken", stats.taken)?;
        dict.set_item("acked", stats.acked)?;
        dict.set_item("dropped", stats.dropped.total())?;
        dict.set_item("refused", stats.refused)?;
        dict.set_item("outage", connection.client.outage())?;
        for (cause, count) in stats.dropped.causes() {
            dict.set_item(format!("dropped_{}", cause.replace(' ', "_")), count)?;
        }
        dict.set_item("unspooled", stats.unspooled)?;
        dict.set_item("rewinds", stats.rewinds)?;
        Ok(dict)
    }

    /// Number of records that could not be encoded, plus those that the server refused.
    fn refused(&self) -> u64 {
        let connection = lock(&self.connection).clone();
        connection.lost().0 + connection.client.stats().refused
    }
}

/// An address without its secrets.
#[pyfunction]
pub(crate) fn shown_address(address: &str) -> String {
    remotecall::Address::shown(address)
}

/// Any text as a client id or the name of a run; different texts give different ones.
#[pyfunction]
pub(crate) fn safe_name(name: &str) -> String {
    ClientId::from_name(name).map_or_else(|_| remotecall::safe_part(name), |id| id.to_string())
}

/// Any text as one part of such a name.
#[pyfunction]
pub(crate) fn safe_part(part: &str) -> String {
    remotecall::safe_part(part)
}

impl Client {
    fn share(&self) -> Self {
        Self {
            connection: self.connection.clone(),
            deadline: self.deadline,
            client_id: self.client_id.clone(),
            reported: self.reported.clone(),
        }
    }

    /// The client to call with: the connection's, with the deadline and the id of this one.
    pub(crate) fn caller<'a>(&self, connection: &'a Connection) -> Cow<'a, remotecall::Client> {
        let mut client = Cow::Borrowed(&connection.client);
        if let Some(deadline) = self.deadline {
            client = Cow::Owned(client.with_deadline(deadline));
        }
        // Never an error: `id` is a valid client id.
        if let Some(id) = &self.client_id
            && let Ok(named) = client.with_client_id(id.as_str())
        {
            client = Cow::Owned(named);
        }
        client
    }

    /// Logs records lost since the last report; returns whether there were none.
    fn report_losses(&self, py: Python<'_>, connection: &Connection) -> PyResult<bool> {
        let (lost, why) = connection.lost();
        let before = std::mem::replace(&mut *lock(&self.reported), lost);
        let more = lost.saturating_sub(before);
        if more > 0 {
            warn_of_lost_records(py, more, &why)?;
        }
        Ok(more == 0)
    }

    /// The connection of this process. A forked child replaces its parent's.
    pub(crate) fn current_connection(&self, py: Python<'_>) -> PyResult<Arc<Connection>> {
        let current = lock(&self.connection).clone();
        if current.client.is_here() {
            return Ok(current);
        }
        register_exit_handler(py)?;
        let renewed = Connection::new(current.client.renewed().map_err(errors::connect)?);
        let mut connection = lock(&self.connection);
        if !connection.client.is_here() {
            *connection = renewed;
        }
        Ok(connection.clone())
    }
}

fn encode(
    py: Python<'_>,
    args: &Bound<'_, PyTuple>,
    kwargs: Option<&Bound<'_, PyDict>>,
) -> PyResult<EncodedArgs> {
    let kwargs = kwargs.filter(|kwargs| !kwargs.is_empty());
    let count = args.len() + kwargs.map_or(0, PyDictMethods::len);
    if count > MAX_ARGS {
        let why = format!("{count} arguments in one call: the limit is {MAX_ARGS}");
        return Err(PyValueError::new_err(why));
    }
    // Outside the window's lock: Python code may run here, and other callers must not wait for it.
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, MAX_FRAME);
    encoder
        .positional(args)
        .and_then(|()| kwargs.map_or(Ok(()), |kwargs| encoder.named(kwargs)))
        .map_err(|error| error.into_error(py, "an argument"))?;
    Ok(EncodedArgs {
        bytes,
        has_named: kwargs.is_some(),
    })
}

/// Argument `when_full`: the policy for a call when the send window is full.
#[derive(FromPyObject)]
enum Policy {
    /// Longest wait for room, in seconds.
    Seconds(f64),
    Name(String),
}

impl TryFrom<Policy> for WhenFull {
    type Error = PyErr;

    fn try_from(policy: Policy) -> PyResult<Self> {
        let found = match policy {
            Policy::Seconds(time) if time > 0.0 => return Ok(Self::Block(seconds(time))),
            Policy::Seconds(time) => format!("{time} s"),
            Policy::Name(name) => match name.as_str() {
                "drop_newest" => return Ok(Self::DropNewest),
                "drop_oldest" => return Ok(Self::DropOldest),
                "spill" => return Ok(Self::Spill),
                "block" => return Ok(Self::Block(seconds(f64::INFINITY))),
                _ => format!("{name:?}"),
            },
        };
        Err(PyValueError::new_err(format!(
            "when_full is {found}: expected 'drop_newest', 'drop_oldest', 'spill', 'block' or a positive number of seconds"
        )))
    }
}

/// Adds a call of `size` bytes to the send window. Detaches when the policy allows a wait for room.
fn enqueue<T: Send>(
    py: Python<'_>,
    client: &remotecall::Client,
    size: usize,
    push: impl FnOnce() -> Result<T, NotQueued> + Send,
) -> PyResult<Result<T, NotQueued>> {
    Ok(match wait_for_room(py, client, size)? {
        true => py.detach(push),
        false => push(),
    })
}

/// Result of a one-way call: whether it was accepted; false when it was dropped.
fn was_accepted(py: Python<'_>, sent: Result<(), NotQueued>) -> PyResult<bool> {
    match sent {
        Ok(()) => Ok(true),
        Err(NotQueued::WindowFull { .. }) => Ok(false),
        Err(error) => Err(errors::not_queued(py, error)),
    }
}

/// Waits for room in the send window, if the policy is to block; returns whether it is.
///
/// Detached and in slices, so that Ctrl-C is handled.
fn wait_for_room(py: Python<'_>, client: &remotecall::Client, size: usize) -> PyResult<bool> {
    let WhenFull::Block(longest) = client.when_full() else {
        return Ok(false);
    };
    let deadline = Instant::now() + longest;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if py.detach(|| client.has_room_within(size, left.min(SLICE))) || left <= SLICE {
            return Ok(true);
        }
        py.check_signals()?;
    }
}

/// Flushes detached and in slices, so that Ctrl-C is handled.
fn flush(py: Python<'_>, connection: &Connection, timeout: f64) -> PyResult<bool> {
    let client = &connection.client;
    let encoder = &connection.records().encoder;
    let deadline = Instant::now() + seconds(timeout);
    if !wait_in_slices(py, timeout, |slice| encoder.wait(slice))? {
        return Ok(false);
    }
    let mut dropped = 0;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let flushed = py.detach(|| client.flush(left.min(SLICE)));
        py.check_signals()?;
        // A dropped call is reported to one slice only, so they are summed.
        let outstanding = flushed.err().map_or(0, |error| {
            dropped += error.dropped + error.refused;
            error.outstanding
        });
        if outstanding == 0 {
            return Ok(dropped == 0);
        }
        if left <= SLICE || client.is_closed() {
            return Ok(false);
        }
    }
}
