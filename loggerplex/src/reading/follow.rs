//! What is added to the files of a client.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use chrono::Utc;

use super::entry::{LogEntry, split_entries};
use super::places::{LogPlace, earlier_files};
use crate::Zone;

/// Most bytes that are read from a file at once.
const AT_ONCE: u64 = 8 << 20;
/// Longest entry: what is longer comes in parts. Messages end at [`MAX_MESSAGE`](crate::MAX_MESSAGE), so others wrote it.
const MAX_ENTRY: usize = 64 << 20;

/// Bytes at the beginning of a file by which it is known: a number in the file system is given away again.
const HEAD: usize = 64;

/// A place in the files of a client.
#[derive(Debug, Default)]
pub struct Follow {
    /// None before there was a file.
    file: Option<FileId>,
    at: u64,
    /// The highest number of an earlier file that is done.
    done: u64,
    /// An entry that may go on.
    partial: Vec<u8>,
}

/// What does not change when a file is moved.
#[derive(Clone, Debug, PartialEq, Eq)]
struct FileId {
    number: u64,
    head: Vec<u8>,
}

impl Follow {
    /// At the end of the file that grows now, and how long that is.
    pub fn from_end(place: &LogPlace) -> (Self, u64) {
        let mut follow = Self::default();
        let earlier = earlier_files(&place.path).unwrap_or_default();
        follow.done = earlier.last().map_or(0, |(number, _)| *number);
        if let Ok((_, id, length)) = open(&place.path) {
            (follow.file, follow.at) = (Some(id), length);
        }
        let end = follow.at;
        (follow, end)
    }

    /// Passes on what was added since the last time. An entry that may go on waits until nothing more comes.
    ///
    /// # Errors
    /// When a file cannot be read; one that is not there has nothing new.
    pub fn read(&mut self, place: &LogPlace, zone: Zone, see: &mut dyn FnMut(LogEntry)) -> io::Result<()> {
        let (file, at) = (self.file.clone(), self.at);
        let mut sink = Sink { place, zone, see };
        match open(&place.path) {
            Ok((mut file, id, length)) => {
                if !self.is_at(&id) {
                    // The directory is listed after the file was opened: whatever ended before it is there.
                    self.read_earlier(&id, &mut sink)?;
                }
                if !self.is_at(&id) || length < self.at {
                    self.at = 0;
                }
                self.file = Some(id);
                self.read_on(&mut file, &mut sink)?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.read_earlier(&FileId::none(), &mut sink)?;
            }
            Err(error) => return Err(error),
        }
        if (file.map(|file| file.number), at) == (self.file.as_ref().map(|file| file.number), self.at) {
            self.pass_on(true, &mut sink);
        }
        Ok(())
    }

    fn is_at(&self, id: &FileId) -> bool {
        self.file.as_ref().is_some_and(|file| file.is_now(id))
    }

    /// Reads to their ends the files that have ended before `current`, which is read by the caller.
    fn read_earlier(&mut self, current: &FileId, sink: &mut Sink<'_>) -> io::Result<()> {
        for (number, path) in earlier_files(&sink.place.path)? {
            if number <= self.done {
                continue;
            }
            let (mut file, id, _) = match open(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other?,
            };
            // Moved while we looked: it and those behind it have their turn later.
            if id == *current {
                break;
            }
            if !self.is_at(&id) {
                self.at = 0;
            }
            (self.file, self.done) = (Some(id), number);
            self.read_on(&mut file, sink)?;
        }
        Ok(())
    }

    fn read_on(&mut self, file: &mut File, sink: &mut Sink<'_>) -> io::Result<()> {
        file.seek(SeekFrom::Start(self.at))?;
        loop {
            let read = file.take(AT_ONCE).read_to_end(&mut self.partial)? as u64;
            if read == 0 {
                return Ok(());
            }
            self.at += read;
            self.pass_on(false, sink);
        }
    }

    /// Passes on whole entries; the last one only when nothing more came.
    fn pass_on(&mut self, quiet: bool, sink: &mut Sink<'_>) {
        let mut entries = split_entries(&self.partial);
        let is_open = |lines: &&[u8]| !quiet || !lines.ends_with(b"\n");
        if self.partial.len() <= MAX_ENTRY && entries.last().is_some_and(is_open) {
            entries.pop();
        }
        let now = Utc::now();
        let mut done = 0;
        for lines in entries {
            done += lines.len();
            let place = sink.place;
            (sink.see)(LogEntry::parse(&place.client, lines, place.json, now, sink.zone));
        }
        self.partial.drain(..done);
    }
}

