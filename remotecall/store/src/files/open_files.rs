//! Cache of open files, bounded; the least recently used one is closed first.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io;
use std::path::Path;

use super::FileId;
use crate::disk;

/// Share of the process's descriptors for one set; the rest is for sockets, the journal and other sets.
const SHARE: u64 = 8;
/// Limit on open files, whatever the system allows.
const MOST: u64 = 1024;

pub(super) struct OpenFiles {
    limit: usize,
    files: HashMap<FileId, (File, u64)>,
    /// Files in order of their last use.
    by_use: BTreeMap<u64, FileId>,
    clock: u64,
}

impl OpenFiles {
    pub fn new() -> Self {
        let allowed = rustix::process::getrlimit(rustix::process::Resource::Nofile)
            .current
            .unwrap_or(u64::MAX);
        let limit = (allowed / SHARE).clamp(4, MOST) as usize;
        Self {
            limit,
            files: HashMap::new(),
            by_use: BTreeMap::new(),
            clock: 0,
        }
    }

    #[cfg(test)]
    pub fn with_limit(limit: usize) -> Self {
        Self { limit, ..Self::new() }
    }

    /// Closes all files.
    pub fn close_all(&mut self) {
        self.files.clear();
        self.by_use.clear();
    }

    /// True for an open file without a name.
    pub fn is_removed(&self, id: FileId) -> io::Result<bool> {
        self.files
            .get(&id)
            .map_or(Ok(false), |(file, _)| disk::is_removed(file))
    }

    /// Closes one file.
    pub fn close(&mut self, id: FileId) {
        if let Some((_, used)) = self.files.remove(&id) {
            self.by_use.remove(&used);
        }
    }

    /// Returns the open file, and whether this call opened it.
    pub fn get(&mut self, id: FileId, path: &Path) -> io::Result<(&File, bool)> {
        self.open(id, path, false)
    }

    /// Returns the open file like [`get`](Self::get), and creates a missing one.
    pub fn get_or_create(&mut self, id: FileId, path: &Path) -> io::Result<(&File, bool)> {
        self.open(id, path, true)
    }

    fn open(&mut self, id: FileId, path: &Path, create: bool) -> io::Result<(&File, bool)> {
        self.clock += 1;
        let fresh = match self.files.get(&id) {
            Some((_, used)) => {
                self.by_use.remove(used);
                false
            }
            None => {
                self.make_room();
                let file = open_file(path, create)?;
                self.files.insert(id, (file, 0));
                true
            }
        };
        self.by_use.insert(self.clock, id);
        let entry = self.files.get_mut(&id).expect("present or just inserted");
        entry.1 = self.clock;
        Ok((&entry.0, fresh))
    }

    fn make_room(&mut self) {
        while self.files.len() >= self.limit {
            let Some((_, oldest)) = self.by_use.pop_first() else {
                return;
            };
            self.files.remove(&oldest);
        }
    }
}

fn open_file(path: &Path, create: bool) -> io::Result<File> {
    if !create {
        return disk::open(path);
    }
    match disk::open_or_create(path) {
        // Another program deleted the directory.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            path.parent().map_or(Ok(()), disk::make_dir)?;
            disk::open_or_create(path)
        }
        other => other,
    }
}
