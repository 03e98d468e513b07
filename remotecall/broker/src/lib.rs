//! The embedded broker: a server for the few Redis commands that the protocol uses.
//!
//! ```text
//! client ──RESP2──► connection thread: input ─► commands ─► store ─► output ──► client
//!                                                             │
//!                                  XADD wakes the threads that wait in XREAD BLOCK
//! ```
//!
//! It answers as Redis 7 answers, so `redis-cli` and every Redis library can talk to it. One thread serves
//! one connection; one lock guards the data, and no payload is copied or written while it is held.
//! Nothing is kept on disk, only database 0 exists, and there are no consumer groups, transactions,
//! scripts or `RESP3`.
//!
//! ```
//! use remotecall_broker::{BrokerOptions, EmbeddedBroker};
//!
//! let broker = EmbeddedBroker::start(BrokerOptions {
//!     listen: ([127, 0, 0, 1], 0).into(),
//!     ..BrokerOptions::default()
//! })?;
//! assert_eq!((broker.connections(), broker.memory()), (0, 0));
//! broker.stop();
//! # Ok::<(), remotecall_broker::BrokerStartError>(())
//! ```

mod args;
mod commands;
mod connection;
mod error;
mod framing;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod input;
mod listener;
mod output;
mod shared;
mod store;
mod stream;
mod stream_id;
#[cfg(test)]
mod tests;
mod value;

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

pub use framing::{MAX_ARGUMENTS, MAX_BULK, MAX_COMMAND};
use listener::Listener;
pub use listener::{MAX_CONNECTIONS, MAX_STRANGERS};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use shared::Shared;

/// Port that is used unless another one is given.
pub const DEFAULT_PORT: u16 = 8008;
/// Bytes of data that are kept unless another limit is given: 1 GiB.
pub const DEFAULT_MAX_MEMORY: usize = 1 << 30;

/// How a broker listens and how much it keeps.
#[derive(Clone)]
pub struct BrokerOptions {
    /// Address to listen on; port 0 takes any free port.
    pub listen: SocketAddr,
    /// Most bytes of data, bookkeeping included. What would go beyond is refused with `-OOM`.
    /// The buffers of connections come on top.
    pub max_memory: usize,
    /// What clients have to say with `AUTH`; an empty password counts as none.
    pub password: Option<String>,
}

/// A broker did not start.
#[derive(Debug, thiserror::Error)]
pub enum BrokerStartError {
    /// Other machines could reach the broker, and nothing would keep them out.
    #[error(
        "refusing to listen on {0} without a password: set a password, or listen on a loopback address \
         such as 127.0.0.1"
    )]
    NoPassword(SocketAddr),
    /// The address could not be taken.
    #[error("cannot listen on {listen}: {source}")]
    Listen {
        /// The address asked for.
        listen: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The system gave no thread.
    #[error("cannot start the broker's thread: {0}")]
    Thread(#[source] io::Error),
}

/// A running broker. It stops when it is dropped.
#[derive(Debug)]
pub struct EmbeddedBroker {
    shared: Arc<Shared>,
    listener: Listener,
}

impl EmbeddedBroker {
    /// Listens and serves until the broker is stopped or dropped.
    ///
    /// # Errors
    /// When the address is reachable from elsewhere and there is no password, or cannot be taken.
    pub fn start(options: BrokerOptions) -> Result<Self, BrokerStartError> {
        Self::start_with(options, listener::allowed_connections())
    }

    /// Starts with a limit of its own on connections.
    fn start_with(mut options: BrokerOptions, connections: usize) -> Result<Self, BrokerStartError> {
        options.password = options.password.filter(|password| !password.is_empty());
        if options.password.is_none() && !options.listen.ip().is_loopback() {
            return Err(BrokerStartError::NoPassword(options.listen));
        }
        let shared = Arc::new(Shared::new(&options));
        let listener = Listener::start(options.listen, connections, Arc::clone(&shared))?;
        Ok(Self { shared, listener })
    }

    /// The address it listens on, with the port it really got.
    pub fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// What a client or server in this process connects to: the address, and the password if there is one.
    pub fn own_address(&self) -> String {
        let address = self.address();
        let host = match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        let place = SocketAddr::new(host, address.port());
        match self.shared.password() {
            Some(password) => format!(
                "redis://:{}@{place}",
                utf8_percent_encode(password, NON_ALPHANUMERIC)
            ),
            None => format!("redis://{place}"),
        }
    }

    /// Bytes of data held, bookkeeping included.
    pub fn memory(&self) -> usize {
        self.shared.store().used()
    }

    /// Connections open now.
    pub fn connections(&self) -> usize {
        self.shared.connections()
    }

    /// Closes the port and every connection and waits for the threads; dropping does the same.
    pub fn stop(self) {}
}

impl Default for BrokerOptions {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_PORT)),
            max_memory: DEFAULT_MAX_MEMORY,
            password: None,
        }
    }
}

// By hand: a password must not reach a log.
impl fmt::Debug for BrokerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BrokerOptions")
            .field("listen", &self.listen)
            .field("max_memory", &self.max_memory)
            .field("password", &self.password.as_ref().map(|_| "(hidden)"))
            .finish()
    }
}