/// Where entries go.
struct Sink<'a> {
    place: &'a LogPlace,
    zone: Zone,
    see: &'a mut dyn FnMut(LogEntry),
}

impl FileId {
    fn none() -> Self {
        Self {
            number: 0,
            head: Vec::new(),
        }
    }

    /// Whether this file is that one now: it may have grown.
    fn is_now(&self, later: &Self) -> bool {
        self.number == later.number && later.head.starts_with(&self.head)
    }
}

/// A file, what it is known by, and its length.
fn open(path: &Path) -> io::Result<(File, FileId, u64)> {
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    let mut head = Vec::new();
    file.by_ref().take(HEAD as u64).read_to_end(&mut head)?;
    let id = FileId {
        number: metadata.ino(),
        head,
    };
    Ok((file, id, metadata.len()))
}

#[cfg(test)]
mod tests {
    use super::super::find_logs;
    use super::*;
    use std::io::Write;

    struct Client(tempfile::TempDir, Follow);

    impl Client {
        fn append(&self, text: &str) {
            let mut file = File::options()
                .create(true)
                .append(true)
                .open(self.0.path().join("a.log"))
                .unwrap();
            file.write_all(text.as_bytes()).unwrap();
        }

        fn rotate(&self, number: u32) {
            let to = self.0.path().join(format!("a.log.20180309-123456-{number}"));
            std::fs::rename(self.0.path().join("a.log"), to).unwrap();
        }

        /// Messages that are new; two looks, since the last entry waits for silence.
        fn news(&mut self) -> Vec<String> {
            let mut news = Vec::new();
            for _ in 0..2 {
                for place in find_logs(self.0.path()).unwrap() {
                    self.1
                        .read(&place, Zone::Utc, &mut |entry| news.push(entry.message))
                        .unwrap();
                }
            }
            news
        }
    }

    #[test]
    fn what_is_added_comes_once_and_whole() {
        let mut client = Client(tempfile::tempdir().unwrap(), Follow::default());
        assert!(client.news().is_empty());
        client.append("12:00:00 INFO> one\n12:00:01 INFO> tw");
        assert_eq!(client.news(), ["one"]);
        client.append("o\n    | lines\n");
        assert_eq!(client.news(), ["two\nlines"]);
        assert!(client.news().is_empty());
    }

    #[test]
    fn an_entry_is_not_cut_where_a_read_ends() {
        let mut client = Client(tempfile::tempdir().unwrap(), Follow::default());
        client.append("12:00:00 INFO> one\n");
        let mut news = Vec::new();
        let place = &find_logs(client.0.path()).unwrap()[0];
        client
            .1
            .read(place, Zone::Utc, &mut |entry| news.push(entry.message))
            .unwrap();
        assert!(news.is_empty(), "its second line may be on its way");
        client.append("    | line\n");
        assert_eq!(client.news(), ["one\nline"]);
    }

    #[test]
    fn several_rotations_between_two_looks_lose_nothing() {
        let mut client = Client(tempfile::tempdir().unwrap(), Follow::default());
        client.append("12:00:00 INFO> 1\n");
        assert_eq!(client.news(), ["1"]);
        client.append("12:00:00 INFO> 2\n");
        client.rotate(9);
        client.append("12:00:00 INFO> 3\n");
        client.rotate(10);
        client.append("12:00:00 INFO> 4\n");
        assert_eq!(client.news(), ["2", "3", "4"]);
        client.rotate(11);
        assert!(client.news().is_empty());
        client.append("12:00:00 INFO> 5\n");
        assert_eq!(client.news(), ["5"]);
    }

    #[test]
    fn a_file_that_was_cut_is_read_again() {
        let mut client = Client(tempfile::tempdir().unwrap(), Follow::default());
        client.append("12:00:00 INFO> a long first line\n");
        assert_eq!(client.news().len(), 1);
        std::fs::write(client.0.path().join("a.log"), "12:00:00 INFO> new\n").unwrap();
        assert_eq!(client.news(), ["new"]);
    }
}
