//! Endpoints: the address of a broker, the role of the connections, and the log of the broker's
//! failures.
//!
//! A failure is logged once when it begins and once when it ends, however many connections meet it.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use redis::{Arg, Cmd, RedisResult, ServerError, Value};

use crate::address::Address;
use crate::environment::Variable;

/// Role of a connection, which determines the rights that its user needs; docs/reference/security.md lists
/// them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Role {
    /// Sends frames and reads replies.
    Worker,
    /// Reads frames, and sends acknowledgements and replies.
    Server,
    /// Looks at queues and changes nothing.
    Reader,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Worker => "worker",
            Self::Server => "server",
            Self::Reader => "reader",
        })
    }
}

/// Address and role. Clones share the log state, so that several connections log a failure once.
#[derive(Clone)]
pub struct Endpoint {
    /// Address of the broker.
    pub address: Address,
    /// Role of the connections.
    pub role: Role,
    failures: Arc<Mutex<Failures>>,
}

/// Time after which an outage is logged again, 10 min.
const REMINDER: Duration = Duration::from_secs(600);

/// Failures that are logged and not over.
#[derive(Default)]
struct Failures {
    /// Error of the last attempt to connect, and the time of its log line.
    outage: Option<(String, Instant)>,
    /// Commands that the broker refuses, with the code of the error.
    refused: BTreeMap<String, String>,
}

impl Endpoint {
    /// An endpoint without failures.
    pub fn new(address: Address, role: Role) -> Self {
        Self {
            address,
            role,
            failures: Arc::default(),
        }
    }

    /// Endpoint for a child process: it shares no state with the parent, and touches no lock of it.
    pub fn renewed(&self) -> Self {
        Self::new(self.address.clone(), self.role)
    }

    fn failures(&self) -> MutexGuard<'_, Failures> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Logs that the broker cannot be reached: at once for a new reason, and every ten minutes for the same one. `meanwhile`
    /// says what this process does until then.
    pub fn is_out(&self, error: &redis::RedisError, meanwhile: &str) {
        let why = error.to_string();
        let mut failures = self.failures();
        let is_logged = |(logged, at): &(String, Instant)| *logged == why && at.elapsed() < REMINDER;
        if !failures.outage.as_ref().is_some_and(is_logged) {
            tracing::warn!(
                "broker is away: cannot reach {}: {why}; {meanwhile}",
                self.address
            );
            failures.outage = Some((why, Instant::now()));
        }
    }

    /// Reason why the broker cannot be reached; `None` while it can, or before the first attempt.
    pub fn outage(&self) -> Option<String> {
        self.failures().outage.as_ref().map(|(why, _)| why.clone())
    }

    /// Logs that the broker can be reached again, after [`is_out`](Self::is_out).
    pub fn is_back(&self) {
        if self.failures().outage.take().is_some() {
            tracing::warn!("broker is back: connected to {}", self.address);
        }
    }

    /// True if the broker refused a command and has not accepted it since.
    pub(crate) fn has_refusals(&self) -> bool {
        !self.failures().refused.is_empty()
    }

    /// Logs the first of equal errors of a command, and the first success after them.
    pub(crate) fn replied(&self, command: &str, error: Option<&ServerError>) {
        let mut failures = self.failures();
        let Some(error) = error else {
            if failures.refused.remove(command).is_some() {
                tracing::info!(address = %self.address, "the broker takes {command} again");
            }
            return;
        };
        // Not logged, because the server deletes a key of the wrong type.
        if error.code() == "WRONGTYPE" || failures.refused.get(command).is_some_and(|it| it == error.code()) {
            return;
        }
        failures
            .refused
            .insert(command.to_owned(), error.code().to_owned());
        let error = self.explained(error);
        tracing::warn!(address = %self.address, error, "the broker refuses {command}; trying again");
    }

    /// Checks that a reply to `command` is not an error.
    ///
    /// # Errors
    /// When the broker refused the command.
    pub fn check(&self, command: &Cmd, reply: &Value) -> RedisResult<()> {
        match reply {
            Value::ServerError(error) => {
                let text = format!("{}: {}", name(command), self.explained(error));
                Err(io::Error::other(text).into())
            }
            _ => Ok(()),
        }
    }

    /// Text of an error of the broker, with a hint what to do.
    pub(crate) fn explained(&self, error: &ServerError) -> String {
        let text = format!("{} {}", error.code(), error.details().unwrap_or_default());
        let role = self.role;
        let text = text.trim_end();
        match error.code() {
            "NOPERM" => format!("{text} (a {role} needs this right: grant it with ACL SETUSER)"),
            "NOAUTH" | "WRONGPASS" => format!("{text} ({})", self.password_sources()),
            "CLUSTERDOWN" | "MOVED" | "CROSSSLOT" => format!("{text} (a cluster is not supported yet)"),
            _ => text.to_owned(),
        }
    }
}

impl Endpoint {
    /// Places from which a password comes.
    fn password_sources(&self) -> String {
        let environment = self.address.environment;
        let names = [Variable::Password, Variable::PasswordFile].map(|it| environment.name(it));
        let variables = match names {
            [Some(password), Some(file)] => format!(", from {password} or from {file}"),
            _ => String::new(),
        };
        format!(
            "a password comes from the address, redis://USER:PASSWORD@HOST:PORT or ?password_file=FILE{variables}"
        )
    }
}

/// Name of a command.
pub(crate) fn name(command: &Cmd) -> String {
    match command.args_iter().next() {
        Some(Arg::Simple(name)) => String::from_utf8_lossy(name).into_owned(),
        _ => String::new(),
    }
}
