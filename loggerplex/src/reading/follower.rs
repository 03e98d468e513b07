//! Follower: new entries of a client's files, across rotation.

use std::io;

use chrono::Utc;

use super::entry::{LogEntry, split_entries};
use super::source::{OpenLog, Source};
use crate::files::{ClientFiles, LogId};
use crate::format::Zone;

/// Bytes per read: 8 MiB.
const READ_SIZE: usize = 8 << 20;
/// Longest entry: 64 MiB. A longer one is split. It is not from a server, whose messages end at 16
/// MiB.
const MAX_ENTRY: usize = 64 << 20;

/// Read position in the files of one client.
///
/// The default is before the first entry; [`read_history`](super::read_history) returns one after
/// the last entry.
///
/// ```
/// use loggerplex::format::Zone;
/// use loggerplex::reading::{FolderSource, Follower, find_logs};
///
/// let folder = tempfile::tempdir()?;
/// std::fs::write(folder.path().join("agent.log"), "12:00:00 INFO> one\n12:00:01 INFO> two\n")?;
/// let files = &find_logs(folder.path())?[0];
/// let (mut source, mut follower) = (FolderSource::new(folder.path()), Follower::default());
/// let mut messages = Vec::new();
/// // The second poll finds no new bytes, so the last entry is complete.
/// for _ in 0..2 {
///     follower.poll(&mut source, files, Zone::Utc, &mut |entry| messages.push(entry.message))?;
/// }
/// assert_eq!(messages, ["one", "two"]);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Follower {
    /// File that is being read; none before there was one.
    file: Option<LogId>,
    /// Offset of the next byte in that file.
    offset: u64,
    /// Highest number of a rotated file that was read to its end.
    last_rotated: u64,
    /// Bytes of the last entry, which may get continuation lines.
    partial: Vec<u8>,
}

impl Follower {
    /// Position at the end of the current file, if there is one. `last_rotated` is the highest
    /// number of a rotated file.
    pub(super) fn at_end_of<F>(log: Option<&OpenLog<F>>, last_rotated: u64) -> Self {
        Self {
            file: log.map(|log| log.id.clone()),
            offset: log.map_or(0, |log| log.length),
            last_rotated,
            partial: Vec::new(),
        }
    }

    /// Announces the next [`poll`](Self::poll) to the source, so that a remote source requests
    /// several files together.
    pub fn prefetch<S: Source>(&self, source: &mut S, files: &ClientFiles) {
        source.prefetch(&files.path, &|id, _| {
            if self.is_reading(id) { self.offset } else { 0 }
        });
    }

    /// Emits the entries that were added since the last poll.
    ///
    /// The last entry may still get continuation lines, so it is held back until a poll finds no
    /// new bytes. After an error the next poll continues where this one stopped.
    ///
    /// # Errors
    /// Fails when a file cannot be read. A missing file is not an error.
    pub fn poll<S: Source>(
        &mut self,
        source: &mut S,
        files: &ClientFiles,
        zone: Zone,
        emit: &mut dyn FnMut(LogEntry),
    ) -> io::Result<()> {
        let before = self.position();
        let mut sink = Sink { files, zone, emit };
        match source.open(&files.path) {
            Ok(log) => {
                if !self.is_reading(&log.id) {
                    // Rotated files are listed after the current one was opened, so none between
                    // them is missed.
                    self.read_logrotated(source, &mut sink)?;
                    self.read_rotated(source, Some(&log.id), &mut sink)?;
                }
                if !self.is_reading(&log.id) || log.length < self.offset {
                    self.offset = 0;
                }
                self.file = Some(log.id.clone());
                match self.read_to_end(source, &log, &mut sink) {
                    // The file was removed or rotated meanwhile. The next poll finds it under its
                    // new name.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                    other => other?,
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.read_rotated(source, None, &mut sink)?;
            }
            Err(error) => return Err(error),
        }
        if before == self.position() {
            self.emit_entries(true, &mut sink);
        }
        Ok(())
    }

    fn position(&self) -> (Option<u64>, u64) {
        (self.file.as_ref().map(|file| file.number), self.offset)
    }

    fn is_reading(&self, id: &LogId) -> bool {
        self.file.as_ref().is_some_and(|file| file.is_same_file(id))
    }

    /// Reads the rotated files that ended before `current` to their ends. The caller reads
    /// `current`.
    fn read_rotated<S: Source>(
        &mut self,
        source: &mut S,
        current: Option<&LogId>,
        sink: &mut Sink<'_>,
    ) -> io::Result<()> {
        for (number, path) in source.rotated(&sink.files.path)? {
            if number <= self.last_rotated {
                continue;
            }
            let log = match source.open(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other?,
            };
            // The current file was rotated meanwhile. It and the files after it are read by the
            // next poll.
            if current.is_some_and(|current| current.is_same_file(&log.id)) {
                break;
            }
            if !self.is_reading(&log.id) {
                self.offset = 0;
            }
            self.file = Some(log.id.clone());
            match self.read_to_end(source, &log, sink) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {} // removed meanwhile
                other => other?,
            }
            self.last_rotated = number;
        }
        Ok(())
    }

