//! `tensorplex send`: calls as JSON lines, for any language that can print them.

mod line;

use std::collections::{HashMap, VecDeque};
use std::io::BufRead;
use std::time::{Duration, Instant};

use remotecall::{Client, ClientOptions, ConnectError, RemoteError, RemoteFuture, WhenFull};

use crate::endpoint::{ENVIRONMENT, EndpointOptions, SpoolOptions};
use crate::units::parse_duration;
use line::{Line, is_utf_16};

/// Limit on calls without an outcome; above it, reading waits.
const MAX_IN_FLIGHT: usize = 100_000;

/// Send records or log lines, read as JSON lines from standard input
///
/// Each line is one call. A bad line is reported with its number on standard error, and the others
/// are sent.
///
/// NaN, Infinity and -Infinity are numbers, also as the texts that `tensorplex export` writes. A
/// step may be written as 10.0 or 1e3. The input is UTF-8; a byte-order mark is ignored.
///
/// Give every line of a tag its step: the default is 0, and TensorBoard hides points whose step
/// goes back.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Lines:
  {\"method\": \"add_scalar\", \"args\": [\"loss\", 0.5, 10]}
  {\"method\":\"add_scalar\",\"kwargs\":{\"tag\":\"a\",\"scalar_value\":1,\"global_step\":2}}
  {\"method\": \"add_text\", \"args\": [\"note\", \"hi\"], \"client_id\": \"agent/7\"}
  {\"method\": \"info\", \"args\": [\"started\"]}     with --queue loggerplex

Exit status:
  0  all lines are on the server's disk
  1  a line was refused or not acknowledged, or nothing could be sent
  2  wrong options

Example:
  ./train | tensorplex send --client-id agent/0")]
pub struct Send {
    #[command(flatten)]
    endpoint: EndpointOptions,
    #[command(flatten)]
    spool: SpoolOptions,
    /// Queue to send to: tensorplex (records) or loggerplex (log lines)
    #[arg(long, default_value = "tensorplex")]
    queue: String,
    /// Client id of lines that name none
    #[arg(long, value_name = "ID", default_value = "send")]
    client_id: String,
    /// Time limit for acknowledgements after the last line
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_duration)]
    timeout: Duration,
}

/// Nothing could be sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The address or the client id is invalid.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// Standard input cannot be read.
    #[error("standard input, line {line}: {error}")]
    Input {
        /// Line number, from 1.
        line: u64,
        /// Error of the system.
        error: std::io::Error,
    },
    /// Standard input is UTF-16.
    #[error(
        "standard input is UTF-16; send UTF-8, in PowerShell by \
         $OutputEncoding = [System.Text.UTF8Encoding]::new()"
    )]
    Utf16,
}

/// Outcome of all lines.
#[derive(Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// Number of acknowledged lines: they are on the server's disk.
    pub sent: u64,
    /// Number of lines refused, by this program or by the server.
    pub refused: u64,
    /// Number of lines without an outcome after the timeout.
    pub outstanding: u64,
}

impl Send {
    /// Sends every line of `input`. Calls `report` with the number of each refused line and the
    /// reason.
    ///
    /// # Errors
    /// Fails when the options are invalid, or the input cannot be read.
    pub fn run(
        &self,
        mut input: impl BufRead,
        report: &mut dyn FnMut(u64, &str),
    ) -> Result<Outcome, SendError> {
        let options = ClientOptions {
            when_full: WhenFull::Block(self.timeout),
            spool: self.spool.spool.clone(),
            environment: ENVIRONMENT,
            ..ClientOptions::default()
        };
        let client = Client::connect_with(&self.endpoint.address(), &self.queue, &self.client_id, options)?;
        let mut sender = Sender {
            client,
            clients: HashMap::new(),
            in_flight: VecDeque::new(),
            report,
            outcome: Outcome::default(),
        };
        let mut bytes = Vec::new();
        for number in 1.. {
            bytes.clear();
            match input.read_until(b'\n', &mut bytes) {
                Ok(0) => break,
                Ok(_) if number == 1 && is_utf_16(&bytes) => return Err(SendError::Utf16),
                Ok(_) => sender.send(number, &bytes, self.timeout),
                Err(error) => return Err(SendError::Input { line: number, error }),
            }
        }
        Ok(sender.finish(self.timeout))
    }
}

struct Sender<'a> {
    client: Client,
    /// Clients of the ids that lines named.
    clients: HashMap<String, Client>,
    /// Calls without an outcome, with their line numbers, oldest first.
    in_flight: VecDeque<(u64, RemoteFuture<()>)>,
    report: &'a mut dyn FnMut(u64, &str),
    outcome: Outcome,
}

impl Sender<'_> {
    fn send(&mut self, number: u64, bytes: &[u8], timeout: Duration) {
        let line = match Line::parse(bytes) {
            Ok(Some(line)) => line,
            Ok(None) => return,
            Err(error) => return self.refuse(number, &error),
        };
        let client = match self.client_of(line.client_id.as_deref()) {
            Ok(client) => client,
            Err(error) => return self.refuse(number, &error),
        };
        self.in_flight
            .push_back((number, client.check(&line.method, &line.args, &line.kwargs)));
        while self.in_flight.len() > MAX_IN_FLIGHT && self.settle_first(timeout) {}
    }

    fn client_of(&mut self, id: Option<&str>) -> Result<Client, String> {
        let Some(id) = id else {
            return Ok(self.client.clone());
        };
        if let Some(client) = self.clients.get(id) {
            return Ok(client.clone());
        }
        let client = self
            .client
            .with_client_id(id)
            .map_err(|error| error.to_string())?;
        self.clients.insert(id.to_owned(), client.clone());
        Ok(client)
    }

    /// Waits for the outcome of the oldest call. Returns false when it has none after `timeout`.
    fn settle_first(&mut self, timeout: Duration) -> bool {
        let Some((number, future)) = self.in_flight.front() else {
            return false;
        };
        let number = *number;
        match future.get_timeout(timeout) {
            Ok(None) => return false,
            Ok(Some(())) => self.outcome.sent += 1,
            Err(RemoteError::Closed) => self.outcome.outstanding += 1,
            Err(error) => self.refuse(number, &error.to_string()),
        }
        self.in_flight.pop_front();
        true
    }

    fn refuse(&mut self, number: u64, why: &str) {
        self.outcome.refused += 1;
        (self.report)(number, why);
    }

    fn finish(mut self, timeout: Duration) -> Outcome {
        let end = Instant::now() + timeout;
        while !self.in_flight.is_empty() && self.settle_first(end.saturating_duration_since(Instant::now())) {
        }
        let _ = self.client.close(Duration::ZERO);
        // Outcomes that arrived during the close still count.
        while self.settle_first(Duration::ZERO) {}
        self.outcome
    }
}
