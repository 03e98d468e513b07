//! Commands on keys of any type.

use super::server::wall_clock_ms;
use super::session::Session;
use crate::args::{Args, integer};
use crate::error::{CommandError, MAX_ECHO, echo};
use crate::output::Reply;
use crate::value::Value;

/// Unit of EXPIRE and TTL, in milliseconds.
pub(super) const SECOND: i64 = 1000;
/// Unit of PEXPIRE and PTTL, in milliseconds.
pub(super) const MILLISECOND: i64 = 1;

/// `DEL key …`
pub(super) fn del(session: &mut Session, args: &mut Args<'_>) -> Result<Reply, CommandError> {
    let mut store = session.store();
    let mut count = 0;
    while let Ok(key) = args.next() {
        count += usize::from(store.remove(key));
    }
    Ok(Reply::count(count))
}

/// `EXISTS key …`
pub(super) fn exists(session: &mut Session, args: &mut Args<'_>) -> Result<Reply, CommandError> {
    let store = session.store();
    let mut count = 0;
    while let Ok(key) = args.next() {
        count += usize::from(store.value(key).is_some());
    }
    Ok(Reply::count(count))
}

/// `TYPE key`
pub(super) fn type_of(session: &mut Session, args: &mut Args<'_>) -> Result<Reply, CommandError> {
    let key = args.next()?;
    Ok(Reply::Text(
        session.store().value(key).map_or("none", Value::type_name),
    ))
}

/// `EXPIRE key seconds`
pub(super) fn expire(session: &mut Session, args: &mut Args<'_>) -> Result<Reply, CommandError> {
    expire_after(session, args, SECOND, "expire")
}

/// `PEXPIRE key milliseconds`
pub(super) fn pexpire(session: &mut Session, args: &mut Args<'_>) -> Result<Reply, CommandError> {
    expire_after(session, args, MILLISECOND, "pexpire")
}

/// `TTL key`
pub(super) fn ttl(session: &mut Session, args: &mut Args<'_>) -> Result<Reply, CommandError> {
    lifetime(session, args.next()?, SECOND)
}

/// `PTTL key`
pub(super) fn pttl(session: &mut Session, args: &mut Args<'_>) -> Result<Reply, CommandError> {
    lifetime(session, args.next()?, MILLISECOND)
}

/// `KEYS pattern`, with a star at the end or none.
pub(super) fn names(session: &mut Session, args: &mut Args<'_>) -> Result<Reply, CommandError> {
    let pattern = args.next()?;
    let prefix = pattern.strip_suffix(b"*");
    let literal = prefix.unwrap_or(pattern);
    if literal.iter().any(|byte| b"*?[\\".contains(byte)) {
        return Err(CommandError::Pattern);
    }
    let store = session.store();
    let fits = |name: &[u8]| {
        if prefix.is_some() {
            name.starts_with(literal)
        } else {
            name == literal
        }
    };
    let names = store.names().filter(|name| fits(name)).cloned();
    Ok(Reply::Array(names.map(Reply::Bulk).collect()))
}

/// `DBSIZE`
pub(super) fn dbsize(session: &mut Session, _args: &mut Args<'_>) -> Result<Reply, CommandError> {
    Ok(Reply::count(session.store().len()))
}

/// `FLUSHALL [ASYNC | SYNC]` and `FLUSHDB`
pub(super) fn flush(session: &mut Session, args: &mut Args<'_>) -> Result<Reply, CommandError> {
    let known = args.is_empty() || args.take_word("async") || args.take_word("sync");
    if !known || !args.is_empty() {
        return Err(CommandError::Syntax);
    }
    session.store().clear();
    Ok(Reply::OK)
}

/// Parses a lifetime and returns it in milliseconds; zero or less means that it is over.
pub(super) fn lifetime_ms(number: &[u8], unit_ms: i64, command: &'static str) -> Result<i64, CommandError> {
    let number = integer(number).ok_or(CommandError::NotInteger)?;
    let now = i64::try_from(wall_clock_ms()).unwrap_or(i64::MAX);
    let ms = number.checked_mul(unit_ms);
    // Redis stores the deadline as a time of the wall clock, so that time must not overflow.
    ms.filter(|ms| ms.checked_add(now).is_some())
        .ok_or(CommandError::ExpireTime(command))
}

fn expire_after(
    session: &mut Session,
    args: &mut Args<'_>,
    unit_ms: i64,
    command: &'static str,
) -> Result<Reply, CommandError> {
    let key = args.next()?;
    let number = args.next()?;
    if let Ok(option) = args.next() {
        return Err(CommandError::UnsupportedOption(echo(option, MAX_ECHO)));
    }
    let ms = lifetime_ms(number, unit_ms, command)?;
    let mut store = session.store();
    let found = match u64::try_from(ms) {
        Ok(ms) if ms > 0 => store.expire_in(key, ms),
        _ => store.remove(key),
    };
    Ok(Reply::count(u8::from(found)))
}

fn lifetime(session: &mut Session, key: &[u8], unit_ms: i64) -> Result<Reply, CommandError> {
    Ok(match session.store().lifetime(key) {
        None => Reply::Integer(-2),
        Some(None) => Reply::Integer(-1),
        Some(Some(ms)) => {
            let ms = i64::try_from(ms).unwrap_or(i64::MAX);
            Reply::Integer(ms.saturating_add(unit_ms / 2) / unit_ms)
        }
    })
}