    /// Reads the rest of the file that is being read, if logrotate renamed it, and the files after
    /// it.
    fn read_logrotated<S: Source>(&mut self, source: &mut S, sink: &mut Sink<'_>) -> io::Result<()> {
        let mut logs = Vec::new();
        for path in source.logrotated(&sink.files.path) {
            // One that cannot be opened is removed, or not for this reader.
            let Ok(log) = source.open(&path) else { continue };
            let is_last = self.is_reading(&log.id);
            logs.push(log);
            if is_last {
                break;
            }
        }
        if !logs.last().is_some_and(|log| self.is_reading(&log.id)) {
            return Ok(());
        }
        for log in logs.iter().rev() {
            if !self.is_reading(&log.id) {
                self.offset = 0;
            }
            self.file = Some(log.id.clone());
            self.read_to_end(source, log, sink)?;
        }
        Ok(())
    }

    fn read_to_end<S: Source>(
        &mut self,
        source: &mut S,
        log: &OpenLog<S::File>,
        sink: &mut Sink<'_>,
    ) -> io::Result<()> {
        loop {
            let part = source.read_at(log, self.offset, READ_SIZE)?;
            if part.is_empty() {
                return Ok(());
            }
            self.offset += part.len() as u64;
            self.partial.extend_from_slice(&part);
            self.emit_entries(false, sink);
        }
    }

    /// Emits complete entries; the last one only when `is_idle`, which means that no new bytes were
    /// found.
    fn emit_entries(&mut self, is_idle: bool, sink: &mut Sink<'_>) {
        let mut entries = split_entries(&self.partial);
        let may_continue = |lines: &&[u8]| !is_idle || !lines.ends_with(b"\n");
        if self.partial.len() <= MAX_ENTRY && entries.last().is_some_and(may_continue) {
            entries.pop();
        }
        let now = Utc::now();
        let mut emitted = 0;
        for lines in entries {
            emitted += lines.len();
            let files = sink.files;
            (sink.emit)(LogEntry::parse(&files.client, lines, files.json, now, sink.zone));
        }
        self.partial.drain(..emitted);
    }
}

