//! One connection to a broker.

use std::time::Duration;

use redis::{ConnectionLike, Pipeline, Value};

use super::Address;

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Longest wait for an answer, beyond the time that a blocking command may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// One connection.
pub(crate) struct Link {
    connection: redis::Connection,
    /// How long an answer may take.
    patience: Duration,
}

impl Link {
    /// `longest_block` is the time for which the slowest command may wait on purpose.
    pub fn open(address: &Address, longest_block: Duration) -> redis::RedisResult<Self> {
        let client = redis::Client::open(address.info.clone())?;
        let connection = client.get_connection_with_timeout(CONNECT_TIMEOUT)?;
        let patience = longest_block + ANSWER_TIMEOUT;
        connection.set_read_timeout(Some(patience))?;
        connection.set_write_timeout(Some(ANSWER_TIMEOUT))?;
        let mut link = Self { connection, patience };
        // While nobody listens on a port above 32767 of this machine, the system may pick that very port for our
        // end: then we are connected to ourselves, hear our own words, and keep the server from its port.
        match link.one(&redis::cmd("PING"))? {
            Value::SimpleString(answer) if answer == "PONG" => Ok(link),
            other => Err((
                redis::ErrorKind::Client,
                "not a broker",
                format!("it answers PING with {other:?}"),
            )
                .into()),
        }
    }

    /// Sends all commands in one go. Errors of single commands come back as [`Value::ServerError`].
    pub fn run(&mut self, pipeline: &Pipeline) -> redis::RedisResult<Vec<Value>> {
        self.connection
            .req_packed_commands(&pipeline.get_packed_pipeline(), 0, pipeline.len())
    }

    /// Like [`run`](Self::run), with another patience if any. An answer that takes longer is an error, and the
    /// connection is of no use afterwards.
    pub fn run_within(
        &mut self,
        patience: Option<Duration>,
        pipeline: &Pipeline,
    ) -> redis::RedisResult<Vec<Value>> {
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
    pub fn one(&mut self, command: &redis::Cmd) -> redis::RedisResult<Value> {
        match self.connection.req_command(command)? {
            Value::ServerError(error) => Err(error.into()),
            value => Ok(value),
        }
    }
}
