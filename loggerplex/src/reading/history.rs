//! The last entries of a client.

use std::io;
use std::path::PathBuf;

use chrono::{DateTime, Utc};

use super::entry::{LogEntry, split_entries};
use super::follow::Follow;
use super::places::LogPlace;
use super::source::{LogId, OpenLog, Source};
use crate::Zone;

/// Most bytes at the end of a file that are looked at for what was logged before: 64 MiB.
pub const MAX_HISTORY: u64 = 64 << 20;
/// Bytes that are looked at first.
const BLOCK: u64 = 64 << 10;

/// Which entries are wanted.
pub struct Wanted<'a> {
    /// Most entries.
    pub count: usize,
    /// Not before this time.
    pub since: Option<DateTime<Utc>>,
    /// The zone of times without one.
    pub zone: Zone,
    /// Whether an entry counts.
    pub fits: &'a dyn Fn(&LogEntry) -> bool,
}

/// The last entries of a client, the oldest first, and the place behind them, where what is added next follows.
///
/// # Errors
/// When a file cannot be read; one that vanishes is left out.
pub fn begin<S: Source>(
    source: &mut S,
    place: &LogPlace,
    wanted: &Wanted<'_>,
) -> io::Result<(Follow, Vec<LogEntry>)> {
    let growing = found(source.open(&place.path))?;
    // Listed after it was opened: whatever ended before it is there.
    let mut earlier = source.earlier(&place.path)?;
    if let Some(log) = &growing {
        leave_out_what_follows(source, place, &log.id, &mut earlier);
    }
    let done = earlier.last().map_or(0, |(number, _)| *number);
    let follow = Follow::at_end_of(growing.as_ref(), done);

    let mut entries: Vec<LogEntry> = Vec::new();
    let mut earlier = earlier.into_iter().rev();
    let mut next = growing;
    loop {
        if let Some(log) = &next {
            let missing = Wanted {
                count: wanted.count - entries.len(),
                ..*wanted
            };
            let (mut of_file, more) =
                found(last_of(source, log, place, &missing))?.unwrap_or((Vec::new(), true));
            of_file.append(&mut entries);
            entries = of_file;
            if !more {
                break;
            }
        }
        let Some((_, path)) = earlier.next() else { break };
        next = found(source.open(&path))?;
    }
    Ok((follow, entries))
}

/// Says to `source` what [`begin`] will read first of a file of this length.
pub fn expect_history<S: Source>(source: &mut S, place: &LogPlace) {
    source.expect(&place.path, &|_, length| length.saturating_sub(BLOCK));
}

/// The file may have ended after it was opened: then it and those behind it are among the earlier ones, and their turn
/// comes when the client is followed.
fn leave_out_what_follows<S: Source>(
    source: &mut S,
    place: &LogPlace,
    id: &LogId,
    earlier: &mut Vec<(u64, PathBuf)>,
) {
    let known = place.earlier.last().map_or(0, |(number, _)| *number);
    let is_it = |(number, path): &(u64, PathBuf)| {
        *number > known && source.open(path).is_ok_and(|log| id.is_now(&log.id))
    };
    if let Some(at) = earlier.iter().position(is_it) {
        earlier.truncate(at);
    }
}

/// None for what is not there.
fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

/// The last entries of a file, and whether earlier files may hold more.
fn last_of<S: Source>(
    source: &mut S,
    log: &OpenLog<S::File>,
    place: &LogPlace,
    wanted: &Wanted<'_>,
) -> io::Result<(Vec<LogEntry>, bool)> {
    let mut block = BLOCK;
    loop {
        let start = log.length.saturating_sub(block.min(MAX_HISTORY));
        let bytes = range(source, log, start)?;
        let mut entries = split_entries(&bytes);
        if start > 0 && !entries.is_empty() {
            // Its beginning may be missing.
            entries.remove(0);
        }
        let (found, over) = from_the_end(&entries, place, log.modified, wanted);
        if over || start == 0 || block >= MAX_HISTORY {
            return Ok((found, !over));
        }
        block *= 4;
    }
}

/// The bytes of a file from `start` to where it ended when it was opened.
fn range<S: Source>(source: &mut S, log: &OpenLog<S::File>, start: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        let at = start + bytes.len() as u64;
        let left = usize::try_from(log.length.saturating_sub(at)).unwrap_or(usize::MAX);
        let part = match left {
            0 => return Ok(bytes),
            _ => source.read_at(log, at, left)?,
        };
        if part.is_empty() {
            return Ok(bytes);
        }
        bytes.extend_from_slice(&part);
    }
}

/// What is wanted of some entries, and whether nothing before them is.
fn from_the_end(
    entries: &[&[u8]],
    place: &LogPlace,
    mut known: DateTime<Utc>,
    wanted: &Wanted<'_>,
) -> (Vec<LogEntry>, bool) {
    let mut found = Vec::new();
    let mut over = wanted.count == 0;
    for lines in entries.iter().rev() {
        if over {
            break;
        }
        let entry = LogEntry::parse(&place.client, lines, place.json, known, wanted.zone);
        known = entry.time;
        if wanted.since.is_some_and(|since| entry.time < since) {
            over = true;
        } else if (wanted.fits)(&entry) {
            found.push(entry);
            over = found.len() == wanted.count;
        }
    }
    found.reverse();
    (found, over)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Folder;
    use super::*;

    fn place(dir: &Path) -> LogPlace {
        LogPlace {
            client: "a".to_owned(),
            json: false,
            path: dir.join("a.log"),
            earlier: vec![(1, dir.join("a.log.x-1")), (2, dir.join("a.log.x-2"))],
        }
    }

    fn messages(
        dir: &Path,
        count: usize,
        since: Option<&str>,
        fits: &dyn Fn(&LogEntry) -> bool,
    ) -> Vec<String> {
        let wanted = Wanted {
            count,
            since: since.map(|time| time.parse().unwrap()),
            zone: Zone::Utc,
            fits,
        };
        let (_, entries) = begin(&mut Folder::new(dir), &place(dir), &wanted).unwrap();
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
    fn the_last_entries_come_from_as_many_files_as_it_takes() {
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
    fn a_long_file_is_read_from_its_end() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "a.log", 0..3000);
        let first = messages(dir.path(), 2900, None, &|_| true);
        assert_eq!((first.len(), &first[0][..]), (2900, "100\nmore"));
    }
}
