//! The log files that a server has: who reads from elsewhere is told of them, and of nothing else.
//!
//! A file is served when it was listed, under the path and with the id that the list has. What is listed are regular files
//! below the log folder that are called like log files. No text of a caller is ever part of a path, and no link is
//! followed when one is opened, so nothing outside the folder is reached.
//!
//! A look at the folder costs one `stat` per file. It is made when somebody asks, at most every tenth of a second, and
//! takes at most a twentieth of the time; the first bytes of a file are read once.

mod beneath;

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chrono::Utc;

use crate::listing::{ListedLog, LogListing, LogState, MAX_LISTED, MAX_PART};
use crate::reading::LogId;
use crate::reading::places::{earlier_files, walk};
use crate::reading::source::{HEAD, bytes_at};

/// Most files that are listed.
const MAX_FILES: usize = 200_000;
/// Files that were removed and are remembered for those who know them; beyond that everybody begins a new list.
const MAX_REMOVED: usize = 20_000;
/// Shortest time from one look to the next.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Time from one look to the next, as a multiple of how long it took.
const REST: u32 = 20;

/// The files of one log folder.
pub(super) struct Catalog {
    root: PathBuf,
    /// Names this list: another server, or this one after a restart, numbers its changes anew.
    list: u64,
    look: u64,
    look_again: Option<Instant>,
    files: BTreeMap<String, Known>,
    /// The path of each file by the number of its last change.
    changes: BTreeMap<u64, String>,
    last_change: u64,
    removed: usize,
}

struct Known {
    change: u64,
    /// The look that saw it last.
    look: u64,
    /// None when it was removed.
    log: Option<LogState>,
}

