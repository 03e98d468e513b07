//! Calls into the Python half of the package and into `logging`.

use pyo3::prelude::*;

/// Registers the exit handler of `tensorplex._exit`, which closes everything when this process ends.
pub(crate) fn register_exit_handler(py: Python<'_>) -> PyResult<()> {
    py.import("tensorplex._exit")?.call_method0("register").map(drop)
}

/// Logs a warning about lost records to the logger `tensorplex`.
pub(crate) fn warn_of_lost_records(py: Python<'_>, count: u64, cause: &str) -> PyResult<()> {
    warn(py, ("%d records were lost; last cause: %s", count, cause))
}

/// Logs a warning to the logger `tensorplex`: a template and its values.
pub(crate) fn warn<'py>(py: Python<'py>, message: impl pyo3::call::PyCallArgs<'py>) -> PyResult<()> {
    py.import("logging")?
        .call_method1("getLogger", ("tensorplex",))?
        .call_method1("warning", message)
        .map(drop)
}
