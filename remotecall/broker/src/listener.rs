//! The port: accepts connections, gives each a thread, and joins them all in the end.
//!
//! The accepting thread owns the threads of the connections; whoever holds the [`Listener`] owns the
//! accepting thread. A connection's socket belongs to its own thread; here is only a weak reference, so
//! that a finished connection gives its file back at once.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Resource, getrlimit};

use super::BrokerStartError;
use super::connection::Connection;
use super::shared::Shared;

/// Most connections at a time.
pub const MAX_CONNECTIONS: usize = 4096;
/// Most connections at a time that have not said the password. Each may hold half a mebibyte, and guess once a second.
pub const MAX_STRANGERS: usize = 256;
/// Open files that are left to the rest of the process.
const FILES_FOR_OTHERS: usize = 128;
/// Stack of a connection's thread; nothing in it recurses on data.
const STACK: usize = 256 << 10;
/// Pause after an accept that failed, as it does when the process is out of files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long stopping tries to reach its own accepting thread.
const WAKE_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a port that is in use is tried again, and how often.
const BIND_TIMEOUT: Duration = Duration::from_millis(500);
const BIND_PAUSE: Duration = Duration::from_millis(10);
/// What one client too many is told.
const TOO_MANY: &[u8] = b"-ERR max number of clients reached\r\n";

/// The accepting thread, joined on drop.
#[derive(Debug)]
pub(super) struct Listener {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// [`MAX_CONNECTIONS`], or fewer where the process may not open that many files.
pub(super) fn allowed_connections() -> usize {
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let files = usize::try_from(files).unwrap_or(usize::MAX);
    files.saturating_sub(FILES_FOR_OTHERS).clamp(1, MAX_CONNECTIONS)
}

impl Listener {
    /// Takes the address and starts to accept up to `limit` connections.
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

    /// The address it got.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// An address of this machine that reaches the port, also when it listens on all of them.
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
        // Accepting has no timeout: a last connection wakes it.
        let woken = TcpStream::connect_timeout(&self.own_address(), WAKE_TIMEOUT);
        let Some(thread) = self.thread.take() else {
            return;
        };
        if let (Err(error), false) = (woken, thread.is_finished()) {
            tracing::error!("the broker's thread cannot be reached to stop it: {error}");
            return;
        }
        if thread.join().is_err() {
            tracing::error!("the broker's thread panicked");
        }
    }
}

/// Takes the address. A client that looks for its server on this machine can hold the port for an instant,
/// when the system gives it that port for its own end.
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

/// The accepting thread's own state.
struct Acceptor {
    shared: Arc<Shared>,
    limit: usize,
    served: Vec<Served>,
    next_id: i64,
}

/// A connection and the thread that serves it.
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
                tracing::warn!("a connection could not be accepted: {error}");
                thread::sleep(ACCEPT_PAUSE);
            }
        }
        self.close_all();
    }

    fn admit(&mut self, mut socket: TcpStream) -> io::Result<()> {
        if self.shared.connections() >= self.limit || self.shared.strangers() >= MAX_STRANGERS {
            // Told if possible; a peer that does not listen to it must not hold up the others.
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
                // Already closed is as good.
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
            tracing::error!("a thread of the broker panicked; its connection was closed");
        }
    }
}
