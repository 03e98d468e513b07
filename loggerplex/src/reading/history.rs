//! History: the last entries of a client.

use std::io;
use std::path::PathBuf;

use chrono::{DateTime, TimeDelta, Utc};

use super::entry::{LogEntry, split_entries};
use super::follower::Follower;
use super::source::{OpenLog, Source};
use crate::files::{ClientFiles, LogId};
use crate::format::Zone;

/// Limit on the bytes at the end of a file that are searched: 64 MiB.
pub const MAX_HISTORY: u64 = 64 << 20;
/// Bytes of the first search step: 64 KiB. Each further step quadruples them.
const FIRST_BLOCK: u64 = 64 << 10;

/// Largest step back of a worker's clock: 2 h. The hour that comes twice in autumn is one, too.
const MAX_STEP: TimeDelta = TimeDelta::hours(2);

/// Selection of past entries.
///
/// ```
/// use loggerplex::Level;
/// use loggerplex::reading::HistoryQuery;
///
/// // The last ten errors.
/// let is_error = |entry: &loggerplex::reading::LogEntry| entry.level >= Some(Level::ERROR);
/// let query = HistoryQuery::last(10).filter(&is_error);
/// assert_eq!(query.limit, 10);
/// ```
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct HistoryQuery<'a> {
    /// Limit on the number of entries.
    pub limit: usize,
    /// Earliest time of an entry. Default: none.
    pub since: Option<DateTime<Utc>>,
    /// Zone of times that name none. Default: local.
    pub zone: Zone,
    /// Filter of entries. Default: all pass.
    pub filter: &'a dyn Fn(&LogEntry) -> bool,
}

impl<'a> HistoryQuery<'a> {
    /// Selects the last entries, at most `limit`.
    pub fn last(limit: usize) -> Self {
        Self {
            limit,
            since: None,
            zone: Zone::default(),
            filter: &|_| true,
        }
    }

    /// Sets the earliest time.
    #[must_use]
    pub fn since(mut self, since: impl Into<Option<DateTime<Utc>>>) -> Self {
        self.since = since.into();
        self
    }

    /// Sets the zone of times that name none.
    #[must_use]
    pub fn zone(mut self, zone: Zone) -> Self {
        self.zone = zone;
        self
    }

    /// Sets the filter.
    #[must_use]
    pub fn filter(mut self, filter: &'a dyn Fn(&LogEntry) -> bool) -> Self {
        self.filter = filter;
        self
    }
}

/// Reads the last entries of a client, oldest first, and returns a [`Follower`] positioned after
/// them.
///
/// The [module](super) has an example. Files that vanish meanwhile are left out.
///
/// # Errors
/// Fails when a file cannot be read.
pub fn read_history<S: Source>(
    source: &mut S,
    files: &ClientFiles,
    query: &HistoryQuery<'_>,
) -> io::Result<(Follower, Vec<LogEntry>)> {
    let current = none_if_missing(source.open(&files.path))?;
    // Rotated files are listed after the current one was opened, so none between them is missed.
    let mut rotated = source.rotated(&files.path)?;
    if let Some(log) = &current {
        drop_from_current(source, files, &log.id, &mut rotated);
    }
    let last_rotated = rotated.last().map_or(0, |(number, _)| *number);
    let follower = Follower::at_end_of(current.as_ref(), last_rotated);

    let mut entries: Vec<LogEntry> = Vec::new();
    let mut rotated = rotated.into_iter().rev();
    let mut next = current;
    loop {
        if let Some(log) = &next {
            let missing = HistoryQuery {
                limit: query.limit - entries.len(),
                ..*query
            };
            let (mut of_file, more) =
                none_if_missing(last_entries(source, log, files, &missing))?.unwrap_or((Vec::new(), true));
            of_file.append(&mut entries);
            entries = of_file;
            if !more {
                break;
            }
        }
        let Some((_, path)) = rotated.next() else { break };
        next = none_if_missing(source.open(&path))?;
    }
    Ok((follower, entries))
}

/// Announces a [`read_history`] to the source, so that a remote source requests several files
/// together.
///
/// ```
/// use loggerplex::reading::{FolderSource, HistoryQuery, Source, prefetch_history, read_history};
///
/// let folder = tempfile::tempdir()?;
/// std::fs::write(folder.path().join("agent.log"), "12:00:00 INFO> hi\n")?;
/// let mut source = FolderSource::new(folder.path());
/// let clients = source.list()?.unwrap_or_default();
/// for files in &clients {
///     prefetch_history(&mut source, files);
/// }
/// for files in &clients {
///     let (_, entries) = read_history(&mut source, files, &HistoryQuery::last(1))?;
///     assert_eq!(entries[0].message, "hi");
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn prefetch_history<S: Source>(source: &mut S, files: &ClientFiles) {
    source.prefetch(&files.path, &|_, length| length.saturating_sub(FIRST_BLOCK));
}

