//! Embedded broker: a server for the few Redis commands that the protocol uses, in bounded memory.
//!
//! ```text
//! client ──RESP2──► connection thread: input ─► commands ─► store ─► output ──► client
//!                                                             │
//!                                  XADD wakes the threads that wait in XREAD BLOCK
//! ```
//!
//! It replies as Redis 7 does, so that `redis-cli` and Redis libraries work with it. Each
//! connection has a thread. One lock guards the data; no payload is copied or written while the
//! lock is held. The broker writes nothing to disk, has database 0 only, and lacks consumer groups,
//! transactions, scripts and RESP3.
//!
//! ```
//! use remotecall_broker::{BrokerOptions, EmbeddedBroker};
//!
//! let options = BrokerOptions::new(([127, 0, 0, 1], 0).into());
//! let broker = EmbeddedBroker::start(options)?;
//! assert_eq!((broker.connections(), broker.memory()), (0, 0));
//! broker.stop();
//! # Ok::<(), remotecall_broker::BrokerStartError>(())
//! ```

mod args;
mod blocking_read;
mod commands;
mod connection;
mod error;
mod framing;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod input;
mod listener;
mod options;
mod output;
mod shared;
mod store;
mod stream;
mod stream_id;
#[cfg(test)]
mod tests;
mod value;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

pub use framing::{MAX_ARGUMENTS, MAX_BULK, MAX_COMMAND};
use listener::Listener;
pub use listener::{MAX_CONNECTIONS, MAX_UNAUTHENTICATED};
pub use options::{BrokerOptions, BrokerStartError, DEFAULT_MAX_MEMORY, DEFAULT_PORT};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use shared::Shared;

/// Running broker; dropping it stops it.
#[derive(Debug)]
pub struct EmbeddedBroker {
    shared: Arc<Shared>,
    listener: Listener,
}

impl EmbeddedBroker {
    /// Starts a broker, which serves until it is stopped or dropped.
    ///
    /// # Errors
    /// When the address is reachable from other machines and there is no password, or the system
    /// refuses the address or a thread.
    pub fn start(options: BrokerOptions) -> Result<Self, BrokerStartError> {
        Self::start_with(options, listener::allowed_connections())
    }

    /// Starts a broker for at most so many connections.
    fn start_with(mut options: BrokerOptions, connections: usize) -> Result<Self, BrokerStartError> {
        options.password = options.password.filter(|password| !password.is_empty());
        if options.password.is_none() && !options.listen.ip().is_loopback() {
            return Err(BrokerStartError::NoPassword(options.listen));
        }
        let shared = Arc::new(Shared::new(&options));
        let listener = Listener::start(options.listen, connections, Arc::clone(&shared))?;
        Ok(Self { shared, listener })
    }

    /// Address that the broker listens on, with the port that the system chose.
    pub fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// Address for clients and servers on this machine, with the password if there is one.
    pub fn own_address(&self) -> String {
        let address = self.address();
        let host = match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        let endpoint = SocketAddr::new(host, address.port());
        match self.shared.password() {
            Some(password) => format!(
                "redis://:{}@{endpoint}",
                utf8_percent_encode(password, NON_ALPHANUMERIC)
            ),
            None => format!("redis://{endpoint}"),
        }
    }

    /// Size of the data, bookkeeping included, in bytes.
    pub fn memory(&self) -> usize {
        self.shared.store().used()
    }

    /// Number of open connections.
    pub fn connections(&self) -> usize {
        self.shared.connections()
    }

    /// Closes the port and every connection, and joins the threads. Dropping the broker does the
    /// same.
    pub fn stop(self) {}
}
