//! Proxy whose connections can be cut, slowed down, blocked, and cut in the middle of a message.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::net::{Shutdown, shutdown};

/// Limit on the bytes copied at a time, 16 KiB.
const CHUNK: usize = 16 << 10;

/// Address that the proxy connects to.
pub enum Target {
    /// Embedded broker of a server.
    Tcp(SocketAddr),
    /// A real Redis.
    Unix(PathBuf),
}

/// Running proxy; dropping the value ends it.
pub struct Proxy {
    shared: Arc<Shared>,
    address: SocketAddr,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    target: Target,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    flow: Flow,
    closed: bool,
    connections: Vec<Arc<Connection>>,
}

/// Treatment of the bytes that pass.
#[derive(Clone, Copy, Default)]
enum Flow {
    #[default]
    Free,
    Slow(Duration),
    Blocked,
}

/// The two sockets of one connection.
struct Connection {
    near: File,
    far: File,
    /// True when only half of the next chunk passes, and then the connection is cut.
    halve: AtomicBool,
}

impl Proxy {
    /// Starts a proxy on a free port.
    ///
    /// # Panics
    /// When no port is free.
    pub fn start(target: Target) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its number");
        let shared = Arc::new(Shared {
            target,
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let accepting = {
            let shared = shared.clone();
            std::thread::spawn(move || accept(&listener, &shared))
        };
        Self {
            shared,
            address,
            accepting: Some(accepting),
        }
    }

    /// Address to connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts all connections.
    pub fn cut(&self) {
        for connection in self.shared.lock().connections.drain(..) {
            connection.cut();
        }
    }

    /// Cuts each connection in the middle of its next chunk.
    pub fn halve(&self) {
        for connection in &self.shared.lock().connections {
            connection.halve.store(true, Relaxed);
        }
    }

    /// Delays each chunk by `delay`.
    pub fn slow(&self, delay: Duration) {
        self.shared.set(Flow::Slow(delay));
    }

    /// Blocks all bytes until [`clear`](Self::clear).
    pub fn block(&self) {
        self.shared.set(Flow::Blocked);
    }

    /// Lets all bytes pass.
    pub fn clear(&self) {
        self.shared.set(Flow::Free);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
        // The connection wakes the accepting thread, which then sees `closed`.
        let _ = TcpStream::connect(self.address);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, flow: Flow) {
        self.lock().flow = flow;
        self.changed.notify_all();
    }

    /// Delays or blocks the caller as the flow says; returns false when the proxy ends.
    fn pass(&self) -> bool {
        let mut state = self.lock();
        if let Flow::Slow(delay) = state.flow {
            let waited = self.changed.wait_timeout(state, delay);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        while matches!(state.flow, Flow::Blocked) && !state.closed {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        !state.closed
    }

    fn reach(&self) -> std::io::Result<OwnedFd> {
        match &self.target {
            Target::Tcp(address) => {
                let stream = TcpStream::connect(address)?;
                stream.set_nodelay(true)?;
                Ok(stream.into())
            }
            Target::Unix(path) => UnixStream::connect(path).map(OwnedFd::from),
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    let mut pumps: Vec<JoinHandle<()>> = Vec::new();
    while let Ok((near, _)) = listener.accept() {
        if shared.lock().closed {
            break;
        }
        pumps.retain(|pump| !pump.is_finished());
        // The target does not answer: the near socket closes.
        let Ok(connection) = Connection::make(near, shared) else {
            continue;
        };
        shared.lock().connections.push(connection.clone());
        for up in [true, false] {
            let (connection, shared) = (connection.clone(), shared.clone());
            pumps.push(std::thread::spawn(move || connection.pump(up, &shared)));
        }
    }
    for connection in shared.lock().connections.drain(..) {
        connection.cut();
    }
    for pump in pumps {
        let _ = pump.join();
    }
}

impl Connection {
    fn make(near: TcpStream, shared: &Shared) -> std::io::Result<Arc<Self>> {
        near.set_nodelay(true)?;
        let far = shared.reach()?;
        Ok(Arc::new(Self {
            near: File::from(OwnedFd::from(near)),
            far: File::from(far),
            halve: AtomicBool::new(false),
        }))
    }

    fn cut(&self) {
        for end in [&self.near, &self.far] {
            let _ = shutdown(end, Shutdown::Both);
        }
    }

    /// Copies bytes in one direction until either socket closes.
    fn pump(self: &Arc<Self>, up: bool, shared: &Shared) {
        let (mut from, mut to) = if up {
            (&self.near, &self.far)
        } else {
            (&self.far, &self.near)
        };
        let mut chunk = [0; CHUNK];
        while let Ok(length @ 1..) = from.read(&mut chunk) {
            if !shared.pass() {
                break;
            }
            let halve = self.halve.load(Relaxed);
            let length = if halve { length / 2 } else { length };
            if to.write_all(&chunk[..length]).is_err() || halve {
                break;
            }
        }
        self.cut();
        shared
            .lock()
            .connections
            .retain(|other| !Arc::ptr_eq(other, self));
    }
}
