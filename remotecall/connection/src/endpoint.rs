//! What one part of ours needs to get to its broker: the address, what it is there for, and what it said of the broker.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redis::{Arg, Cmd, RedisResult, ServerError, Value};

use super::Address;

/// What a connection is for. Each has its rights, which docs/security.md lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Worker,
    Server,
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

/// An address and a role. Clones share what was said, so that several connections do not say it several times.
#[derive(Clone)]
pub struct Endpoint {
    pub address: Address,
    pub role: Role,
    told: Arc<Mutex<Told>>,
}

/// What is in the log and not over yet.
#[derive(Default)]
struct Told {
    /// Why there is no connection.
    outage: Option<String>,
    /// Which commands are refused, and with what code.
    refused: BTreeMap<String, String>,
}

impl Endpoint {
    pub fn new(address: Address, role: Role) -> Self {
        Self {
            address,
            role,
            told: Arc::default(),
        }
    }

    /// For a child process: nothing is shared, and no lock of the parent's is touched.
    pub fn renewed(&self) -> Self {
        Self::new(self.address.clone(), self.role)
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// There is no connection. Logged when that or its reason is new.
    pub fn is_out(&self, error: &redis::RedisError, meanwhile: &str) {
        let why = error.to_string();
        let mut told = self.told();
        if told.outage.as_ref() != Some(&why) {
            tracing::warn!(address = %self.address, error = why, "broker is away; {meanwhile}");
            told.outage = Some(why);
        }
    }

    /// There is a connection.
    pub fn is_back(&self) {
        if self.told().outage.take().is_some() {
            tracing::info!(address = %self.address, "broker is back");
        }
    }

    /// True if a command was refused and has not been taken since.
    pub fn has_refusals(&self) -> bool {
        !self.told().refused.is_empty()
    }

    /// The broker's answer to a command. The first refusal of its kind is logged, and the end of refusals.
    pub fn answered(&self, command: &str, refusal: Option<&ServerError>) {
        let mut told = self.told();
        let Some(error) = refusal else {
            if told.refused.remove(command).is_some() {
                tracing::info!(address = %self.address, "the broker takes {command} again");
            }
            return;
        };
        // Of a key of a wrong type the server makes an end.
        if error.code() == "WRONGTYPE" || told.refused.get(command).is_some_and(|it| it == error.code()) {
            return;
        }
        told.refused.insert(command.to_owned(), error.code().to_owned());
        let error = self.explained(error);
        tracing::warn!(address = %self.address, error, "the broker refuses {command}; trying again");
    }

    /// An error when the broker refused the command.
    pub fn check(&self, command: &Cmd, answer: &Value) -> RedisResult<()> {
        match answer {
            Value::ServerError(error) => {
                let text = format!("{}: {}", name(command), self.explained(error));
                Err(io::Error::other(text).into())
            }
            _ => Ok(()),
        }
    }

    /// What the broker said, and what to do about it.
    pub fn explained(&self, error: &ServerError) -> String {
        let said = format!("{} {}", error.code(), error.details().unwrap_or_default());
        let role = self.role;
        let said = said.trim_end();
        match error.code() {
            "NOPERM" => format!("{said} (docs/security.md has the rights of a {role})"),
            "NOAUTH" | "WRONGPASS" => {
                format!("{said} (docs/security.md says where a password comes from)")
            }
            "CLUSTERDOWN" | "MOVED" | "CROSSSLOT" => format!("{said} (a cluster is not supported yet)"),
            _ => said.to_owned(),
        }
    }
}

/// A command's name.
pub(crate) fn name(command: &Cmd) -> String {
    match command.args_iter().next() {
        Some(Arg::Simple(name)) => String::from_utf8_lossy(name).into_owned(),
        _ => String::new(),
    }
}
