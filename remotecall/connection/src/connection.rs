//! One connection to a broker.

use std::io;
use std::time::Duration;

use redis::{Client, Cmd, ConnectionLike, Pipeline, RedisResult, ServerError, Value};

use super::{Address, Endpoint};
use crate::diagnose;
use crate::endpoint::name;

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Longest wait for an answer, beyond the time that a blocking command may take.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest wait for a broker that refuses the length of a value.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);

/// One connection.
pub struct Connection {
    connection: redis::Connection,
    access: Endpoint,
    /// How long an answer may take.
    patience: Duration,
}

impl Connection {
    /// `longest_block` is the time for which the slowest command may wait on purpose. What went wrong is explained
    /// in the error, as far as it can be known.
    pub fn open(access: &Endpoint, longest_block: Duration) -> RedisResult<Self> {
        let address = &access.address;
        let (client, introduction) = prepare(address).map_err(io::Error::other)?;
        let connection = client.get_connection_with_timeout(CONNECT_TIMEOUT)?;
        let patience = longest_block + ANSWER_TIMEOUT;
        connection.set_read_timeout(Some(patience))?;
        connection.set_write_timeout(Some(ANSWER_TIMEOUT))?;
        let mut link = Self {
            connection,
            access: access.clone(),
            patience,
        };
        let answers = link
            .exchange(&introduction)
            .map_err(|error| diagnose::explained(error, address))?;
        link.check(&answers)?;
        Ok(link)
    }

    /// Asks whether the broker refuses a value of `length` bytes, over a connection of its own; returns its refusal.
    ///
    /// Only the head of such a value is sent: a broker that refuses it says so at once, and one that takes it goes on to
    /// wait.
    pub fn refuses_length(access: &Endpoint, length: usize) -> RedisResult<Option<String>> {
        let mut connection = Self::open(access, Duration::ZERO)?.connection;
        connection.set_read_timeout(Some(REFUSAL_TIMEOUT))?;
        connection.send_packed_command(format!("*2\r\n$4\r\nECHO\r\n${length}\r\n").as_bytes())?;
        match connection.recv_response() {
            Ok(Value::ServerError(error)) => Ok(Some(access.explained(&error))),
            Err(error) if error.code().is_some() => Ok(Some(error.to_string())),
            Err(error) if !error.is_timeout() => Err(error),
            Ok(_) | Err(_) => Ok(None),
        }
    }

    /// The answers to the introduction; the last one is that to `PING`.
    fn check(&self, answers: &[Value]) -> RedisResult<()> {
        for answer in answers {
            if let Value::ServerError(error) = answer {
                return Err(io::Error::other(self.access.explained(error)).into());
            }
        }
        match answers.last() {
            // While nobody listens on a port above 32767 of this machine, the system may pick that very port for our
            // end: then we are connected to ourselves, hear our own words, and keep the server from its port.
            Some(Value::SimpleString(answer)) if answer == "PONG" => Ok(()),
            _ => Err(io::Error::other("what answers there is not a broker").into()),
        }
    }

    /// Sends all commands in one go. Errors of single commands come back as [`Value::ServerError`], and are logged.
    pub fn run(&mut self, pipeline: &Pipeline) -> RedisResult<Vec<Value>> {
        let answers = self.exchange(pipeline)?;
        if self.access.has_refusals() || answers.iter().any(|answer| refusal(answer).is_some()) {
            for (command, answer) in pipeline.cmd_iter().zip(&answers) {
                self.access.answered(&name(command), refusal(answer));
            }
        }
        Ok(answers)
    }

    fn exchange(&mut self, pipeline: &Pipeline) -> RedisResult<Vec<Value>> {
        self.connection
            .req_packed_commands(&pipeline.get_packed_pipeline(), 0, pipeline.len())
    }

    /// Like [`run`](Self::run), with another patience if any. An answer that takes longer is an error, and the
    /// connection is of no use afterwards.
    pub fn run_within(&mut self, patience: Option<Duration>, pipeline: &Pipeline) -> RedisResult<Vec<Value>> {
        if patience.is_none() {
            return self.run(pipeline);
        }
        self.connection.set_read_timeout(patience)?;
        self.connection.set_write_timeout(patience)?;
        let answers = self.run(pipeline)?;
        self.connection.set_read_timeout(Some(self.patience))?;
        self.connection.set_write_timeout(Some(ANSWER_TIMEOUT))?;
        Ok(answers)
    }

    /// Sends one command.
    pub fn one(&mut self, command: &Cmd) -> RedisResult<Value> {
        let answer = self.connection.req_command(command)?;
        self.access.answered(&name(command), refusal(&answer));
        match answer {
            Value::ServerError(error) => Err(error.into()),
            value => Ok(value),
        }
    }
}

/// What connects, and what is said first: who we are, which database, and whether that is a broker. The library
/// would say less of what the broker answers.
fn prepare(address: &Address) -> Result<(Client, Pipeline), Box<dyn std::error::Error + Send + Sync>> {
    let settings = address.info.redis_settings();
    let password = match address.files.password()? {
        Some(password) => Some(password),
        None => settings.password().map(str::to_owned),
    };
    let mut introduction = Pipeline::new();
    if let Some(password) = password {
        introduction.cmd("AUTH");
        if let Some(user) = settings.username() {
            introduction.arg(user);
        }
        introduction.arg(password);
    }
    if settings.db() != 0 {
        introduction.cmd("SELECT").arg(settings.db());
    }
    introduction.cmd("PING");
    let silent = redis::RedisConnectionInfo::default().set_skip_set_lib_name();
    let info = address.info.clone().set_redis_settings(silent);
    if !address.has_tls() {
        return Ok((Client::open(info)?, introduction));
    }
    // Another crate of this process may have brought another provider; then rustls wants to be told which one to use.
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Another thread may have been quicker.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
    let client = Client::build_with_tls(info, address.files.certificates()?)?;
    Ok((client, introduction))
}

fn refusal(answer: &Value) -> Option<&ServerError> {
    match answer {
        Value::ServerError(error) => Some(error),
        _ => None,
    }
}
