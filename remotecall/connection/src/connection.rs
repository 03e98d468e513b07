//! Blocking connection to a broker.

use std::io;
use std::time::Duration;

use redis::{Client, Cmd, ConnectionLike, Pipeline, RedisResult, ServerError, Value};

use crate::address::Address;
use crate::diagnose;
use crate::endpoint::{Endpoint, name};

/// Timeout of connecting, 3 s.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Timeout of a reply, beyond the time that a blocking command may take, 5 s.
pub const REPLY_TIMEOUT: Duration = Duration::from_secs(5);
/// Timeout for a broker to refuse the length of a value, 1 s.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);

/// Open, authenticated connection.
pub struct Connection {
    connection: redis::Connection,
    endpoint: Endpoint,
    /// Timeout of a reply.
    timeout: Duration,
}

impl Connection {
    /// Connects, authenticates, selects the database and checks that the other side is a broker.
    /// `longest_block` is the longest time for which a command may block at the broker.
    ///
    /// # Errors
    /// When any of these steps fails. The error says what to do where the cause is known.
    pub fn open(endpoint: &Endpoint, longest_block: Duration) -> RedisResult<Self> {
        let address = &endpoint.address;
        let (client, handshake) = prepare(address).map_err(io::Error::other)?;
        let connection = client.get_connection_with_timeout(CONNECT_TIMEOUT)?;
        let timeout = longest_block + REPLY_TIMEOUT;
        connection.set_read_timeout(Some(timeout))?;
        connection.set_write_timeout(Some(REPLY_TIMEOUT))?;
        let mut opened = Self {
            connection,
            endpoint: endpoint.clone(),
            timeout,
        };
        let replies = opened
            .exchange(&handshake)
            .map_err(|error| diagnose::explained(error, address))?;
        opened.check(&replies)?;
        Ok(opened)
    }

    /// Checks over another connection whether the broker refuses a value of `length` bytes, and
    /// returns its refusal.
    ///
    /// Only the header of such a value is sent. A broker that refuses the length says so at once;
    /// one that accepts it waits for the value.
    ///
    /// # Errors
    /// When the connection cannot be opened, or fails otherwise than by a refusal.
    pub fn refuses_length(endpoint: &Endpoint, length: usize) -> RedisResult<Option<String>> {
        let mut connection = Self::open(endpoint, Duration::ZERO)?.connection;
        connection.set_read_timeout(Some(REFUSAL_TIMEOUT))?;
        connection.send_packed_command(format!("*2\r\n$4\r\nECHO\r\n${length}\r\n").as_bytes())?;
        match connection.recv_response() {
            Ok(Value::ServerError(error)) => Ok(Some(endpoint.explained(&error))),
            Err(error) if error.code().is_some() => Ok(Some(error.to_string())),
            Err(error) if !error.is_timeout() => Err(error),
            Ok(_) | Err(_) => Ok(None),
        }
    }

    /// Checks the replies to the handshake, of which the last one is that to `PING`.
    fn check(&self, replies: &[Value]) -> RedisResult<()> {
        for reply in replies {
            if let Value::ServerError(error) = reply {
                return Err(io::Error::other(self.endpoint.explained(error)).into());
            }
        }
        match replies.last() {
            // When no process listens on a port above 32767 of this machine, the system may choose
            // that very port for the client's end. Then the socket is connected to itself, echoes
            // every command, and occupies the port.
            Some(Value::SimpleString(reply)) if reply == "PONG" => Ok(()),
            _ => Err(io::Error::other("the other side is not a broker: it does not reply to PING").into()),
        }
    }

    /// Sends all commands in one write and returns their replies. The error of a single command is
    /// a [`Value::ServerError`] among them, and is logged.
    ///
    /// # Errors
    /// When the connection fails or a reply does not come in time; the connection cannot be used
    /// any more then.
    pub fn run(&mut self, pipeline: &Pipeline) -> RedisResult<Vec<Value>> {
        let replies = self.exchange(pipeline)?;
        if self.endpoint.has_refusals() || replies.iter().any(|reply| error_of(reply).is_some()) {
            for (command, reply) in pipeline.cmd_iter().zip(&replies) {
                self.endpoint.replied(&name(command), error_of(reply));
            }
        }
        Ok(replies)
    }

    fn exchange(&mut self, pipeline: &Pipeline) -> RedisResult<Vec<Value>> {
        self.connection
            .req_packed_commands(&pipeline.get_packed_pipeline(), 0, pipeline.len())
    }

    /// Like [`run`](Self::run), with another timeout, if any.
    ///
    /// # Errors
    /// As for [`run`](Self::run).
    pub fn run_within(&mut self, timeout: Option<Duration>, pipeline: &Pipeline) -> RedisResult<Vec<Value>> {
        if timeout.is_none() {
            return self.run(pipeline);
        }
        self.connection.set_read_timeout(timeout)?;
        self.connection.set_write_timeout(timeout)?;
        let replies = self.run(pipeline)?;
        self.connection.set_read_timeout(Some(self.timeout))?;
        self.connection.set_write_timeout(Some(REPLY_TIMEOUT))?;
        Ok(replies)
    }

    /// Sends one command and returns its reply.
    ///
    /// # Errors
    /// When the connection fails, a reply does not come in time, or the broker refuses the command.
    pub fn one(&mut self, command: &Cmd) -> RedisResult<Value> {
        let reply = self.connection.req_command(command)?;
        self.endpoint.replied(&name(command), error_of(&reply));
        match reply {
            Value::ServerError(error) => Err(error.into()),
            value => Ok(value),
        }
    }
}

/// Client for an address, and its handshake: `AUTH`, `SELECT` and `PING`. The library's own
/// handshake would hide the broker's error messages.
fn prepare(address: &Address) -> Result<(Client, Pipeline), Box<dyn std::error::Error + Send + Sync>> {
    let settings = address.info.redis_settings();
    let password = match address.files.password()? {
        Some(password) => Some(password),
        None => settings.password().map(str::to_owned),
    };
    let mut handshake = Pipeline::new();
    if let Some(password) = password {
        handshake.cmd("AUTH");
        if let Some(user) = settings.username() {
            handshake.arg(user);
        }
        handshake.arg(password);
    }
    if settings.db() != 0 {
        handshake.cmd("SELECT").arg(settings.db());
    }
    handshake.cmd("PING");
    let silent = redis::RedisConnectionInfo::default().set_skip_set_lib_name();
    let info = address.info.clone().set_redis_settings(silent);
    if !address.has_tls() {
        return Ok((Client::open(info)?, handshake));
    }
    // Installed explicitly, because rustls fails when another crate of the process enables a second
    // provider.
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // An error means that another thread has installed one.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
    let client = Client::build_with_tls(info, address.files.certificates()?)?;
    Ok((client, handshake))
}

fn error_of(reply: &Value) -> Option<&ServerError> {
    match reply {
        Value::ServerError(error) => Some(error),
        _ => None,
    }
}
