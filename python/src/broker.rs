//! The embedded broker.

use std::net::{IpAddr, SocketAddr};
use std::sync::Mutex;

use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use remotecall::embedded::{BrokerOptions, BrokerStartError};

use crate::lock::lock;
use crate::process_bound::ProcessBound;

/// An in-memory broker in this process. It takes the place of Redis.
#[pyclass(frozen, module = "tensorplex")]
pub(crate) struct EmbeddedBroker {
    broker: Mutex<ProcessBound<remotecall::embedded::EmbeddedBroker>>,
    address: SocketAddr,
}

#[pymethods]
impl EmbeddedBroker {
    /// Listens on `host:port`; port 0 picks a free one. An address that is not loopback needs a password.
    ///
    /// `max_memory` is in bytes.
    #[new]
    #[pyo3(signature = (port = 8008, host = "127.0.0.1", *, password = None, max_memory = None))]
    fn new(port: u16, host: &str, password: Option<String>, max_memory: Option<usize>) -> PyResult<Self> {
        let host: IpAddr = host
            .parse()
            .map_err(|_| PyValueError::new_err(format!("host {host:?} is not an IP address")))?;
        let mut options = BrokerOptions::new((host, port).into());
        options.password = password;
        options.max_memory = max_memory.unwrap_or(options.max_memory);
        let broker = remotecall::embedded::EmbeddedBroker::start(options).map_err(|error| match error {
            BrokerStartError::NoPassword(_) => PyValueError::new_err(error.to_string()),
            other => PyOSError::new_err(other.to_string()),
        })?;
        Ok(Self {
            address: broker.address(),
            broker: Mutex::new(ProcessBound::new(broker)),
        })
    }

    /// The IP address on which it listens.
    #[getter]
    fn host(&self) -> String {
        self.address.ip().to_string()
    }

    /// The port on which it listens.
    #[getter]
    fn port(&self) -> u16 {
        self.address.port()
    }

    /// Its URL, without the password.
    #[getter]
    fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Closes the listener and every connection.
    fn stop(&self, py: Python<'_>) {
        let broker = lock(&self.broker).take();
        py.detach(|| drop(broker));
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_raised))]
    fn __exit__(&self, py: Python<'_>, _raised: &Bound<'_, pyo3::types::PyTuple>) {
        self.stop(py);
    }
}
