//! Who the client is: password, protocol version, farewell.

use std::sync::{Arc, MutexGuard};

use bytes::Bytes;

use super::server::VERSION;
use super::streams::Read;
use crate::args::{Args, integer, is_word};
use crate::error::{CommandError, MAX_ECHO, echo};
use crate::output::Reply;
use crate::shared::Shared;
use crate::store::Store;

/// The only user there is.
const USER: &str = "default";
/// The only protocol there is.
const RESP: i64 = 2;

/// What the broker remembers of a connection between commands.
#[derive(Debug)]
pub(crate) struct Session {
    shared: Arc<Shared>,
    id: i64,
    authenticated: bool,
    wrong_passwords: u32,
    over: bool,
    wait: Option<Read>,
}

impl Session {
    /// A new client; without a password everybody is known.
    pub fn new(shared: Arc<Shared>, id: i64) -> Self {
        let authenticated = !shared.has_password();
        if !authenticated {
            shared.stranger_came();
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

    /// Whether the client may use the broker.
    pub fn is_authenticated(&self) -> bool {
        self.authenticated
    }

    /// Whether the connection ends once all is answered.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Ends the connection once all is answered.
    pub fn end(&mut self) {
        self.over = true;
    }

    /// A read that found nothing and is to wait, instead of the answer it gave.
    pub fn take_wait(&mut self) -> Option<Read> {
        self.wait.take()
    }

    /// Asks for a read to wait.
    pub(super) fn wait_for(&mut self, read: Read) {
        self.wait = Some(read);
    }

    /// The data.
    pub(crate) fn store(&self) -> MutexGuard<'_, Store> {
        self.shared.store()
    }

    /// What all connections share.
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
            self.shared.stranger_went();
        }
        Ok(())
    }

    /// How many wrong passwords came in a row.
    pub fn wrong_passwords(&self) -> u32 {
        self.wrong_passwords
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if !self.authenticated {
            self.shared.stranger_went();
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

/// `CLIENT …`: libraries introduce themselves with it. Names are accepted and not kept.
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
