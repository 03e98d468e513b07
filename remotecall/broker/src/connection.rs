//! Connection of one client: read, execute, reply.
//!
//! The thread executes all commands that have arrived before it reads again, and replies with one
//! write unless the replies grow large. Three waits can be long; each ends when the client or the
//! broker ends:
//!
//! * reading: the broker shuts the socket down;
//! * `XREAD BLOCK`: the thread is parked; an added entry or the end of the broker unparks it, and
//!   every 500 ms it checks that the client is still connected;
//! * writing: a client that sends a long pipeline before it reads any reply would wait for the
//!   broker while the broker waits for it, so every 50 ms the thread reads more input, within
//!   limits.

use std::io::{self, ErrorKind};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::blocking_read::BlockingRead;
use super::commands::{self, Session};
use super::error::CommandError;
use super::framing::{Limits, MAX_COMMAND};
use super::input::{Input, Peer};
use super::output::{Output, Reply};
use super::shared::Shared;

/// Interval at which a blocked read checks that its client is still connected.
const PEER_CHECK: Duration = Duration::from_millis(500);
/// Limit on the bytes that a client may send ahead during a blocked read.
const AHEAD_OF_READ: usize = 64 << 10;
/// Socket timeout of a write, after which more input is read to unblock the client.
const WRITE_SLICE: Duration = Duration::from_millis(50);
/// Limit on the bytes that a client may send without reading its replies, beyond the buffers of the
/// system.
const AHEAD_OF_REPLIES: usize = MAX_COMMAND;
/// Timeout for a client to authenticate.
const AUTH_TIMEOUT: Duration = Duration::from_secs(10);
/// Delay of the reply to a wrong password.
const WRONG_PASSWORD_DELAY: Duration = Duration::from_secs(1);
/// Number of wrong passwords in a row that ends a connection.
const MAX_WRONG_PASSWORDS: u32 = 3;
/// Timeout for a client to read any byte of its replies, after which the connection ends.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// Connection with its buffers and its session.
#[derive(Debug)]
pub(super) struct Connection {
    socket: Arc<TcpStream>,
    shared: Arc<Shared>,
    session: Session,
    input: Input,
    output: Output,
    /// Deadline for authentication; `None` once the client is authenticated.
    auth_deadline: Option<Instant>,
}

impl Connection {
    /// Takes over a socket, and counts the connection until it is dropped.
    pub fn new(socket: Arc<TcpStream>, shared: Arc<Shared>, id: i64) -> Self {
        shared.connection_opened();
        let auth_deadline = shared.has_password().then(|| Instant::now() + AUTH_TIMEOUT);
        Self {
            socket,
            session: Session::new(Arc::clone(&shared), id),
            auth_deadline,
            shared,
            input: Input::default(),
            output: Output::default(),
        }
    }

    /// Serves until the client disconnects or violates the protocol, or the broker stops.
    pub fn run(&mut self) {
        if let Err(error) = self.serve() {
            tracing::debug!("a connection ended: {error}");
        }
    }

    fn serve(&mut self) -> io::Result<()> {
        self.socket.set_nodelay(true)?;
        self.socket.set_write_timeout(Some(WRITE_SLICE))?;
        loop {
            self.execute_all()?;
            self.write()?;
            if self.session.is_over() || self.shared.is_stopping() {
                return Ok(());
            }
            // More input may have arrived while the replies were written.
            if !self.input.is_fresh() && self.fill()? == Peer::Closed {
                return Ok(());
            }
        }
    }

    /// Waits for input, until the deadline for authentication if the client is not authenticated.
    fn fill(&mut self) -> io::Result<Peer> {
        if let Some(until) = self.auth_deadline {
            let left = until.saturating_duration_since(Instant::now());
            let is_authenticated = self.session.is_authenticated();
            if is_authenticated {
                self.auth_deadline = None;
            } else if left.is_zero() {
                return Err(ErrorKind::TimedOut.into());
            }
            self.socket
                .set_read_timeout((!is_authenticated).then_some(left))?;
        }
        self.input.fill(&mut &*self.socket)
    }

