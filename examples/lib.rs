//! What the examples share: a server inside the process, for those who have none running. With `REDIS=localhost:6379`
//! in the environment they go through that Redis instead of a broker of their own.

use std::error::Error;
use std::path::{Path, PathBuf};

use loggerplex::Loggerplex;
use remotecall::embedded::{BrokerOptions, EmbeddedBroker};
use remotecall::{RemoteCall, ServerHandle};
use tensorplex::Tensorplex;

/// Everything `tensorplex-server` runs, in this process, on a free port.
pub struct LocalServer {
    records: ServerHandle,
    lines: ServerHandle,
    broker: Broker,
}

impl LocalServer {
    /// Writes below `logdir`, with the groups that `tensorplex` was given.
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

    /// Where workers connect.
    pub fn address(&self) -> String {
        self.broker.address()
    }

    /// Works off what is in the queues, and ends.
    ///
    /// # Errors
    /// Why a queue could not be served to its end.
    pub fn stop(self) -> Result<(), Box<dyn Error>> {
        self.records.stop()?;
        self.lines.stop()?;
        Ok(())
    }
}

/// What calls go through.
pub enum Broker {
    /// A broker in this process, on a free port.
    Embedded(EmbeddedBroker),
    /// The one at this address.
    Redis(String),
}

impl Broker {
    /// The one that `REDIS` names, or one of this process.
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

    /// Where servers and clients connect.
    pub fn address(&self) -> String {
        match self {
            Self::Embedded(broker) => broker.address().to_string(),
            Self::Redis(address) => address.clone(),
        }
    }
}

/// A log directory's corner that is not for readers.
pub fn private(logdir: &Path, queue: &str) -> PathBuf {
    logdir.join(".tensorplex").join(queue)
}

/// The log directory of an example: the first argument, or `runs/NAME`.
pub fn logdir(name: &str) -> PathBuf {
    std::env::args_os()
        .nth(1)
        .map_or_else(|| Path::new("runs").join(name), PathBuf::from)
}
