//! Listener: accepts connections, starts a thread for each, and joins all of them at the end.
//!
//! The [`Listener`] owns the accepting thread, which owns the threads of the connections. A socket
//! belongs to the thread of its connection; the accepting thread has a weak reference only, so that
//! a finished connection closes its file at once.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Resource, getrlimit};

use super::connection::Connection;
use super::options::BrokerStartError;
use super::shared::Shared;

/// Limit on open connections.
pub const MAX_CONNECTIONS: usize = 4096;
/// Limit on open unauthenticated connections: each may take half a mebibyte of memory, and try one
/// password a second.
pub const MAX_UNAUTHENTICATED: usize = 256;
/// Number of open files that are reserved for the rest of the process.
const FILES_FOR_OTHERS: usize = 128;
/// Stack size of a connection's thread, in bytes; no recursion there depends on data.
const STACK: usize = 256 << 10;
/// Pause after a failed accept, for example when the process is out of files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Timeout of the connection that wakes the accepting thread to stop it.
const WAKE_TIMEOUT: Duration = Duration::from_secs(1);
/// Timeout for a port in use to become free, and the pause between attempts.
const BIND_TIMEOUT: Duration = Duration::from_millis(500);
const BIND_PAUSE: Duration = Duration::from_millis(10);
/// Reply to a connection above the limit.
const TOO_MANY: &[u8] = b"-ERR max number of clients reached\r\n";

/// Handle of the accepting thread, which it stops and joins on drop.
#[derive(Debug)]
pub(super) struct Listener {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// [`MAX_CONNECTIONS`], or fewer when the process may not open that many files.
pub(super) fn allowed_connections() -> usize {
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let files = usize::try_from(files).unwrap_or(usize::MAX);
    files.saturating_sub(FILES_FOR_OTHERS).clamp(1, MAX_CONNECTIONS)
}

impl Listener {
    /// Binds the address and starts a thread that accepts up to `limit` connections.
    pub fn start(listen: SocketAddr, limit: usize, shared: Arc<Shared>) -> Result<Self, BrokerStartError> {
        let failed = |source| BrokerStartError::Listen { listen, source };
        let socket = bind(listen).map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        let acceptor = Acceptor {
            shared: Arc::clone(&shared),
            limit,
            served: Vec::new(),
            next_id: 1,
        };
        let thread = thread::Builder::new()
            .name("broker".into())
            .spawn(move || acceptor.run(&socket))
            .map_err(BrokerStartError::Thread)?;
        Ok(Self {
            address,
            shared,
            thread: Some(thread),
        })
    }

    /// Address that is bound.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Address that reaches the port from this machine, also when all addresses are bound.
    fn own_address(&self) -> SocketAddr {
        let mut address = self.address;
        match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
            _ => {}
        }
        address
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.shared.begin_stop();
        // Accepting has no timeout, so a connection wakes the thread.
        let woken = TcpStream::connect_timeout(&self.own_address(), WAKE_TIMEOUT);
        let Some(thread) = self.thread.take() else {
            return;
        };
        if let (Err(error), false) = (woken, thread.is_finished()) {
            tracing::error!(
                "cannot wake the broker's accepting thread to stop it: {error}; leaving it running"
            );
            return;
        }
        if thread.join().is_err() {
            tracing::error!("the broker's accepting thread panicked");
        }
    }
}

/// Binds the address. Retries a port in use, because a local client that tries to connect may have
/// it for an instant: the system may choose that very port for the client's end.
fn bind(listen: SocketAddr) -> io::Result<TcpListener> {
    let until = Instant::now() + BIND_TIMEOUT;
    loop {
        match TcpListener::bind(listen) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && Instant::now() < until => {
                thread::sleep(BIND_PAUSE);
            }
            result => return result,
        }
    }
}

/// State of the accepting thread.
struct Acceptor {
    shared: Arc<Shared>,
    limit: usize,
    served: Vec<Served>,
    next_id: i64,
}

/// Connection and the thread that serves it.
struct Served {
    socket: Weak<TcpStream>,
    thread: JoinHandle<()>,
}

impl Acceptor {
    fn run(mut self, listener: &TcpListener) {
        loop {
            let accepted = listener.accept();
            if self.shared.is_stopping() {
                break;
            }
            self.join_finished();
            if let Err(error) = accepted.and_then(|(socket, _)| self.admit(socket)) {
                tracing::warn!("cannot accept a connection: {error}; trying again");
                thread::sleep(ACCEPT_PAUSE);
            }
        }
        self.close_all();
    }

    fn admit(&mut self, mut socket: TcpStream) -> io::Result<()> {
        if self.shared.connections() >= self.limit || self.shared.unauthenticated() >= MAX_UNAUTHENTICATED {
            // Non-blocking, because a peer that does not read must not delay the others.
            socket.set_nonblocking(true)?;
            let _ = socket.write(TOO_MANY);
            return Ok(());
        }
        let socket = Arc::new(socket);
        let weak = Arc::downgrade(&socket);
        let mut connection = Connection::new(socket, Arc::clone(&self.shared), self.next_id);
        self.next_id += 1;
        let thread = thread::Builder::new()
            .name("broker-client".into())
            .stack_size(STACK)
            .spawn(move || connection.run())?;
        self.served.push(Served { socket: weak, thread });
        Ok(())
    }

    fn join_finished(&mut self) {
        let finished = self.served.extract_if(.., |served| served.thread.is_finished());
        finished.for_each(Served::join);
    }

    fn close_all(mut self) {
        for served in &self.served {
            if let Some(socket) = served.socket.upgrade() {
                // An error means that it is closed already.
                let _ = socket.shutdown(Shutdown::Both);
            }
            served.thread.thread().unpark();
        }
        self.served.drain(..).for_each(Served::join);
    }
}

impl Served {
    fn join(self) {
        if self.thread.join().is_err() {
            tracing::error!("a connection's thread in the broker panicked; the connection is closed");
        }
    }
}
