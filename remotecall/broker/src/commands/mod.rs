//! Commands: the table, and one function for each command.
//!
//! A function parses its arguments and copies the values to store before it takes the lock, and
//! returns the reply, which is written after the lock is released.

mod hashes;
mod keys;
mod server;
mod session;
mod streams;
mod strings;

pub(super) use session::Session;

use super::args::{Args, is_word};
use super::error::{CommandError, MAX_ECHO, echo};
use super::output::Reply;

type Run = fn(&mut Session, &mut Args<'_>) -> Result<Reply, CommandError>;

/// Row of the table.
struct Command {
    name: &'static str,
    /// Number of arguments including the name; a negative number is the minimum, as in Redis.
    arity: isize,
    access: Access,
    run: Run,
}

/// Clients that may execute a command.
#[derive(PartialEq, Eq)]
enum Access {
    Anyone,
    Authenticated,
}

const fn command(name: &'static str, arity: isize, run: Run) -> Command {
    let access = Access::Authenticated;
    Command {
        name,
        arity,
        access,
        run,
    }
}

const fn open(name: &'static str, arity: isize, run: Run) -> Command {
    let access = Access::Anyone;
    Command {
        name,
        arity,
        access,
        run,
    }
}

/// All commands, the frequent ones first, because the table is searched from the front.
const TABLE: &[Command] = &[
    command("xadd", -5, streams::xadd),
    command("hget", 3, hashes::hget),
    command("xread", -4, streams::xread),
    command("xtrim", -4, streams::xtrim),
    command("hset", -4, hashes::hset),
    command("pexpire", -3, keys::pexpire),
    command("ping", -1, server::ping),
    command("xlen", 2, streams::xlen),
    command("xrange", -4, streams::xrange),
    command("xdel", -3, streams::xdel),
    command("xinfo", -2, streams::xinfo),
    command("hmget", -3, hashes::hmget),
    command("hgetall", 2, hashes::hgetall),
    command("hdel", -3, hashes::hdel),
    command("hlen", 2, hashes::hlen),
    command("set", -3, strings::set),
    command("get", 2, strings::get),
    command("del", -2, keys::del),
    command("exists", -2, keys::exists),
    command("type", 2, keys::type_of),
    command("expire", -3, keys::expire),
    command("ttl", 2, keys::ttl),
    command("pttl", 2, keys::pttl),
    command("keys", 2, keys::names),
    command("dbsize", 1, keys::dbsize),
    command("flushall", -1, keys::flush),
    command("flushdb", -1, keys::flush),
    command("echo", 2, server::echo),
    command("time", 1, server::time),
    command("info", -1, server::info),
    command("command", -1, server::command),
    command("select", 2, server::select),
    command("client", -2, session::client),
    open("auth", -2, session::auth),
    open("hello", -1, session::hello),
    open("quit", -1, session::quit),
];

/// Executes one command.
pub(super) fn execute(session: &mut Session, mut args: Args<'_>) -> Result<Reply, CommandError> {
    let count = isize::try_from(args.len()).unwrap_or(isize::MAX);
    let name = args.next()?;
    let Some(command) = TABLE.iter().find(|command| is_word(name, command.name)) else {
        return Err(unknown(name, args));
    };
    let fits = if command.arity < 0 {
        count >= -command.arity
    } else {
        count == command.arity
    };
    if !fits {
        return Err(CommandError::Arity(command.name));
    }
    if command.access == Access::Authenticated && !session.is_authenticated() {
        return Err(CommandError::NotAuthenticated);
    }
    (command.run)(session, &mut args)
}

fn unknown(name: &[u8], mut args: Args<'_>) -> CommandError {
    let mut arguments = String::new();
    while arguments.len() < MAX_ECHO {
        let Ok(argument) = args.next() else { break };
        let argument = echo(argument, MAX_ECHO - arguments.len());
        arguments.push_str(&format!("'{argument}' "));
    }
    let name = echo(name, MAX_ECHO);
    CommandError::Unknown { name, arguments }
}
