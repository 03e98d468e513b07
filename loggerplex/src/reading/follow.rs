//! What is added to the files of a client.

use std::io;

use chrono::Utc;

use super::entry::{LogEntry, split_entries};
use super::places::LogPlace;
use super::source::{LogId, OpenLog, Source};
use crate::Zone;

/// Most bytes that are read from a file at once.
const AT_ONCE: usize = 8 << 20;
/// Longest entry: what is longer comes in parts. Messages end at [`MAX_MESSAGE`](crate::MAX_MESSAGE), so others wrote it.
const MAX_ENTRY: usize = 64 << 20;

/// A place in the files of a client.
#[derive(Debug, Default)]
pub struct Follow {
    /// None before there was a file.
    file: Option<LogId>,
    at: u64,
    /// The highest number of an earlier file that is done.
    done: u64,
    /// An entry that may go on.
    partial: Vec<u8>,
}

impl Follow {
    /// At the end of the file that grows, where that is one; `done` is the highest number of the earlier ones.
    pub(super) fn at_end_of<F>(log: Option<&OpenLog<F>>, done: u64) -> Self {
        Self {
            file: log.map(|log| log.id.clone()),
            at: log.map_or(0, |log| log.length),
            done,
            partial: Vec::new(),
        }
    }

    /// Says to `source` what will be read next.
    pub fn expect<S: Source>(&self, source: &mut S, place: &LogPlace) {
        source.expect(&place.path, &|id, _| if self.is_at(id) { self.at } else { 0 });
    }

    /// Passes on what was added since the last time. An entry that may go on waits until nothing more comes. After an
    /// error the next call goes on where this one stopped.
    ///
    /// # Errors
    /// When a file cannot be read; one that is not there has nothing new.
    pub fn read<S: Source>(
        &mut self,
        source: &mut S,
        place: &LogPlace,
        zone: Zone,
        see: &mut dyn FnMut(LogEntry),
    ) -> io::Result<()> {
        let before = self.position();
        let mut sink = Sink { place, zone, see };
        match source.open(&place.path) {
            Ok(log) => {
                if !self.is_at(&log.id) {
                    // The earlier ones are listed after it was opened: whatever ended before it is there.
                    self.read_earlier(source, Some(&log.id), &mut sink)?;
                }
                if !self.is_at(&log.id) || log.length < self.at {
                    self.at = 0;
                }
                self.file = Some(log.id.clone());
                match self.read_on(source, &log, &mut sink) {
                    // It was removed, or ended and moved on; where it is now, the next look will tell.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                    other => other?,
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.read_earlier(source, None, &mut sink)?;
            }
            Err(error) => return Err(error),
        }
        if before == self.position() {
            self.pass_on(true, &mut sink);
        }
        Ok(())
    }

    fn position(&self) -> (Option<u64>, u64) {
        (self.file.as_ref().map(|file| file.number), self.at)
    }

    fn is_at(&self, id: &LogId) -> bool {
        self.file.as_ref().is_some_and(|file| file.is_now(id))
    }

    /// Reads to their ends the files that have ended before `growing`, which is read by the caller.
    fn read_earlier<S: Source>(
        &mut self,
        source: &mut S,
        growing: Option<&LogId>,
        sink: &mut Sink<'_>,
    ) -> io::Result<()> {
        for (number, path) in source.earlier(&sink.place.path)? {
            if number <= self.done {
                continue;
            }
            let log = match source.open(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other?,
            };
            // Moved while we looked: it and those behind it have their turn later.
            if growing.is_some_and(|growing| growing.is_now(&log.id)) {
                break;
            }
            if !self.is_at(&log.id) {
                self.at = 0;
            }
            self.file = Some(log.id.clone());
            match self.read_on(source, &log, sink) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {} // removed meanwhile
                other => other?,
            }
            self.done = number;
        }
        Ok(())
    }

    fn read_on<S: Source>(
        &mut self,
        source: &mut S,
        log: &OpenLog<S::File>,
        sink: &mut Sink<'_>,
    ) -> io::Result<()> {
        loop {
            let part = source.read_at(log, self.at, AT_ONCE)?;
            if part.is_empty() {
                return Ok(());
            }
            self.at += part.len() as u64;
            self.partial.extend_from_slice(&part);
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

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;
    use std::path::{Path, PathBuf};

    use super::super::{Folder, find_logs};
    use super::*;

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
                        .read(&mut Folder::new(self.0.path()), &place, Zone::Utc, &mut |entry| {
                            news.push(entry.message);
                        })
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
            .read(
                &mut Folder::new(client.0.path()),
                place,
                Zone::Utc,
                &mut |entry| {
                    news.push(entry.message);
                },
            )
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

    /// A folder whose reads fail at certain calls.
    struct Fails {
        folder: Folder,
        reads: usize,
        fails_at: usize,
    }

    impl Source for Fails {
        type File = File;

        fn list(&mut self) -> io::Result<Option<Vec<LogPlace>>> {
            self.folder.list()
        }

        fn earlier(&mut self, path: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
            self.folder.earlier(path)
        }

        fn open(&mut self, path: &Path) -> io::Result<OpenLog<File>> {
            self.folder.open(path)
        }

        fn read_at(&mut self, log: &OpenLog<File>, at: u64, _max: usize) -> io::Result<Vec<u8>> {
            self.reads += 1;
            match self.reads == self.fails_at {
                true => Err(io::ErrorKind::TimedOut.into()),
                false => self.folder.read_at(log, at, 7),
            }
        }
    }

    #[test]
    fn a_failed_read_is_repeated_where_it_failed() {
        for fails_at in 1.. {
            let mut client = Client(tempfile::tempdir().unwrap(), Follow::default());
            for number in 1..4 {
                client.append(&format!("12:00:00 INFO> {number}\n    | more\n"));
                client.rotate(number);
            }
            client.append("12:00:00 INFO> 4\n");
            let folder = Folder::new(client.0.path());
            let mut source = Fails {
                folder,
                reads: 0,
                fails_at,
            };
            let mut news = Vec::new();
            let mut failed = 0;
            for _ in 0..3 {
                let place = &source.list().unwrap().unwrap()[0];
                let see = &mut |entry: LogEntry| news.push(entry.message);
                failed += usize::from(client.1.read(&mut source, place, Zone::Utc, see).is_err());
            }
            assert_eq!(
                news,
                ["1\nmore", "2\nmore", "3\nmore", "4"],
                "read {fails_at} fails"
            );
            if failed == 0 {
                return;
            }
        }
    }
}
