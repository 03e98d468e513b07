//! `tensorplex send`: calls as JSON lines, for every language that can print one.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io::BufRead;
use std::time::{Duration, Instant};

use remotecall::{Client, ClientOptions, ConnectError, RemoteError, RemoteFuture, WhenFull};
use serde::Deserialize;
use serde_json::Value;

use crate::client_options::{ENVIRONMENT, Spooling, Target, duration};

/// Most calls whose outcome is not known yet.
const IN_FLIGHT: usize = 100_000;

/// Send records as JSON lines from standard input; exit 0 only when all of them are on the server's disk
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Each line is one call:
  {\"method\": \"add_scalar\", \"args\": [\"loss\", 0.5, 10]}
  {\"method\": \"add_scalar\", \"kwargs\": {\"tag\": \"loss\", \"scalar_value\": 0.5, \"global_step\": 10}}
  {\"method\": \"add_text\", \"args\": [\"note\", \"hello\"], \"client_id\": \"agent/7\"}
  {\"method\": \"info\", \"args\": [\"started\"]}                 with --queue loggerplex

Give every line of a tag its step: without one it is 0, and TensorBoard hides points when a step goes back.
A bad line is reported with its number on standard error, the others go through, and the exit code is 1.

Example:
  echo '{\"method\":\"add_scalar\",\"args\":[\"loss\",0.5,10]}' | tensorplex send --client-id agent/0")]
pub struct Send {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    spooling: Spooling,
    /// Queue of the object to call: tensorplex (records) or loggerplex (log lines)
    #[arg(long, default_value = "tensorplex")]
    queue: String,
    /// Client id of lines that name none
    #[arg(long, default_value = "send")]
    client_id: String,
    /// How long to wait for the server after the last line
    #[arg(long, default_value = "30s", value_parser = duration)]
    timeout: Duration,
}

/// Nothing could be sent at all.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The options do not lead to a server.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// Standard input cannot be read.
    #[error("standard input, line {line}: {error}")]
    Input {
        /// Number of the line, from 1.
        line: u64,
        /// What the system said.
        error: std::io::Error,
    },
}

/// How it went.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Lines that are on the server's disk.
    pub sent: u64,
    /// Lines that were refused, here or by the server.
    pub refused: u64,
    /// Lines of which nothing is known after the timeout.
    pub outstanding: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    method: String,
    #[serde(default)]
    args: Vec<Value>,
    #[serde(default)]
    kwargs: BTreeMap<String, Value>,
    client_id: Option<String>,
}

impl Send {
    /// Sends every line of `input`; each bad one is passed to `report` with its number.
    ///
    /// # Errors
    /// When the options or the input cannot be used.
    pub fn run(&self, input: impl BufRead, report: &mut dyn FnMut(u64, &str)) -> Result<Outcome, SendError> {
        let options = ClientOptions {
            when_full: WhenFull::Block(self.timeout),
            spool: self.spooling.spool.clone(),
            environment: ENVIRONMENT,
            ..ClientOptions::default()
        };
        let client = Client::connect_with(&self.target.address(), &self.queue, &self.client_id, options)?;
        let mut sending = Sending {
            client,
            others: HashMap::new(),
            waiting: VecDeque::new(),
            report,
            outcome: Outcome::default(),
        };
        for (number, line) in (1..).zip(input.lines()) {
            match line {
                Ok(line) if line.trim().is_empty() => {}
                Ok(line) => sending.send(number, &line, self.timeout),
                Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                    sending.refuse(number, "not UTF-8")
                }
                Err(error) => return Err(SendError::Input { line: number, error }),
            }
        }
        Ok(sending.finish(self.timeout))
    }
}

struct Sending<'a> {
    client: Client,
    others: HashMap<String, Client>,
    waiting: VecDeque<(u64, RemoteFuture<()>)>,
    report: &'a mut dyn FnMut(u64, &str),
    outcome: Outcome,
}

impl Sending<'_> {
    fn send(&mut self, number: u64, text: &str, timeout: Duration) {
        let line: Line = match serde_json::from_str(text) {
            Ok(line) => line,
            Err(error) => return self.refuse(number, &error.to_string()),
        };
        let client = match self.client_of(line.client_id.as_deref()) {
            Ok(client) => client,
            Err(error) => return self.refuse(number, &error),
        };
        self.waiting
            .push_back((number, client.check(&line.method, &line.args, &line.kwargs)));
        while self.waiting.len() > IN_FLIGHT && self.settle_first(timeout) {}
    }

    fn client_of(&mut self, id: Option<&str>) -> Result<Client, String> {
        let Some(id) = id else {
            return Ok(self.client.clone());
        };
        if let Some(client) = self.others.get(id) {
            return Ok(client.clone());
        }
        let client = self
            .client
            .with_client_id(id)
            .map_err(|error| error.to_string())?;
        self.others.insert(id.to_owned(), client.clone());
        Ok(client)
    }

    /// Waits for the oldest call; returns false when its outcome is not known in time.
    fn settle_first(&mut self, timeout: Duration) -> bool {
        let Some((number, future)) = self.waiting.front() else {
            return false;
        };
        let number = *number;
        match future.get_timeout(timeout) {
            Ok(None) => return false,
            Ok(Some(())) => self.outcome.sent += 1,
            Err(RemoteError::Closed) => self.outcome.outstanding += 1,
            Err(error) => self.refuse(number, &error.to_string()),
        }
        self.waiting.pop_front();
        true
    }

    fn refuse(&mut self, number: u64, why: &str) {
        self.outcome.refused += 1;
        (self.report)(number, why);
    }

    fn finish(mut self, timeout: Duration) -> Outcome {
        let end = Instant::now() + timeout;
        while !self.waiting.is_empty() && self.settle_first(end.saturating_duration_since(Instant::now())) {}
        let _ = self.client.close(Duration::ZERO);
        // What was decided in the last instant still counts.
        while self.settle_first(Duration::ZERO) {}
        self.outcome
    }
}
