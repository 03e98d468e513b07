//! Catalog of a server's log files, for remote readers.
//!
//! The catalog lists regular files below the log folder that have the name of a log file. It serves
//! only listed files, under their listed path and identity. Opening follows no symbolic link, so
//! nothing outside the folder is reachable.
//!
//! A scan of the folder costs one `stat` per file. Calls trigger it, at most every 100 ms, and it
//! takes at most 1/20 of the time. The first bytes of a file are read once.

mod safe_open;

use std::collections::BTreeMap;
use std::fs::{DirEntry, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chrono::Utc;

use super::listing::{FileSnapshot, ListedLog, LogListing, MAX_LISTED, MAX_PART};
use crate::files::{HEAD, LogId, read_at, rotated_files, walk};

/// Limit on listed files.
const MAX_FILES: usize = 200_000;
/// Limit on remembered removals. Beyond it the catalog begins a new list, and readers start over.
const MAX_REMOVED: usize = 20_000;
/// Shortest time between two scans.
const SCAN_INTERVAL: Duration = Duration::from_millis(100);
/// Shortest time between two scans, as a multiple of the duration of the first.
const SCAN_PAUSE_FACTOR: u32 = 20;

/// Listed files of one log folder.
pub(super) struct Catalog {
    root: PathBuf,
    /// Number of this list. Changes are numbered within a list, and a restart begins another one.
    list: u64,
    /// Number of the last scan.
    scan: u64,
    /// Time of the next scan; none before the first one.
    next_scan: Option<Instant>,
    files: BTreeMap<String, CatalogEntry>,
    /// Path of each file by the number of its last change.
    changes: BTreeMap<u64, String>,
    last_change: u64,
    /// Number of removed files in `files`.
    removed: usize,
}

struct CatalogEntry {
    /// Number of the last change.
    change: u64,
    /// Number of the scan that saw the file last.
    scan: u64,
    /// The file; none after its removal.
    log: Option<FileSnapshot>,
}

impl Catalog {
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            list: new_list_number(),
            scan: 0,
            next_scan: None,
            files: BTreeMap::new(),
            changes: BTreeMap::new(),
            last_change: 0,
            removed: 0,
        }
    }

    /// Lists what changed after change `after` of `list`; lists everything for any other list.
    pub fn list(&mut self, list: u64, after: u64) -> io::Result<LogListing> {
        self.scan_when_due()?;
        let after = if list == self.list { after } else { 0 };
        let mut changes = self.changes.range(after.saturating_add(1)..);
        let some: Vec<_> = changes.by_ref().take(MAX_LISTED).collect();
        let files = some.iter().filter_map(|(_, path)| {
            let log = self.files.get(*path)?.log.clone();
            Some(ListedLog {
                path: (*path).clone(),
                log,
            })
        });
        Ok(LogListing {
            list: self.list,
            change: some.last().map_or(after, |(change, _)| **change),
            look: self.scan,
            more: changes.next().is_some(),
            files: files.collect(),
        })
    }

    /// Reads the file with this identity that is or was at `path`, from byte `at` on. Returns none
    /// when it is gone.
    pub fn read(&mut self, path: &str, id: &LogId, at: u64, max: u64) -> io::Result<Option<Vec<u8>>> {
        if !self.is_listed(path) {
            self.scan_when_due()?;
        }
        if !self.is_listed(path) {
            return Ok(None);
        }
        let max = usize::try_from(max).unwrap_or(MAX_PART).min(MAX_PART);
        match self.find(path, id)? {
            Some(file) if at >= file.metadata()?.len() => Ok(Some(Vec::new())),
            Some(file) => read_at(&file, at, max).map(Some),
            None => Ok(None),
        }
    }

    fn is_listed(&self, path: &str) -> bool {
        self.files.get(path).is_some_and(|entry| entry.log.is_some())
    }

    /// Opens the file with this identity: at its path, or among the rotated files of its client.
    fn find(&mut self, path: &str, id: &LogId) -> io::Result<Option<File>> {
        if let Some(file) = self.open(path, id)? {
            return Ok(Some(file));
        }
        // The listed identity is out of date; clearing it makes the next scan read it again.
        if let Some(entry) = self.files.get_mut(path) {
            entry.log.iter_mut().for_each(|log| log.id.head.clear());
        }
        let rotated = match rotated_files(&self.root.join(path)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        for (_, path) in rotated.into_iter().rev() {
            let path = path.strip_prefix(&self.root).ok().and_then(Path::to_str);
            if let Some(file) = path.map(|path| self.open(path, id)).transpose()?.flatten() {
                return Ok(Some(file));
            }
        }
        Ok(None)
    }

    /// Opens the file at a path, if it has this identity.
    fn open(&self, path: &str, id: &LogId) -> io::Result<Option<File>> {
        let Some(file) = safe_open::open_below(&self.root, path)? else {
            return Ok(None);
        };
        let matches = id.is_same_file(&LogId::of(&file)?);
        Ok(matches.then_some(file))
    }

    fn scan_when_due(&mut self) -> io::Result<()> {
        let start = Instant::now();
        if self.next_scan.is_some_and(|at| start < at) {
            return Ok(());
        }
        let scanned = self.scan();
        self.next_scan = Some(start + SCAN_INTERVAL.max(start.elapsed() * SCAN_PAUSE_FACTOR));
        scanned
    }

    fn scan(&mut self) -> io::Result<()> {
        self.scan += 1;
        let root = self.root.clone();
        let visit = &mut |path, entry: &DirEntry| match entry.metadata() {
            // `metadata` does not follow links, so a link is not a file here.
            Ok(metadata) if metadata.is_file() => self.update(path, &metadata),
            _ => Ok(()),
        };
        let walked = walk(&root, visit, &mut |_, _| {});
        match walked {
            // The folder was removed; the next log line makes it again.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
        let is_gone = |entry: &CatalogEntry| entry.log.is_some() && entry.scan != self.scan;
        let gone = self.files.iter().filter(|(_, entry)| is_gone(entry));
        let gone: Vec<String> = gone.map(|(path, _)| path.clone()).collect();
        for path in gone {
            self.record_change(path, None);
        }
        if self.removed > MAX_REMOVED {
            self.forget_removed();
        }
        Ok(())
    }

    /// Updates the entry of a file that the scan found.
    fn update(&mut self, path: String, metadata: &Metadata) -> io::Result<()> {
        let (length, modified_ns) = (metadata.len(), modified_ns(metadata));
        let entry = self.files.get_mut(&path);
        let before = entry.and_then(|entry| {
            entry.scan = self.scan;
            entry.log.as_ref()
        });
        let same_head = |log: &&FileSnapshot| {
            let whole = log.id.head.len() == HEAD;
            log.id.number == metadata.ino() && log.length <= length && (whole || log.length == length)
        };
        let id = match before.filter(same_head) {
            Some(log) if log.length == length && log.modified_ns == modified_ns && log.has_head() => {
                return Ok(());
            }
            Some(log) if log.has_head() => log.id.clone(),
            _ => match safe_open::open_below(&self.root, &path)? {
                Some(file) => LogId::of(&file)?,
                None => return Ok(()), // removed meanwhile
            },
        };
        if before.is_none() {
            let listed = self.files.len() - self.removed;
            if listed >= MAX_FILES {
                let message = format!(
                    "cannot list the log files below {}: more than {MAX_FILES}",
                    self.root.display()
                );
                return Err(io::Error::other(message));
            }
        }
        let log = FileSnapshot {
            id,
            length,
            modified_ns,
        };
        self.record_change(path, Some(log));
        Ok(())
    }

    /// Records the next change: a file is new, has changed, or was removed.
    fn record_change(&mut self, path: String, log: Option<FileSnapshot>) {
        self.last_change += 1;
        let (change, scan) = (self.last_change, self.scan);
        self.removed += usize::from(log.is_none());
        if let Some(before) = self
            .files
            .insert(path.clone(), CatalogEntry { change, scan, log })
        {
            self.removed -= usize::from(before.log.is_none());
            self.changes.remove(&before.change);
        }
        self.changes.insert(change, path);
    }

    fn forget_removed(&mut self) {
        self.files.retain(|_, entry| entry.log.is_some());
        let changes = self
            .files
            .iter()
            .map(|(path, entry)| (entry.change, path.clone()));
        self.changes = changes.collect();
        (self.list, self.removed) = (new_list_number().max(self.list + 1), 0);
    }
}

impl FileSnapshot {
    /// Returns whether the first bytes are known. An empty file has none to know.
    fn has_head(&self) -> bool {
        self.length == 0 || !self.id.head.is_empty()
    }
}

/// Number of a new list: the time, so that a restart differs. Never 0, which stands for a reader's
/// missing list.
fn new_list_number() -> u64 {
    let now = Utc::now().timestamp_nanos_opt();
    now.and_then(|ns| u64::try_from(ns).ok()).unwrap_or(1)
}

fn modified_ns(metadata: &Metadata) -> i64 {
    let seconds = metadata.mtime().saturating_mul(1_000_000_000);
    seconds.saturating_add(metadata.mtime_nsec())
}

#[cfg(test)]
mod tests;
