//! The caller's end, below the classes that `make_client_class` makes.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use remotecall::{
    ClientId, ClientOptions, EncodedArgs, Environment, MAX_ARGS, MAX_FRAME, NotQueued, RemoteError, WhenFull,
};

use crate::errors;
use crate::exit::{Connection, seconds};
use crate::future::RemoteFuture;
use crate::local::warn_of_losses;
use crate::lock::lock;
use crate::scalar::Scalar;
use crate::values::Encoder;

/// A connection to a queue under one client id. After a fork the child gets one of its own with its first call.
#[pyclass(frozen, module = "tensorplex._native")]
pub(crate) struct Client {
    /// Shared with the same client with other deadlines.
    connection: Arc<Mutex<Arc<Connection>>>,
    deadline: Option<Duration>,
    /// Instead of the connection's own.
    client_id: Option<ClientId>,
    /// Records whose loss was told.
    told: Arc<Mutex<u64>>,
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
        watch_exit(py)?;
        Ok(Self {
            connection: Arc::new(Mutex::new(Connection::new(client))),
            deadline: None,
            client_id: None,
            told: Arc::default(),
        })
    }

    /// The same connection, for calls that are not run later than `deadline` seconds after they were made.
    fn with_deadline(&self, deadline: f64) -> PyResult<Self> {
        if deadline.is_nan() || deadline <= 0.0 {
            let why = format!("deadline of {deadline} s: it must be positive");
            return Err(pyo3::exceptions::PyValueError::new_err(why));
        }
        Ok(Self {
            deadline: Some(seconds(deadline)),
            ..self.share()
        })
    }

    /// The same connection, for calls of another client, whose id goes on from this one's.
    fn below(&self, py: Python<'_>, name: &str) -> PyResult<Self> {
        let id = format!("{}/{name}", self.caller(&*self.here(py)?).client_id());
        let id =
            ClientId::new(&id).map_err(|why| pyo3::exceptions::PyValueError::new_err(why.to_string()))?;
        Ok(Self {
            client_id: Some(id),
            ..self.share()
        })
    }

    /// Waits until the records that were handed over are encoded.
    fn drain(&self, py: Python<'_>) -> PyResult<()> {
        let connection = lock(&self.connection).clone();
        let encoder = &connection.records().encoder;
        wait_in_slices(py, f64::INFINITY, |slice| encoder.wait(slice)).map(drop)
    }

    /// Calls a method and returns a future of its result.
    fn call(
        &self,
        py: Python<'_>,
        method: &str,
        args: &Bound<'_, PyTuple>,
        kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<RemoteFuture> {
        let args = encode(py, args, kwargs)?;
        let connection = self.here(py)?;
        let caller = self.caller(&connection);
        match hand_over(py, &caller, args.bytes.len(), || {
            caller.call_encoded(method, args)
        })? {
            Ok(future) => Ok(RemoteFuture::waiting(future, connection)),
            // The network's fault is the future's, never the call's.
            Err(full @ NotQueued::WindowFull { .. }) => {
                Ok(RemoteFuture::failed(RemoteError::NotQueued(full)))
            }
            Err(error) => Err(errors::not_queued(py, error)),
        }
    }

    /// Calls a method; nothing comes back. Returns false when the call was dropped: the window is full.
    fn send(
        &self,
        py: Python<'_>,
        method: &str,
        args: &Bound<'_, PyTuple>,
        kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<bool> {
        let args = encode(py, args, kwargs)?;
        let connection = self.here(py)?;
        let caller = self.caller(&connection);
        let sent = hand_over(py, &caller, args.bytes.len(), || {
            caller.send_encoded(method, args)
        })?;
        was_taken(py, sent)
    }

    /// Sends a record of a number as `send` does. `None` when it is not the usual kind, and nothing is done.
    fn add_scalar(
        &self,
        tag: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
        step: &Bound<'_, PyAny>,
        walltime: &Bound<'_, PyAny>,
    ) -> PyResult<Option<bool>> {
        let py = tag.py();
        let Some(scalar) = Scalar::of(tag, value, step, walltime) else {
            return Ok(None);
        };
        let args = (scalar.tag, scalar.value, scalar.step, scalar.walltime);
        let connection = self.here(py)?;
        let caller = self.caller(&connection);
        let sent = hand_over(py, &caller, scalar.longest(), || {
            caller.try_send("add_scalar", &args)
        })?;
        was_taken(py, sent).map(Some)
    }

    /// Waits until every call so far is acknowledged; false when the time was over, or calls were dropped.
    fn flush(&self, py: Python<'_>, timeout: f64) -> PyResult<bool> {
        let connection = lock(&self.connection).clone();
        let flushed = flush(py, &connection, timeout)?;
        Ok(self.tell_of_losses(py, &connection)? && flushed)
    }

    /// Flushes and ends the connection.
    fn close(&self, py: Python<'_>, timeout: f64) -> PyResult<bool> {
        let connection = lock(&self.connection).clone();
        let flushed = self.flush(py, timeout);
        // After an interrupted flush too; what is outstanding has been told.
        let _ = py.detach(|| connection.0.close(Duration::ZERO));
        flushed
    }

    /// Numbers since the client was made.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let connection = lock(&self.connection).clone();
        let stats = connection.0.stats();
        let dict = PyDict::new(py);
        dict.set_item("taken", stats.taken)?;
        dict.set_item("acked", stats.acked)?;
        dict.set_item("dropped", stats.dropped.total())?;
        dict.set_item("refused", stats.refused)?;
        dict.set_item("outage", connection.0.outage())?;
        for (cause, count) in stats.dropped.causes() {
            dict.set_item(format!("dropped_{}", cause.replace(' ', "_")), count)?;
        }
        dict.set_item("unspooled", stats.unspooled)?;
        dict.set_item("rewinds", stats.rewinds)?;
        Ok(dict)
    }

    /// Records that could not be encoded, and those that the server refused.
    fn refused(&self) -> u64 {
        let connection = lock(&self.connection).clone();
        connection.lost().0 + connection.0.stats().refused
    }
}

