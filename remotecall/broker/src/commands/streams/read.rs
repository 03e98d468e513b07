//! Commands that read streams.

use std::time::Duration;

use crate::args::{Args, integer, is_word};
use crate::blocking_read::BlockingRead;
use crate::commands::session::Session;
use crate::error::{CommandError, MAX_ECHO, echo};
use crate::output::Reply;
use crate::store::Store;
use crate::stream::{Entry, Stream};
use crate::stream_id::StreamId;

/// `XREAD [COUNT count] [BLOCK milliseconds] STREAMS key … id | $ …`
pub(in crate::commands) fn xread(session: &mut Session, args: &mut Args<'_>) -> Result<Reply, CommandError> {
    let mut count = usize::MAX;
    let mut block = None;
    loop {
        let option = args.next()?;
        if is_word(option, "streams") && !args.is_empty() {
            break;
        } else if is_word(option, "count") {
            // Zero and negative numbers mean no limit.
            count = usize::try_from(args.integer()?)
                .ok()
                .filter(|&count| count > 0)
                .unwrap_or(usize::MAX);
        } else if is_word(option, "block") {
            block = Some(timeout(args.next()?)?);
        } else if is_word(option, "group") {
            return Err(CommandError::GroupOption("GROUP"));
        } else if is_word(option, "noack") {
            return Err(CommandError::GroupOption("NOACK"));
        } else {
            return Err(CommandError::Syntax);
        }
    }
    if !args.len().is_multiple_of(2) {
        return Err(CommandError::Unbalanced);
    }
    let keys = args.len() / 2;
    let keys = (0..keys).map(|_| args.value()).collect::<Result<Vec<_>, _>>()?;

    let store = session.store();
    let streams = keys.into_iter().map(|key| {
        let after = position(&store, &key, args.next()?)?;
        Ok((key, after))
    });
    let streams = streams.collect::<Result<Vec<_>, CommandError>>()?;
    let read = BlockingRead {
        streams,
        count,
        block,
    };
    let found = read.attempt(&store)?;
    drop(store);

    Ok(found.unwrap_or_else(|| {
        if read.block.is_some() {
            session.wait_for(read);
        }
        Reply::NilArray
    }))
}

/// `XRANGE key start end [COUNT count]`
pub(in crate::commands) fn xrange(session: &mut Session, args: &mut Args<'_>) -> Result<Reply, CommandError> {
    let key = args.next()?;
    let first = range_start(args.next()?)?;
    let last = range_end(args.next()?)?;
    let mut count = i64::MAX;
    while !args.is_empty() {
        if !args.take_word("count") {
            return Err(CommandError::Syntax);
        }
        count = args.integer()?;
    }
    let store = session.store();
    let stream = store.get::<Stream>(key)?;
    match usize::try_from(count) {
        Ok(0) | Err(_) => Ok(Reply::NilArray),
        Ok(count) => {
            Ok(Reply::Entries(stream.map_or_else(Vec::new, |stream| {
                stream.range(first, last, count)
            })))
        }
    }
}

/// `XLEN key`
pub(in crate::commands) fn xlen(session: &mut Session, args: &mut Args<'_>) -> Result<Reply, CommandError> {
    let key = args.next()?;
    Ok(Reply::count(
        session.store().get::<Stream>(key)?.map_or(0, Stream::len),
    ))
}

/// `XINFO STREAM key`, without the facts about radix trees that Redis has.
pub(in crate::commands) fn xinfo(session: &mut Session, args: &mut Args<'_>) -> Result<Reply, CommandError> {
    let subcommand = args.next()?;
    if !is_word(subcommand, "stream") {
        let name = echo(subcommand, MAX_ECHO);
        return Err(CommandError::UnknownSubcommand {
            command: "XINFO",
            name,
        });
    }
    if args.len() != 1 {
        return Err(CommandError::Arity("xinfo|stream"));
    }
    let key = args.next()?;
    let store = session.store();
    let stream = store.get::<Stream>(key)?.ok_or(CommandError::NoSuchKey)?;
    let first_id = stream.first_entry().map_or(StreamId::MIN, |entry| entry.id);
    let facts = [
        ("length", Reply::count(stream.len())),
        ("last-generated-id", Reply::Id(stream.last_id())),
        ("max-deleted-entry-id", Reply::Id(stream.max_deleted())),
        ("entries-added", Reply::count(stream.added())),
        ("recorded-first-entry-id", Reply::Id(first_id)),
        ("groups", Reply::Integer(0)),
        ("first-entry", entry(stream.first_entry())),
        ("last-entry", entry(stream.last_entry())),
    ];
    let facts = facts
        .into_iter()
        .flat_map(|(name, fact)| [Reply::string(name), fact]);
    Ok(Reply::Array(facts.collect()))
}

fn timeout(argument: &[u8]) -> Result<Duration, CommandError> {
    let ms = integer(argument).ok_or(CommandError::TimeoutNotInteger)?;
    let ms = u64::try_from(ms).map_err(|_| CommandError::TimeoutNegative)?;
    Ok(Duration::from_millis(ms))
}

/// Id after which a stream is read.
fn position(store: &Store, key: &[u8], id: &[u8]) -> Result<StreamId, CommandError> {
    match id {
        b"$" => Ok(store.get::<Stream>(key)?.map_or(StreamId::MIN, Stream::last_id)),
        b">" => Err(CommandError::GroupId),
        id => StreamId::parse(id, 0),
    }
}

fn range_start(text: &[u8]) -> Result<StreamId, CommandError> {
    match text {
        b"-" => Ok(StreamId::MIN),
        b"+" => Ok(StreamId::MAX),
        [b'(', id @ ..] => StreamId::parse(id, 0)?
            .next()
            .ok_or(CommandError::Interval("start")),
        id => StreamId::parse(id, 0),
    }
}

fn range_end(text: &[u8]) -> Result<StreamId, CommandError> {
    match text {
        b"-" => Ok(StreamId::MIN),
        b"+" => Ok(StreamId::MAX),
        [b'(', id @ ..] => StreamId::parse(id, u64::MAX)?
            .previous()
            .ok_or(CommandError::Interval("end")),
        id => StreamId::parse(id, u64::MAX),
    }
}

fn entry(entry: Option<&Entry>) -> Reply {
    let Some(entry) = entry else {
        return Reply::Nil;
    };
    let fields = entry.fields.iter().cloned().map(Reply::Bulk);
    Reply::Array(vec![Reply::Id(entry.id), Reply::Array(fields.collect())])
}
