//! Commands on hashes.

use super::session::Session;
use crate::args::Args;
use crate::error::CommandError;
use crate::output::Reply;
use crate::store::key_cost;
use crate::value::{Hash, Typed, hash_field_cost};

/// `HSET key field value …`
pub(super) fn hset(session: &mut Session, args: &mut Args<'_>) -> Result<Reply, CommandError> {
    let key = args.next()?;
    if !args.len().is_multiple_of(2) {
        return Err(CommandError::Arity("hset"));
    }
    let mut pairs = Vec::with_capacity(args.len() / 2);
    while !args.is_empty() {
        pairs.push((args.value()?, args.value()?));
    }
    let cost: usize = pairs
        .iter()
        .map(|(field, value)| hash_field_cost(field, value))
        .sum();

    let mut store = session.store();
    store.admit(key_cost(key) + cost)?;
    if store.get::<Hash>(key)?.is_none() {
        store.insert(key, Hash::empty(), None);
    }
    let added = store.edit(key, |hash: &mut Hash| {
        let added = pairs
            .into_iter()
            .filter_map(|(field, value)| hash.set(field, value).then_some(()));
        added.count()
    })?;
    Ok(Reply::count(added.unwrap_or_default()))
}

/// `HGET key field`
pub(super) fn hget(session: &mut Session, args: &mut Args<'_>) -> Result<Reply, CommandError> {
    let (key, field) = (args.next()?, args.next()?);
    let store = session.store();
    let hash = store.get::<Hash>(key)?;
    Ok(Reply::maybe(hash.and_then(|hash| hash.fields().get(field))))
}

/// `HMGET key field …`
pub(super) fn hmget(session: &mut Session, args: &mut Args<'_>) -> Result<Reply, CommandError> {
    let key = args.next()?;
    let store = session.store();
    let hash = store.get::<Hash>(key)?;
    let mut values = Vec::with_capacity(args.len());
    while let Ok(field) = args.next() {
        values.push(Reply::maybe(hash.and_then(|hash| hash.fields().get(field))));
    }
    Ok(Reply::Array(values))
}

/// `HGETALL key`
pub(super) fn hgetall(session: &mut Session, args: &mut Args<'_>) -> Result<Reply, CommandError> {
    let key = args.next()?;
    let store = session.store();
    let fields = store.get::<Hash>(key)?.into_iter().flat_map(Hash::fields);
    let replies = fields
        .flat_map(|(field, value)| [field, value])
        .cloned()
        .map(Reply::Bulk);
    Ok(Reply::Array(replies.collect()))
}

/// `HDEL key field …`
pub(super) fn hdel(session: &mut Session, args: &mut Args<'_>) -> Result<Reply, CommandError> {
    let key = args.next()?;
    let removed = session.store().edit(key, |hash: &mut Hash| {
        let mut removed = 0;
        while let Ok(field) = args.next() {
            removed += usize::from(hash.remove(field));
        }
        removed
    })?;
    Ok(Reply::count(removed.unwrap_or_default()))
}

/// `HLEN key`
pub(super) fn hlen(session: &mut Session, args: &mut Args<'_>) -> Result<Reply, CommandError> {
    let key = args.next()?;
    let length = session
        .store()
        .get::<Hash>(key)?
        .map_or(0, |hash| hash.fields().len());
    Ok(Reply::count(length))
}
