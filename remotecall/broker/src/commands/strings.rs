//! Commands on strings.

use bytes::Bytes;

use super::keys::{MILLISECOND, SECOND, lifetime_ms};
use super::session::Session;
use crate::args::{Args, is_word};
use crate::error::CommandError;
use crate::output::Reply;
use crate::store::key_cost;
use crate::value::Value;

/// Condition on the key for SET.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition {
    Always,
    IfAbsent,
    IfPresent,
}

/// Options of SET.
struct Options {
    condition: Condition,
    lifetime_ms: Option<u64>,
}

impl Options {
    fn read(args: &mut Args<'_>) -> Result<Self, CommandError> {
        let mut condition = Condition::Always;
        let mut expiry: Option<(i64, &[u8])> = None;
        // The same option twice is allowed, two different units are not.
        let may_be_in = |expiry: Option<(i64, &[u8])>, unit| expiry.is_none_or(|(before, _)| before == unit);
        while !args.is_empty() {
            let option = args.next()?;
            if is_word(option, "nx") && condition != Condition::IfPresent {
                condition = Condition::IfAbsent;
            } else if is_word(option, "xx") && condition != Condition::IfAbsent {
                condition = Condition::IfPresent;
            } else if is_word(option, "ex") && may_be_in(expiry, SECOND) {
                expiry = Some((SECOND, args.next()?));
            } else if is_word(option, "px") && may_be_in(expiry, MILLISECOND) {
                expiry = Some((MILLISECOND, args.next()?));
            } else {
                return Err(CommandError::Syntax);
            }
        }
        let lifetime_ms = expiry
            .map(|(unit, number)| positive_lifetime_ms(number, unit))
            .transpose()?;
        Ok(Self {
            condition,
            lifetime_ms,
        })
    }
}

/// `SET key value [NX | XX] [EX seconds | PX milliseconds]`
pub(super) fn set(session: &mut Session, args: &mut Args<'_>) -> Result<Reply, CommandError> {
    let key = args.next()?;
    let value = args.value()?;
    let options = Options::read(args)?;

    let mut store = session.store();
    store.admit(key_cost(key) + value.len())?;
    match (options.condition, store.value(key).is_some()) {
        (Condition::IfAbsent, true) | (Condition::IfPresent, false) => return Ok(Reply::Nil),
        _ => {}
    }
    let deadline = options.lifetime_ms.map(|ms| store.deadline_in(ms));
    store.insert(key, Value::Text(value), deadline);
    Ok(Reply::OK)
}

/// `GET key`
pub(super) fn get(session: &mut Session, args: &mut Args<'_>) -> Result<Reply, CommandError> {
    let key = args.next()?;
    Ok(Reply::maybe(session.store().get::<Bytes>(key)?))
}

fn positive_lifetime_ms(number: &[u8], unit_ms: i64) -> Result<u64, CommandError> {
    let ms = lifetime_ms(number, unit_ms, "set")?;
    let ms = u64::try_from(ms).ok().filter(|&ms| ms > 0);
    ms.ok_or(CommandError::ExpireTime("set"))
}
