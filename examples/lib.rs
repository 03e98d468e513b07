//! Support for the examples: a server inside the process, for users who have none running. With
//! `REDIS=localhost:6379` in the environment, the examples use that Redis instead of an embedded
//! broker.

use std::error::Error;
use std::path::{Path, PathBuf};

use loggerplex::Loggerplex;
use remotecall::embedded::{BrokerOptions, EmbeddedBroker};
use remotecall::{RemoteCall, ServerHandle};
use tensorplex::Tensorplex;

/// Server with the parts of `tensorplex-server`, in this process, on a free port.
pub struct LocalServer {
    records: ServerHandle,
    lines: ServerHandle,
    broker: Broker,
}

impl LocalServer {
    /// Starts a server that writes below `logdir`, with the groups of `tensorplex`.
    ///
    /// # Errors
    /// When the directory cannot be used.
    pub fn start(logdir: &Path, tensorplex: Tensorplex) -> Result<Self, Box<dyn Error>> {
        let broker = Broker::start()?;
        let address = broker.address();
        let lines = Loggerplex::open(&logdir.join("logs"), &private(logdir, "loggerplex"))?;
        let lines = RemoteCall::new(lines)
            .queue(loggerplex::QUEUE)
            .durable(&private(logdir, "loggerplex"));
        let records = RemoteCall::new(tensorplex)
            .queue(tensorplex::QUEUE)
            .durable(&private(logdir, "tensorplex"));
        Ok(Self {
            records: records.start(&address)?,
            lines: lines.start(&address)?,
            broker,
        })
    }

    /// Broker address for workers.
    pub fn address(&self) -> String {
        self.broker.address()
    }

    /// Drains the queues and stops.
    ///
    /// # Errors
    /// When a queue could not be drained.
    pub fn stop(self) -> Result<(), Box<dyn Error>> {
        self.records.stop()?;
        self.lines.stop()?;
        Ok(())
    }
}

/// Broker between clients and servers.
pub enum Broker {
    /// Embedded broker in this process, on a free port.
    Embedded(EmbeddedBroker),
    /// Redis at this address.
    Redis(String),
}

impl Broker {
    /// Takes the Redis that the variable `REDIS` names, or starts an embedded broker.
    ///
    /// # Errors
    /// When no port is free.
    pub fn start() -> Result<Self, Box<dyn Error>> {
        if let Ok(address) = std::env::var("REDIS") {
            return Ok(Self::Redis(address));
        }
        let options = BrokerOptions::new(([127, 0, 0, 1], 0).into());
        Ok(Self::Embedded(EmbeddedBroker::start(options)?))
    }

    /// Address for servers and clients.
    pub fn address(&self) -> String {
        match self {
            Self::Embedded(broker) => broker.address().to_string(),
            Self::Redis(address) => address.clone(),
        }
    }
}

/// Directory for the server's own files, hidden from readers.
pub fn private(logdir: &Path, queue: &str) -> PathBuf {
    logdir.join(".tensorplex").join(queue)
}

/// Log directory of an example: the first argument, or `runs/NAME`.
pub fn logdir(name: &str) -> PathBuf {
    std::env::args_os()
        .nth(1)
        .map_or_else(|| Path::new("runs").join(name), PathBuf::from)
}
