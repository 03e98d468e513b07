//! Options of a broker, and the errors of starting one.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

/// Default port, 8008.
pub const DEFAULT_PORT: u16 = 8008;
/// Default limit on the data that a broker holds, 1 GiB.
pub const DEFAULT_MAX_MEMORY: usize = 1 << 30;

/// Options of a broker: address, memory and password. More may come, so a value is made by
/// [`new`](Self::new) or `default` and then changed.
#[derive(Clone)]
#[non_exhaustive]
pub struct BrokerOptions {
    /// Address to listen on; port 0 takes any free port. The default is 127.0.0.1:8008.
    pub listen: SocketAddr,
    /// Limit on the data, bookkeeping included, in bytes; the default is 1 GiB. A command that
    /// would exceed it is refused with `-OOM`. The buffers of connections are not included.
    pub max_memory: usize,
    /// Password that clients authenticate with; an empty one counts as none, the default.
    pub password: Option<String>,
}

/// Error of starting a broker.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BrokerStartError {
    /// The address is reachable from other machines, and there is no password.
    #[error(
        "refusing to listen on {0} without a password: every machine that reaches it could log and read; give the broker a \
         password, or listen on a loopback address such as 127.0.0.1"
    )]
    NoPassword(SocketAddr),
    /// The system refuses the address.
    #[error("cannot listen on {listen}: {source}")]
    Listen {
        /// Address to listen on.
        listen: SocketAddr,
        /// Error of the system.
        source: io::Error,
    },
    /// The system refuses a thread.
    #[error("cannot start the broker's thread: {0}")]
    Thread(#[source] io::Error),
}

impl BrokerOptions {
    /// Default options with another address.
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            ..Self::default()
        }
    }
}

impl BrokerStartError {
    /// True if a later attempt may succeed without a change of the options: another process holds
    /// the port, or the system lacks a thread.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::NoPassword(_) => false,
            Self::Listen { source, .. } => source.kind() == io::ErrorKind::AddrInUse,
            Self::Thread(_) => true,
        }
    }
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