/// Drops the current file and those after it from the rotated files.
///
/// They are there when the current file was rotated after it was opened. The follower reads them.
fn drop_from_current<S: Source>(
    source: &mut S,
    files: &ClientFiles,
    current: &LogId,
    rotated: &mut Vec<(u64, PathBuf)>,
) {
    let last_listed = files.rotated.last().map_or(0, |(number, _)| *number);
    let is_current = |(number, path): &(u64, PathBuf)| {
        *number > last_listed && source.open(path).is_ok_and(|log| current.is_same_file(&log.id))
    };
    if let Some(at) = rotated.iter().position(is_current) {
        rotated.truncate(at);
    }
}

fn none_if_missing<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

/// Last entries of one file, and whether older files may hold more.
fn last_entries<S: Source>(
    source: &mut S,
    log: &OpenLog<S::File>,
    files: &ClientFiles,
    query: &HistoryQuery<'_>,
) -> io::Result<(Vec<LogEntry>, bool)> {
    let mut block = FIRST_BLOCK;
    loop {
        let start = log.length.saturating_sub(block.min(MAX_HISTORY));
        let bytes = read_from(source, log, start)?;
        let mut entries = split_entries(&bytes);
        if start > 0 && !entries.is_empty() {
            // The first one may lack its beginning.
            entries.remove(0);
        }
        let (found, is_complete) = search_backwards(&entries, files, log.modified, query);
        if is_complete || start == 0 || block >= MAX_HISTORY {
            return Ok((found, !is_complete));
        }
        block *= 4;
    }
}

/// Reads a file from `start` to the end that it had when it was opened.
fn read_from<S: Source>(source: &mut S, log: &OpenLog<S::File>, start: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        let offset = start + bytes.len() as u64;
        let left = usize::try_from(log.length.saturating_sub(offset)).unwrap_or(usize::MAX);
        let part = match left {
            0 => return Ok(bytes),
            _ => source.read_at(log, offset, left)?,
        };
        if part.is_empty() {
            return Ok(bytes);
        }
        bytes.extend_from_slice(&part);
    }
}

/// Selects entries from the last one backwards. Also returns whether older entries cannot be
/// selected any more.
fn search_backwards(
    entries: &[&[u8]],
    files: &ClientFiles,
    mut reference: DateTime<Utc>,
    query: &HistoryQuery<'_>,
) -> (Vec<LogEntry>, bool) {
    let mut found = Vec::new();
    let mut is_complete = query.limit == 0;
    for lines in entries.iter().rev() {
        if is_complete {
            break;
        }
        let entry = LogEntry::parse(&files.client, lines, files.json, reference, query.zone);
        reference = entry.time;
        if let Some(since) = query.since.filter(|since| entry.time < *since) {
            // Entries before a clock that stepped back may be late enough.
            is_complete = entry.time < since - MAX_STEP;
        } else if (query.filter)(&entry) {
            found.push(entry);
            is_complete = found.len() == query.limit;
        }
    }
    found.reverse();
    (found, is_complete)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::reading::FolderSource;

    fn files(dir: &Path) -> ClientFiles {
        ClientFiles {
            client: "a".to_owned(),
            json: false,
            path: dir.join("a.log"),
            rotated: vec![(1, dir.join("a.log.x-1")), (2, dir.join("a.log.x-2"))],
        }
    }

    fn messages(
        dir: &Path,
        limit: usize,
        since: Option<&str>,
        filter: &dyn Fn(&LogEntry) -> bool,
    ) -> Vec<String> {
        let since: Option<DateTime<Utc>> = since.map(|time| time.parse().unwrap());
        let query = HistoryQuery::last(limit)
            .since(since)
            .zone(Zone::Utc)
            .filter(filter);
        let (_, entries) = read_history(&mut FolderSource::new(dir), &files(dir), &query).unwrap();
        entries.into_iter().map(|entry| entry.message).collect()
    }

    fn write(dir: &Path, name: &str, numbers: std::ops::Range<u32>) {
        let line = |n: u32| {
            format!(
                "2018-03-09T12:{:02}:{:02}Z INFO> {n}\n    | more\n",
                n / 60,
                n % 60
            )
        };
        std::fs::write(dir.join(name), numbers.map(line).collect::<String>()).unwrap();
    }

    #[test]
    fn the_last_entries_may_span_several_files() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "a.log.x-1", 0..10);
        write(dir.path(), "a.log.x-2", 10..20);
        write(dir.path(), "a.log", 20..25);
        let last = |count| messages(dir.path(), count, None, &|_| true);
        assert_eq!(last(0), Vec::<String>::new());
        assert_eq!(last(2), ["23\nmore", "24\nmore"]);
        assert_eq!(last(7).first().unwrap(), "18\nmore");
        assert_eq!(last(usize::MAX).len(), 25);
        let since = messages(dir.path(), usize::MAX, Some("2018-03-09T12:00:17Z"), &|_| true);
        assert_eq!((since.len(), &since[0][..]), (8, "17\nmore"));
        let even = messages(dir.path(), 3, None, &|entry| entry.message.starts_with("1"));
        assert_eq!(even, ["17\nmore", "18\nmore", "19\nmore"]);
    }

    #[test]
    fn a_long_file_is_searched_from_its_end() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "a.log", 0..3000);
        let first = messages(dir.path(), 2900, None, &|_| true);
        assert_eq!((first.len(), &first[0][..]), (2900, "100\nmore"));
    }
}