/// An address without its secrets.
#[pyfunction]
pub(crate) fn shown_address(address: &str) -> String {
    remotecall::Address::shown(address)
}

impl Client {
    fn share(&self) -> Self {
        Self {
            connection: self.connection.clone(),
            deadline: self.deadline,
            client_id: self.client_id.clone(),
            told: self.told.clone(),
        }
    }

    /// What calls, with the deadline and the id of this client.
    pub(crate) fn caller<'a>(&self, connection: &'a Connection) -> Cow<'a, remotecall::Client> {
        let mut client = Cow::Borrowed(&connection.0);
        if let Some(deadline) = self.deadline {
            client = Cow::Owned(client.with_deadline(deadline));
        }
        // It was checked when it was made.
        if let Some(id) = &self.client_id
            && let Ok(named) = client.with_client_id(id.as_str())
        {
            client = Cow::Owned(named);
        }
        client
    }

    /// Warns of records that were lost since the last time; whether there were none.
    fn tell_of_losses(&self, py: Python<'_>, connection: &Connection) -> PyResult<bool> {
        let (lost, why) = connection.lost();
        let before = std::mem::replace(&mut *lock(&self.told), lost);
        let more = lost.saturating_sub(before);
        if more > 0 {
            warn_of_losses(py, more, &why)?;
        }
        Ok(more == 0)
    }

    /// The connection of this process.
    pub(crate) fn here(&self, py: Python<'_>) -> PyResult<Arc<Connection>> {
        let now = lock(&self.connection).clone();
        if now.0.is_here() {
            return Ok(now);
        }
        watch_exit(py)?;
        let renewed = Connection::new(now.0.renewed().map_err(errors::connect)?);
        let mut connection = lock(&self.connection);
        if !connection.0.is_here() {
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
        let why = format!("{count} arguments in one call: at most {MAX_ARGS} are allowed");
        return Err(pyo3::exceptions::PyValueError::new_err(why));
    }
    // Apart from the window: Python code may run meanwhile, and nobody should wait for it.
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, MAX_FRAME);
    encoder
        .positional(args)
        .and_then(|()| kwargs.map_or(Ok(()), |kwargs| encoder.named(kwargs)))
        .map_err(|refusal| refusal.into_error(py, "an argument"))?;
    Ok(EncodedArgs {
        bytes,
        has_named: kwargs.is_some(),
    })
}

/// What happens to a call when the window is full, as Python has it.
#[derive(FromPyObject)]
enum Policy {
    /// It waits so many seconds.
    Seconds(f64),
    Name(String),
}

impl TryFrom<Policy> for WhenFull {
    type Error = PyErr;

    fn try_from(policy: Policy) -> PyResult<Self> {
        let why = match policy {
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
        Err(pyo3::exceptions::PyValueError::new_err(format!(
            "when_full is {why}: 'drop_newest', 'drop_oldest', 'spill', 'block' or a number of seconds is wanted"
        )))
    }
}

/// Has a call of `size` bytes taken: when it may wait, detached.
fn hand_over<T: Send>(
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

/// Whether a call that nobody waits for was taken; false when it was dropped.
fn was_taken(py: Python<'_>, sent: Result<(), NotQueued>) -> PyResult<bool> {
    match sent {
        Ok(()) => Ok(true),
        Err(NotQueued::WindowFull { .. }) => Ok(false),
        Err(error) => Err(errors::not_queued(py, error)),
    }
}

/// When calls may wait, waits detached until there is room for one, in slices, so that Ctrl-C is heard; returns whether
/// they may.
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

/// Flushes detached, in slices, so that Ctrl-C is heard.
fn flush(py: Python<'_>, connection: &Connection, timeout: f64) -> PyResult<bool> {
    let client = &connection.0;
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
        // Only the first slice hears of the calls that were dropped before.
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

/// Waits detached until `wait` says that it is done, for at most `timeout` seconds; says whether it is. In slices, so that
/// Ctrl-C is heard.
pub(crate) fn wait_in_slices(
    py: Python<'_>,
    timeout: f64,
    wait: impl Fn(Duration) -> bool + Sync,
) -> PyResult<bool> {
    let deadline = Instant::now() + seconds(timeout);
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if py.detach(|| wait(left.min(SLICE))) {
            return Ok(true);
        }
        py.check_signals()?;
        if left <= SLICE {
            return Ok(false);
        }
    }
}

/// How long a wait may go without looking for signals.
const SLICE: Duration = Duration::from_millis(50);

/// Has `tensorplex._exit` close everything when this process ends.
pub(crate) fn watch_exit(py: Python<'_>) -> PyResult<()> {
    py.import("tensorplex._exit")?.call_method0("watch").map(drop)
}