    /// Delays the reply to a wrong password, and ends the connection after the third: guessing
    /// becomes slow.
    fn slow_down_guessing(&mut self) {
        let until = Instant::now() + WRONG_PASSWORD_DELAY;
        // Parked, because a broker that stops unparks the thread.
        while Instant::now() < until && !self.shared.is_stopping() {
            thread::park_timeout(until.saturating_duration_since(Instant::now()));
        }
        if self.session.wrong_passwords() >= MAX_WRONG_PASSWORDS {
            self.session.end();
        }
    }

    /// Executes all commands that have arrived.
    fn execute_all(&mut self) -> io::Result<()> {
        while !self.session.is_over() {
            let wrong = self.session.wrong_passwords();
            let reply = match self.input.next(self.limits()) {
                Ok(None) => return Ok(()),
                Ok(Some(args)) => commands::execute(&mut self.session, args),
                Err(error) => {
                    self.session.end();
                    return self.output.protocol_error(error);
                }
            };
            if self.session.wrong_passwords() > wrong {
                self.slow_down_guessing();
            }
            let reply = match self.session.take_wait() {
                Some(read) => self.wait(&read)?,
                None => reply,
            };
            self.output.reply(reply)?;
            if self.output.is_full() {
                self.write()?;
            }
        }
        Ok(())
    }

    fn limits(&self) -> Limits {
        if self.session.is_authenticated() {
            Limits::AUTHENTICATED
        } else {
            Limits::UNAUTHENTICATED
        }
    }

    /// Waits until one of the streams has an entry that `read` asks for, or its timeout passes.
    fn wait(&mut self, read: &BlockingRead) -> io::Result<Result<Reply, CommandError>> {
        self.write()?;
        let thread = thread::current();
        {
            let mut store = self.shared.store();
            read.keys().for_each(|key| store.watch(key, &thread));
        }
        let outcome = self.wait_watching(read);
        let mut store = self.shared.store();
        read.keys().for_each(|key| store.unwatch(key, thread.id()));
        outcome
    }

    fn wait_watching(&mut self, read: &BlockingRead) -> io::Result<Result<Reply, CommandError>> {
        let deadline = read.deadline();
        let mut next_check = Instant::now() + PEER_CHECK;
        loop {
            // A statement of its own, so that the lock is released before the reply is used.
            let found = read.attempt(&self.shared.store());
            if let Some(found) = found.transpose() {
                return Ok(found);
            }
            if self.shared.is_stopping() {
                return Err(ErrorKind::ConnectionAborted.into());
            }
            let now = Instant::now();
            if deadline.is_some_and(|deadline| now >= deadline) {
                return Ok(Ok(Reply::NilArray));
            }
            if now >= next_check {
                self.read_ahead(AHEAD_OF_READ)?;
                next_check = now + PEER_CHECK;
            }
            let until = deadline.map_or(next_check, |deadline| deadline.min(next_check));
            thread::park_timeout(until.saturating_duration_since(now));
        }
    }

    /// Writes the replies.
    fn write(&mut self) -> io::Result<()> {
        let mut deadline = Instant::now() + WRITE_TIMEOUT;
        loop {
            let before = self.output.len();
            let stuck = match self.output.write_to(&mut &*self.socket) {
                Ok(()) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => error,
                Err(error) => return Err(error),
            };
            let now = Instant::now();
            if self.output.len() < before {
                deadline = now + WRITE_TIMEOUT;
            }
            if now >= deadline || self.shared.is_stopping() {
                return Err(stuck);
            }
            if self.session.is_authenticated() {
                self.read_ahead(AHEAD_OF_REPLIES)?;
            }
        }
    }

    /// Reads the input that has arrived, without waiting; a closed connection is an error.
    fn read_ahead(&mut self, limit: usize) -> io::Result<()> {
        self.socket.set_nonblocking(true)?;
        let peer = self.input.fill_up_to(limit, &mut &*self.socket);
        self.socket.set_nonblocking(false)?;
        match peer? {
            Peer::Open => Ok(()),
            Peer::Closed => Err(ErrorKind::ConnectionAborted.into()),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.shared.connection_closed();
    }
}
