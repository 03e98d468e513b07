//! Conversion of Rust errors into Python exceptions.
//!
//! The classes are in `tensorplex._errors`; the Python guide has the table for readers.

use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use remotecall::{CallError, ConnectError, NotQueued, RemoteError, RunError};

/// An exception of `tensorplex._errors`.
struct Exception<'a> {
    class: &'static str,
    /// Type name of the exception on the server; `class` when nothing was raised there.
    type_name: &'a str,
    message: String,
    traceback: Option<&'a str>,
}

/// The exception that a future raises.
pub(crate) fn remote(py: Python<'_>, error: &RemoteError) -> PyErr {
    let plain = |class: &'static str, message: String| Exception {
        class,
        type_name: class,
        message,
        traceback: None,
    };
    let text = error.to_string();
    let exception = match error {
        RemoteError::Call(CallError::Raised {
            kind,
            message,
            traceback,
        }) => Exception {
            class: "MethodRaised",
            type_name: kind,
            message: message.clone(),
            traceback: traceback.as_deref(),
        },
        RemoteError::Call(error) => plain(call_error_class(error), text),
        RemoteError::NotQueued(error) => plain(not_queued_class(error), text),
        RemoteError::Closed => plain("ClientClosed", text),
        RemoteError::BadResult(_) => plain("BadResult", text),
        RemoteError::OtherProcess => plain("OtherProcess", text),
        RemoteError::Taken => plain("Discarded", "the future was discarded".to_owned()),
        _ => plain("RemoteError", text),
    };
    exception.into_error(py)
}

fn call_error_class(error: &CallError) -> &'static str {
    match error {
        CallError::UnknownMethod(_) => "UnknownMethod",
        CallError::BadArgument { .. } => "BadArgument",
        CallError::Unreadable(_) => "UnreadableCall",
        CallError::BadClientId(_) => "BadClientId",
        CallError::Raised { .. } => "MethodRaised",
        CallError::Panicked(_) => "MethodPanicked",
        CallError::NoReturnValues => "NoReturnValues",
        CallError::TooLarge { .. } => "TooLarge",
        CallError::ResultExpired => "ResultExpired",
        CallError::DeadlineExceeded { .. } => "DeadlineExceeded",
        _ => "RemoteError",
    }
}

fn not_queued_class(error: &NotQueued) -> &'static str {
    match error {
        NotQueued::WindowFull { .. } | NotQueued::Replaced { .. } => "WindowFull",
        NotQueued::TooLarge { .. } => "TooLarge",
        NotQueued::Unencodable(_) => "UnreadableCall",
        NotQueued::Closed => "ClientClosed",
        NotQueued::OtherProcess => "OtherProcess",
        _ => "RemoteError",
    }
}

pub(crate) fn not_queued(py: Python<'_>, error: NotQueued) -> PyErr {
    remote(py, &RemoteError::NotQueued(error))
}

pub(crate) fn too_large(py: Python<'_>, size: usize, limit: usize) -> PyErr {
    let class = "TooLarge";
    let message = format!("{size} bytes or more are too large: at most {limit} are allowed");
    Exception {
        class,
        type_name: class,
        message,
        traceback: None,
    }
    .into_error(py)
}

pub(crate) fn connect(error: ConnectError) -> PyErr {
    match error {
        ConnectError::System(why) => PyOSError::new_err(why),
        ConnectError::Spool(why) => PyOSError::new_err(why.to_string()),
        invalid => PyValueError::new_err(invalid.to_string()),
    }
}

pub(crate) fn run(py: Python<'_>, error: RunError) -> PyErr {
    match error {
        RunError::Address(_) | RunError::Queue(_) => PyValueError::new_err(error.to_string()),
        RunError::System(error) => error.into(),
        other => class(py, "ServerError")
            .and_then(|class| class.call1((other.to_string(),)))
            .map_or_else(|failed| failed, PyErr::from_value),
    }
}

impl Exception<'_> {
    fn into_error(self, py: Python<'_>) -> PyErr {
        class(py, self.class)
            .and_then(|class| class.call1((self.type_name, self.message, self.traceback)))
            .map_or_else(|failed| failed, PyErr::from_value)
    }
}

fn class<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    py.import("tensorplex._errors")?.getattr(name)
}
