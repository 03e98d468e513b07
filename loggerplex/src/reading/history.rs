//! The last entries of a client.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use chrono::{DateTime, Utc};

use super::entry::{LogEntry, split_entries};
use super::places::LogPlace;
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

/// The last entries of a client, the oldest first; what is in its newest file beyond `end` bytes is not looked at.
///
/// # Errors
/// When a file cannot be read; one that vanishes is left out.
pub fn last_entries(place: &LogPlace, end: u64, wanted: &Wanted<'_>) -> io::Result<Vec<LogEntry>> {
    let mut found: Vec<LogEntry> = Vec::new();
    let newest = std::iter::once((&place.path, end));
    let earlier = place.earlier.iter().rev().map(|path| (path, u64::MAX));
    for (path, end) in newest.chain(earlier) {
        let missing = Wanted {
            count: wanted.count - found.len(),
            ..*wanted
        };
        let (mut of_file, more) = match last_of_file(path, place, end, &missing) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other?,
        };
        of_file.append(&mut found);
        found = of_file;
        if !more {
            break;
        }
    }
    Ok(found)
}

/// The last entries of a file, and whether earlier files may hold more.
fn last_of_file(
    path: &Path,
    place: &LogPlace,
    end: u64,
    wanted: &Wanted<'_>,
) -> io::Result<(Vec<LogEntry>, bool)> {
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    let end = end.min(metadata.len());
    let known = metadata.modified().map_or_else(|_| Utc::now(), DateTime::from);
    let mut block = BLOCK;
    loop {
        let start = end.saturating_sub(block.min(MAX_HISTORY));
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        file.by_ref().take(end - start).read_to_end(&mut bytes)?;
        let mut entries = split_entries(&bytes);
        if start > 0 && !entries.is_empty() {
            // Its beginning may be missing.
            entries.remove(0);
        }
        let (found, over) = from_the_end(&entries, place, known, wanted);
        if over || start == 0 || block >= MAX_HISTORY {
            return Ok((found, !over));
        }
        block *= 4;
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
    use super::*;

    fn place(dir: &Path) -> LogPlace {
        LogPlace {
            client: "a".to_owned(),
            json: false,
            path: dir.join("a.log"),
            earlier: vec![dir.join("a.log.x-1"), dir.join("a.log.x-2")],
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
        let entries = last_entries(&place(dir), u64::MAX, &wanted).unwrap();
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
