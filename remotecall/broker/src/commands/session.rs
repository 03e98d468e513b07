//! Session of a client: authentication, protocol version, end of the connection.

use std::sync::{Arc, MutexGuard};

use bytes::Bytes;

use crate::args::{Args, integer, is_word};
use crate::blocking_read::BlockingRead;
use crate::error::{CommandError, MAX_ECHO, echo};
use crate::output::Reply;
use crate::shared::Shared;
use crate::store::Store;

/// Version of Redis whose behaviour the broker has.
pub(super) const VERSION: &str = "7.0.15";
/// Name of the only user.
const USER: &str = "default";
/// Version of the only protocol.
const RESP: i64 = 2;

/// State of a connection between commands.
#[derive(Debug)]
pub(crate) struct Session {
    shared: Arc<Shared>,
    id: i64,
    authenticated: bool,
    wrong_passwords: u32,
    over: bool,
    wait: Option<BlockingRead>,
}

impl Session {
    /// Session of a new client, which is authenticated if the broker has no password.
    pub fn new(shared: Arc<Shared>, id: i64) -> Self {
        let authenticated = !shared.has_password();
        if !authenticated {
            shared.unauthenticated_opened();
        }
        Self {
            authenticated,
            wrong_passwords: 0,
            shared,
            id,
            over: false,
            wait: None,
        }
    }

    /// True if the client is authenticated.
    pub fn is_authenticated(&self) -> bool {
        self.authenticated
    }

    /// True if the connection ends after the replies so far.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Ends the connection after the replies so far.
    pub fn end(&mut self) {
        self.over = true;
    }

    /// Takes the read of the last command, if it has to wait; its reply then replaces the one of
    /// the command.
    pub fn take_wait(&mut self) -> Option<BlockingRead> {
        self.wait.take()
    }

    /// Registers a read that has to wait.
    pub(super) fn wait_for(&mut self, read: BlockingRead) {
        self.wait = Some(read);
    }

    /// Locks the store.
    pub(crate) fn store(&self) -> MutexGuard<'_, Store> {
        self.shared.store()
    }

    /// State that all connections share.
    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    fn log_in(&mut self, user: &[u8], password: &[u8]) -> Result<(), CommandError> {
        if user != USER.as_bytes() || !self.shared.accepts(password) {
            self.wrong_passwords += 1;
            return Err(CommandError::WrongPassword);
        }
        self.wrong_passwords = 0;
        if !std::mem::replace(&mut self.authenticated, true) {
            self.shared.unauthenticated_ended();
        }
        Ok(())
    }

    /// Number of wrong passwords in a row.
    pub fn wrong_passwords(&self) -> u32 {
        self.wrong_passwords
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if !self.authenticated {
            self.shared.unauthenticated_ended();
        }
    }
}

/// `AUTH [user] password`
pub(super) fn auth(session: &mut Session, args: &mut Args<'_>) -> Result<Reply, CommandError> {
    let first = args.next()?;
    match args.len() {
        0 if !session.shared.has_password() => Err(CommandError::NoPasswordSet),
        0 => session.log_in(USER.as_bytes(), first).map(|()| Reply::OK),
        1 => session.log_in(first, args.next()?).map(|()| Reply::OK),
        _ => Err(CommandError::Syntax),
    }
}

/// `HELLO [2 [AUTH user password] [SETNAME name]]`
pub(super) fn hello(session: &mut Session, args: &mut Args<'_>) -> Result<Reply, CommandError> {
    if !args.is_empty() {
        let version = integer(args.next()?).ok_or(CommandError::ProtocolNotInteger)?;
        if version != RESP {
            return Err(CommandError::NoSuchProtocol);
        }
    }
    while !args.is_empty() {
        let option = args.next()?;
        if is_word(option, "auth") && args.len() >= 2 {
            let (user, password) = (args.next()?, args.next()?);
            session.log_in(user, password)?;
        } else if is_word(option, "setname") && !args.is_empty() {
            args.next()?;
        } else {
            return Err(CommandError::HelloOption(echo(option, MAX_ECHO)));
        }
    }
    if !session.authenticated {
        return Err(CommandError::HelloNotAuthenticated);
    }
    let text = |text: &'static str| Reply::Bulk(Bytes::from_static(text.as_bytes()));
    Ok(Reply::Array(vec![
        text("server"),
        text("redis"),
        text("version"),
        text(VERSION),
        text("proto"),
        Reply::Integer(RESP),
        text("id"),
        Reply::Integer(session.id),
        text("mode"),
        text("standalone"),
        text("role"),
        text("master"),
        text("modules"),
        Reply::Array(Vec::new()),
    ]))
}

/// `CLIENT …`: libraries send their names with it, which are accepted and ignored.
pub(super) fn client(session: &mut Session, args: &mut Args<'_>) -> Result<Reply, CommandError> {
    let subcommand = args.next()?;
    if is_word(subcommand, "id") {
        return Ok(Reply::Integer(session.id));
    }
    if is_word(subcommand, "getname") {
        return Ok(Reply::Nil);
    }
    Ok(Reply::OK)
}

/// `QUIT`
pub(super) fn quit(session: &mut Session, _args: &mut Args<'_>) -> Result<Reply, CommandError> {
    session.end();
    Ok(Reply::OK)
}