impl Catalog {
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            list: name_of_list(),
            look: 0,
            look_again: None,
            files: BTreeMap::new(),
            changes: BTreeMap::new(),
            last_change: 0,
            removed: 0,
        }
    }

    /// What changed after a change of a list; everything for another list.
    pub fn list(&mut self, list: u64, after: u64) -> io::Result<LogListing> {
        self.look_when_due()?;
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
            look: self.look,
            more: changes.next().is_some(),
            files: files.collect(),
        })
    }

    /// Bytes of the file with this id that is or was at this path; none when it is not there any more.
    pub fn read(&mut self, path: &str, id: &LogId, at: u64, max: u64) -> io::Result<Option<Vec<u8>>> {
        if !self.is_listed(path) {
            self.look_when_due()?;
        }
        if !self.is_listed(path) {
            return Ok(None);
        }
        let max = usize::try_from(max).unwrap_or(MAX_PART).min(MAX_PART);
        match self.find(path, id)? {
            Some(file) if at >= file.metadata()?.len() => Ok(Some(Vec::new())),
            Some(file) => bytes_at(&file, at, max).map(Some),
            None => Ok(None),
        }
    }

    fn is_listed(&self, path: &str) -> bool {
        self.files.get(path).is_some_and(|known| known.log.is_some())
    }

    /// The file with this id: at its path, or among the earlier files of its client.
    fn find(&mut self, path: &str, id: &LogId) -> io::Result<Option<File>> {
        if let Some(file) = self.open(path, id)? {
            return Ok(Some(file));
        }
        // What is known of this path is out of date.
        if let Some(known) = self.files.get_mut(path) {
            known.log.iter_mut().for_each(|log| log.id.head.clear());
        }
        let earlier = match earlier_files(&self.root.join(path)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        for (_, path) in earlier.into_iter().rev() {
            let path = path.strip_prefix(&self.root).ok().and_then(Path::to_str);
            if let Some(file) = path.map(|path| self.open(path, id)).transpose()?.flatten() {
                return Ok(Some(file));
            }
        }
        Ok(None)
    }

    /// The file at a path, if it is the one with this id.
    fn open(&self, path: &str, id: &LogId) -> io::Result<Option<File>> {
        let Some(file) = beneath::open(&self.root, path)? else {
            return Ok(None);
        };
        let is_it = id.is_now(&LogId::of(&file)?);
        Ok(is_it.then_some(file))
    }

    fn look_when_due(&mut self) -> io::Result<()> {
        let start = Instant::now();
        if self.look_again.is_some_and(|at| start < at) {
            return Ok(());
        }
        let looked = self.look();
        self.look_again = Some(start + LOOK_EVERY.max(start.elapsed() * REST));
        looked
    }

    fn look(&mut self) -> io::Result<()> {
        self.look += 1;
        let root = self.root.clone();
        let seen = walk(&root, &mut |path, entry| match entry.metadata() {
            // Of a link this is the link itself.
            Ok(metadata) if metadata.is_file() => self.see(path, &metadata),
            _ => Ok(()),
        });
        match seen {
            // Somebody removed the folder; the next line brings it back.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
        let gone = |known: &Known| known.log.is_some() && known.look != self.look;
        let gone = self.files.iter().filter(|(_, known)| gone(known));
        let gone: Vec<String> = gone.map(|(path, _)| path.clone()).collect();
        for path in gone {
            self.note(path, None);
        }
        if self.removed > MAX_REMOVED {
            self.forget_removed();
        }
        Ok(())
    }

    /// A file is there.
    fn see(&mut self, path: String, metadata: &Metadata) -> io::Result<()> {
        let (length, modified_ns) = (metadata.len(), modified_ns(metadata));
        let known = self.files.get_mut(&path);
        let before = known.and_then(|known| {
            known.look = self.look;
            known.log.as_ref()
        });
        let same_head = |log: &&LogState| {
            let whole = log.id.head.len() == HEAD;
            log.id.number == metadata.ino() && log.length <= length && (whole || log.length == length)
        };
        let id = match before.filter(same_head) {
            Some(log) if log.length == length && log.modified_ns == modified_ns && log.has_head() => {
                return Ok(());
            }
            Some(log) if log.has_head() => log.id.clone(),
            _ => match beneath::open(&self.root, &path)? {
                Some(file) => LogId::of(&file)?,
                None => return Ok(()), // it has vanished
            },
        };
        if before.is_none() {
            let there = self.files.len() - self.removed;
            if there >= MAX_FILES {
                let why = format!("more than {MAX_FILES} log files below {}", self.root.display());
                return Err(io::Error::other(why));
            }
        }
        let log = LogState {
            id,
            length,
            modified_ns,
        };
        self.note(path, Some(log));
        Ok(())
    }

    /// A file has changed.
    fn note(&mut self, path: String, log: Option<LogState>) {
        self.last_change += 1;
        let (change, look) = (self.last_change, self.look);
        self.removed += usize::from(log.is_none());
        if let Some(before) = self.files.insert(path.clone(), Known { change, look, log }) {
            self.removed -= usize::from(before.log.is_none());
            self.changes.remove(&before.change);
        }
        self.changes.insert(change, path);
    }

    fn forget_removed(&mut self) {
        self.files.retain(|_, known| known.log.is_some());
        let there = self
            .files
            .iter()
            .map(|(path, known)| (known.change, path.clone()));
        self.changes = there.collect();
        (self.list, self.removed) = (name_of_list().max(self.list + 1), 0);
    }
}

impl LogState {
    /// An empty file has none, and so has one of which it is not known.
    fn has_head(&self) -> bool {
        self.length == 0 || !self.id.head.is_empty()
    }
}

/// Never 0, which is the list of somebody who has none.
fn name_of_list() -> u64 {
    let now = Utc::now().timestamp_nanos_opt();
    now.and_then(|ns| u64::try_from(ns).ok()).unwrap_or(1)
}

fn modified_ns(metadata: &Metadata) -> i64 {
    let seconds = metadata.mtime().saturating_mul(1_000_000_000);
    seconds.saturating_add(metadata.mtime_nsec())
}

#[cfg(test)]
mod tests;
