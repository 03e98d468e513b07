//! Commands that add and remove entries.

use std::sync::Arc;

use crate::args::{Args, integer, is_word};
use crate::commands::server::wall_clock_ms;
use crate::commands::session::Session;
use crate::error::CommandError;
use crate::output::Reply;
use crate::store::key_cost;
use crate::stream::{Bound, NewId, Stream, Trim, entry_cost};
use crate::stream_id::{StreamId, decimal};
use crate::value::Typed;

/// `XADD key [NOMKSTREAM] [MAXLEN | MINID [= | ~] threshold [LIMIT count]] * | id field value …`
pub(in crate::commands) fn xadd(session: &mut Session, args: &mut Args<'_>) -> Result<Reply, CommandError> {
    let key = args.next()?;
    let mut options = Options::default();
    let id = options.read(args)?;
    let trim = options.trim()?;
    let id = new_id(id.ok_or(CommandError::Arity("xadd"))?)?;
    if args.is_empty() || !args.len().is_multiple_of(2) {
        return Err(CommandError::Arity("xadd"));
    }
    let fields = Arc::from(args.values()?);

    let mut store = session.store();
    store.admit(key_cost(key) + entry_cost(&fields))?;
    if store.get::<Stream>(key)?.is_none() {
        if options.only_existing {
            return Ok(Reply::Nil);
        }
        store.insert(key, Stream::empty(), None);
    }
    let added = store.edit(key, |stream: &mut Stream| {
        let id = stream.append(id, wall_clock_ms(), fields)?;
        if let Some(trim) = trim {
            stream.trim(trim);
        }
        Ok(id)
    })?;
    store.wake(key);
    added.map_or(Ok(Reply::Nil), |id| id.map(Reply::Id))
}

/// `XTRIM key MAXLEN | MINID [= | ~] threshold [LIMIT count]`
pub(in crate::commands) fn xtrim(session: &mut Session, args: &mut Args<'_>) -> Result<Reply, CommandError> {
    let key = args.next()?;
    let mut options = Options::default();
    if options.read(args)?.is_some() || options.only_existing {
        return Err(CommandError::Syntax);
    }
    let trim = options.trim()?.ok_or(CommandError::Syntax)?;
    let removed = session
        .store()
        .edit(key, |stream: &mut Stream| stream.trim(trim))?;
    Ok(Reply::count(removed.unwrap_or_default()))
}

/// `XDEL key id …`
pub(in crate::commands) fn xdel(session: &mut Session, args: &mut Args<'_>) -> Result<Reply, CommandError> {
    let key = args.next()?;
    let mut ids = Vec::with_capacity(args.len());
    while let Ok(id) = args.next() {
        ids.push(StreamId::parse(id, 0)?);
    }
    let removed = session.store().edit(key, |stream: &mut Stream| {
        ids.into_iter().filter(|&id| stream.delete(id)).count()
    })?;
    Ok(Reply::count(removed.unwrap_or_default()))
}

/// Options of XADD and XTRIM.
#[derive(Default)]
struct Options {
    only_existing: bool,
    bound: Option<Bound>,
    /// `~` permits to keep more entries than asked for. Trimming is always exact here, which `~`
    /// permits too.
    is_approximate: bool,
    limit: Option<usize>,
}

impl Options {
    /// Parses options up to the first other argument, and returns that.
    fn read<'a>(&mut self, args: &mut Args<'a>) -> Result<Option<&'a [u8]>, CommandError> {
        while !args.is_empty() {
            let word = args.next()?;
            // An option with a value is never the last argument.
            let last = args.is_empty();
            if is_word(word, "nomkstream") {
                self.only_existing = true;
            } else if is_word(word, "maxlen") && !last {
                let threshold = self.threshold(args)?;
                let length = integer(threshold).ok_or(CommandError::NotInteger)?;
                let length = usize::try_from(length).map_err(|_| CommandError::Negative("MAXLEN"))?;
                self.bound = Some(Bound::MaxLen(length));
            } else if is_word(word, "minid") && !last {
                let threshold = self.threshold(args)?;
                self.bound = Some(Bound::MinId(StreamId::parse(threshold, 0)?));
            } else if is_word(word, "limit") && !last {
                let limit = args.integer()?;
                let limit = usize::try_from(limit).map_err(|_| CommandError::Negative("LIMIT"))?;
                self.limit = Some(limit);
            } else {
                return Ok(Some(word));
            }
        }
        Ok(None)
    }

    fn threshold<'a>(&mut self, args: &mut Args<'a>) -> Result<&'a [u8], CommandError> {
        if self.bound.is_some() {
            return Err(CommandError::TwoBounds);
        }
        let first = args.next()?;
        let operator = first == b"~" || first == b"=";
        self.is_approximate = first == b"~" && !args.is_empty();
        if operator && !args.is_empty() {
            args.next()
        } else {
            Ok(first)
        }
    }

    fn trim(&self) -> Result<Option<Trim>, CommandError> {
        if self.limit.is_some() && !self.is_approximate {
            return Err(CommandError::LimitWithoutTilde);
        }
        // Zero means no limit.
        let limit = self.limit.filter(|&limit| limit > 0);
        Ok(self.bound.map(|bound| Trim { bound, limit }))
    }
}

fn new_id(text: &[u8]) -> Result<NewId, CommandError> {
    if text == b"*" {
        return Ok(NewId::Clock);
    }
    if let Some(ms) = text.strip_suffix(b"-*") {
        return decimal(ms).map(NewId::InMillisecond);
    }
    match StreamId::parse(text, 0)? {
        StreamId::MIN => Err(CommandError::StreamIdZero),
        id => Ok(NewId::Exact(id)),
    }
}