/// Receiver of entries, with the parameters of their parser.
struct Sink<'a> {
    files: &'a ClientFiles,
    zone: Zone,
    emit: &'a mut dyn FnMut(LogEntry),
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::reading::{FolderSource, find_logs};

    struct Client(tempfile::TempDir, Follower);

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

        /// Polls twice, because the last entry is held back until a poll finds no new bytes.
        fn news(&mut self) -> Vec<String> {
            let mut news = Vec::new();
            for _ in 0..2 {
                for files in find_logs(self.0.path()).unwrap() {
                    self.1
                        .poll(
                            &mut FolderSource::new(self.0.path()),
                            &files,
                            Zone::Utc,
                            &mut |entry| {
                                news.push(entry.message);
                            },
                        )
                        .unwrap();
                }
            }
            news
        }
    }

    #[test]
    fn a_file_that_logrotate_renamed_is_read_to_its_end() {
        let mut client = Client(tempfile::tempdir().unwrap(), Follower::default());
        let rename = |client: &Client, from: &str, to: &str| {
            std::fs::rename(client.0.path().join(from), client.0.path().join(to)).unwrap();
        };
        client.append("12:00:00 INFO> one\n");
        assert_eq!(client.news(), ["one"]);
        client.append("12:00:01 INFO> two\n");
        rename(&client, "a.log", "a.log.1");
        client.append("12:00:02 INFO> three\n");
        assert_eq!(client.news(), ["two", "three"]);
        // Twice between two looks.
        client.append("12:00:03 INFO> four\n");
        rename(&client, "a.log.1", "a.log.2");
        rename(&client, "a.log", "a.log.1");
        client.append("12:00:04 INFO> five\n");
        rename(&client, "a.log.2", "a.log.3");
        rename(&client, "a.log.1", "a.log.2");
        rename(&client, "a.log", "a.log.1");
        client.append("12:00:05 INFO> six\n");
        assert_eq!(client.news(), ["four", "five", "six"]);
    }

    #[test]
    fn appended_entries_are_emitted_once_and_whole() {
        let mut client = Client(tempfile::tempdir().unwrap(), Follower::default());
        assert!(client.news().is_empty());
        client.append("12:00:00 INFO> one\n12:00:01 INFO> tw");
        assert_eq!(client.news(), ["one"]);
        client.append("o\n    | lines\n");
        assert_eq!(client.news(), ["two\nlines"]);
        assert!(client.news().is_empty());
    }

    #[test]
    fn an_entry_is_held_back_while_it_may_continue() {
        let mut client = Client(tempfile::tempdir().unwrap(), Follower::default());
        client.append("12:00:00 INFO> one\n");
        let mut news = Vec::new();
        let files = &find_logs(client.0.path()).unwrap()[0];
        client
            .1
            .poll(
                &mut FolderSource::new(client.0.path()),
                files,
                Zone::Utc,
                &mut |entry| {
                    news.push(entry.message);
                },
            )
            .unwrap();
        assert!(news.is_empty(), "its second line may still arrive");
        client.append("    | line\n");
        assert_eq!(client.news(), ["one\nline"]);
    }

    #[test]
    fn several_rotations_between_two_polls_lose_nothing() {
        let mut client = Client(tempfile::tempdir().unwrap(), Follower::default());
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
    fn a_truncated_file_is_read_from_its_beginning() {
        let mut client = Client(tempfile::tempdir().unwrap(), Follower::default());
        client.append("12:00:00 INFO> a long first line\n");
        assert_eq!(client.news().len(), 1);
        std::fs::write(client.0.path().join("a.log"), "12:00:00 INFO> new\n").unwrap();
        assert_eq!(client.news(), ["new"]);
    }

    /// Source whose read number `fails_at` fails.
    struct FailingSource {
        folder: FolderSource,
        reads: usize,
        fails_at: usize,
    }

    impl Source for FailingSource {
        type File = File;

        fn list(&mut self) -> io::Result<Option<Vec<ClientFiles>>> {
            self.folder.list()
        }

        fn rotated(&mut self, path: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
            self.folder.rotated(path)
        }

        fn open(&mut self, path: &Path) -> io::Result<OpenLog<File>> {
            self.folder.open(path)
        }

        fn read_at(&mut self, log: &OpenLog<File>, offset: u64, _max: usize) -> io::Result<Vec<u8>> {
            self.reads += 1;
            match self.reads == self.fails_at {
                true => Err(io::ErrorKind::TimedOut.into()),
                false => self.folder.read_at(log, offset, 7),
            }
        }
    }

    #[test]
    fn a_failed_read_is_repeated_at_its_offset() {
        for fails_at in 1.. {
            let mut client = Client(tempfile::tempdir().unwrap(), Follower::default());
            for number in 1..4 {
                client.append(&format!("12:00:00 INFO> {number}\n    | more\n"));
                client.rotate(number);
            }
            client.append("12:00:00 INFO> 4\n");
            let folder = FolderSource::new(client.0.path());
            let mut source = FailingSource {
                folder,
                reads: 0,
                fails_at,
            };
            let mut news = Vec::new();
            let mut failed = 0;
            for _ in 0..3 {
                let files = &source.list().unwrap().unwrap()[0];
                let emit = &mut |entry: LogEntry| news.push(entry.message);
                failed += usize::from(client.1.poll(&mut source, files, Zone::Utc, emit).is_err());
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
