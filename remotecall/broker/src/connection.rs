//! One client: read, execute, answer.
//!
//! Everything that has arrived is executed before anything is read again, and answered with one write
//! unless the answers grow large. Three waits can be long, and each ends when the peer or the broker goes:
//!
//! * reading: the broker shuts the socket down;
//! * `XREAD BLOCK`: the thread is parked; an added entry or the broker's end wakes it, and now and then it
//!   looks whether the peer is still there;
//! * writing: a peer that sends a long pipeline before it reads any answer would wait for us while we wait
//!   for it, so after a while we read on, within limits.

use std::io::{self, ErrorKind};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::commands::{self, Read, Session};
use super::error::CommandError;
use super::framing::{Limits, MAX_COMMAND};
use super::input::{Input, Peer};
use super::output::{Output, Reply};
use super::shared::Shared;

/// How often a blocked read looks whether its client is still there.
const PEER_CHECK: Duration = Duration::from_millis(500);
/// Most bytes that a blocked read lets its client send ahead.
const AHEAD_OF_READ: usize = 64 << 10;
/// How long a write waits before more input is taken to relieve the client.
const WRITE_SLICE: Duration = Duration::from_millis(50);
/// Most bytes that a client may send without reading its answers, beyond what the system buffers.
const AHEAD_OF_ANSWERS: usize = MAX_COMMAND;
/// How long a client may take to say the password.
const INTRODUCTION: Duration = Duration::from_secs(10);
/// How long the answer to a wrong password takes, and how many of them a connection survives.
const WRONG_PAUSE: Duration = Duration::from_secs(1);
const WRONG_MOST: u32 = 3;
/// A client that reads nothing of its answers for so long is dropped.
const WRITE_PATIENCE: Duration = Duration::from_secs(30);

/// A connection and all that belongs to it.
#[derive(Debug)]
pub(super) struct Connection {
    socket: Arc<TcpStream>,
    shared: Arc<Shared>,
    session: Session,
    input: Input,
    output: Output,
    /// Until when the password has to be said; none when it was, or there is none.
    introduced_by: Option<Instant>,
}

impl Connection {
    /// Takes over a socket; the connection counts from now on.
    pub fn new(socket: Arc<TcpStream>, shared: Arc<Shared>, id: i64) -> Self {
        shared.connection_opened();
        let introduced_by = shared.has_password().then(|| Instant::now() + INTRODUCTION);
        Self {
            socket,
            session: Session::new(Arc::clone(&shared), id),
            introduced_by,
            shared,
            input: Input::default(),
            output: Output::default(),
        }
    }

    /// Serves until the client leaves, errs, or the broker stops.
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
            // While the answers were written, more may have been taken in.
            if !self.input.is_fresh() && self.fill()? == Peer::Closed {
                return Ok(());
            }
        }
    }

    /// Waits for what the client sends; a stranger has not for ever.
    fn fill(&mut self) -> io::Result<Peer> {
        if let Some(until) = self.introduced_by {
            let left = until.saturating_duration_since(Instant::now());
            let is_known = self.session.is_authenticated();
            if is_known {
                self.introduced_by = None;
            } else if left.is_zero() {
                return Err(ErrorKind::TimedOut.into());
            }
            self.socket.set_read_timeout((!is_known).then_some(left))?;
        }
        self.input.fill(&mut &*self.socket)
    }

    /// Guessing takes time, and connections.
    fn punish_wrong_password(&mut self) {
        let until = Instant::now() + WRONG_PAUSE;
        // The broker's end unparks the thread.
        while Instant::now() < until && !self.shared.is_stopping() {
            thread::park_timeout(until.saturating_duration_since(Instant::now()));
        }
        if self.session.wrong_passwords() >= WRONG_MOST {
            self.session.end();
        }
    }

    /// Executes what has arrived.
    fn execute_all(&mut self) -> io::Result<()> {
        while !self.session.is_over() {
            let wrong = self.session.wrong_passwords();
            let answer = match self.input.next(self.limits()) {
                Ok(None) => return Ok(()),
                Ok(Some(args)) => commands::execute(&mut self.session, args),
                Err(error) => {
                    self.session.end();
                    return self.output.protocol_error(error);
                }
            };
            if self.session.wrong_passwords() > wrong {
                self.punish_wrong_password();
            }
            let answer = match self.session.take_wait() {
                Some(read) => self.wait(&read)?,
                None => answer,
            };
            self.output.answer(answer)?;
            if self.output.is_full() {
                self.write()?;
            }
        }
        Ok(())
    }

    fn limits(&self) -> Limits {
        if self.session.is_authenticated() {
            Limits::TRUSTED
        } else {
            Limits::STRANGER
        }
    }

    /// Waits until one of the streams has what `read` asks for, or its time is over.
    fn wait(&mut self, read: &Read) -> io::Result<Result<Reply, CommandError>> {
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

    fn wait_watching(&mut self, read: &Read) -> io::Result<Result<Reply, CommandError>> {
        let deadline = read.deadline();
        let mut next_check = Instant::now() + PEER_CHECK;
        loop {
            // In its own statement: the lock is gone before the answer is used.
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

    /// Writes the answers.
    fn write(&mut self) -> io::Result<()> {
        let mut patience = Instant::now() + WRITE_PATIENCE;
        loop {
            let before = self.output.len();
            let stuck = match self.output.write_to(&mut &*self.socket) {
                Ok(()) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => error,
                Err(error) => return Err(error),
            };
            let now = Instant::now();
            if self.output.len() < before {
                patience = now + WRITE_PATIENCE;
            }
            if now >= patience || self.shared.is_stopping() {
                return Err(stuck);
            }
            if self.session.is_authenticated() {
                self.read_ahead(AHEAD_OF_ANSWERS)?;
            }
        }
    }

    /// Takes what the client has sent, without waiting; an error when it has gone.
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
