//! Replayable files: append-only output files that readers may follow, and that a replay completes.
//!
//! The bytes of a file are a function of the calls. [`FileSet`] stores the length of each file in the checkpoint. When a
//! replay produces the same bytes again, bytes that are already in the file are compared instead of written. A byte
//! that a reader may have seen is never changed and never truncated. (After a power cut a file can hold zeros that
//! never were data; those differ, and are replaced.)
//!
//! [`FileSet::retire`] ends a file, for rotation.
//!
//! The number of open files is bounded: the least recently used one is closed first.

mod growing;
mod manifest;
mod open_files;
mod retire;

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::disk;
use crate::mutants::{self, Mutant};

use growing::{Growing, Location, path_of};
use manifest::{Entry, Manifest};
use open_files::OpenFiles;

/// Limit on a gap in the file numbers of a state: files that were added and never written.
const MAX_GAP: usize = 1 << 20;
/// Number of files from which on one sync of the whole file system is quicker than one per file.
const SYNC_ALL_FROM: usize = 32;

/// A file of a [`FileSet`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FileId(u32);

/// Path of a new file, evaluated once, when its first bytes are written.
pub enum NewFile {
    /// This path below the root. The new bytes follow existing ones.
    Append(String),
    /// This path below the root. An existing file is removed, unless this set wrote it.
    Overwrite(String),
    /// The path below the root that this function picks, given the root. It must not exist yet.
    Create(Box<PickPath>),
}

/// Function that picks the path of a new file below a root.
pub type PickPath = dyn FnMut(&Path) -> io::Result<String> + Send;

/// A set of growing files below one directory.
pub struct FileSet {
    root: PathBuf,
    manifest: Option<Manifest>,
    files: Vec<Growing>,
    by_key: HashMap<String, FileId>,
    /// Keys whose files were deleted or truncated: their manifest entries are void.
    lost: BTreeSet<String>,
    /// Files with pending bytes, in the order of their first ones.
    dirty: Vec<FileId>,
    /// Retired files to be moved, in this order, and their new paths.
    retiring: Vec<(FileId, String)>,
    /// Files written since the last sync.
    unsynced: BTreeSet<FileId>,
    /// Directories with a file that is new since the last sync.
    new_in: BTreeSet<PathBuf>,
    open: OpenFiles,
    /// Another program removed, moved or truncated a file, and the set started it again: a replay from the last state would
    /// write it twice.
    wants_checkpoint: bool,
}

/// One file in a checkpoint.
#[derive(Debug, Serialize, Deserialize)]
struct SavedFile {
    id: FileId,
    key: String,
    path: String,
    end: u64,
}

impl FileSet {
    /// Pending bytes of a file that are written before the commit, 256 KiB.
    pub const EARLY: usize = 256 << 10;

    /// Makes a set below `root`, which must exist. `manifest` is a file for the set's own use, outside the readers' view;
    /// without one the set cannot be replayed.
    ///
    /// # Errors
    /// When the manifest cannot be opened or read.
    pub fn open(root: &Path, manifest: Option<&Path>) -> io::Result<Self> {
        Ok(Self {
            root: root.to_owned(),
            manifest: manifest.map(Manifest::open).transpose()?,
            files: Vec::new(),
            by_key: HashMap::new(),
            lost: BTreeSet::new(),
            dirty: Vec::new(),
            retiring: Vec::new(),
            unsynced: BTreeSet::new(),
            new_in: BTreeSet::new(),
            open: OpenFiles::new(),
            wants_checkpoint: false,
        })
    }

    /// Root directory of all files.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// File with this key. A key must depend on the calls alone.
    pub fn find(&self, key: &str) -> Option<FileId> {
        self.by_key.get(key).copied()
    }

    /// Adds a file. It is created on disk with its first bytes, by [`commit`](Self::commit). A known key keeps its file.
    pub fn add(&mut self, key: &str, place: NewFile) -> FileId {
        if let Some(id) = self.find(key) {
            return id;
        }
        let id = FileId(self.files.len() as u32);
        self.files.push(Growing {
            key: key.to_owned(),
            place: Location::Wanted(place),
            end: 0,
            pending: Vec::new(),
            catching_up: false,
        });
        self.by_key.insert(key.to_owned(), id);
        id
    }

    /// Pending bytes of a file, to be extended: the next commit appends them.
    pub fn pending(&mut self, id: FileId) -> &mut Vec<u8> {
        let file = &mut self.files[id.0 as usize];
        if file.pending.is_empty() {
            self.dirty.push(id);
        }
        &mut file.pending
    }

    /// Writes the pending bytes of an existing file before the commit, when there are more than [`EARLY`](Self::EARLY): they
    /// are still in the processor's cache. The commit retries a failed write.
    pub fn write_early(&mut self, id: FileId) {
        let file = &self.files[id.0 as usize];
        let is_long = file.pending.len() >= Self::EARLY && matches!(file.place, Location::At(_));
        if is_long && self.retiring.is_empty() && self.write_pending(id).is_ok() {
            self.dirty.retain(|&dirty| dirty != id);
        }
    }

    /// Reads a file up to the bytes appended so far, with the pending ones, and without bytes that a replay has yet to
    /// produce.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn read(&self, id: FileId) -> io::Result<impl Read> {
        let file = &self.files[id.0 as usize];
        let written: Box<dyn Read> = match &file.place {
            Location::At(path) | Location::Retired(path) if file.end > 0 => {
                let open = File::open(self.root.join(path)).map_err(|error| about(path, error))?;
                Box::new(open.take(file.end))
            }
            Location::At(_)
            | Location::Retired(_)
            | Location::Wanted(_)
            | Location::Spent
            | Location::Gone => Box::new(io::empty()),
        };
        Ok(written.chain(io::Cursor::new(file.pending.clone())))
    }

    /// Pending bytes of all files.
    pub fn pending_bytes(&self) -> usize {
        self.dirty
            .iter()
            .map(|id| self.files[id.0 as usize].pending.len())
            .sum()
    }

    /// Writes all pending bytes. After an error the rest is still pending, and another call continues there.
    ///
    /// # Errors
    /// The first failure, with the path in its message. It can be retried, unless
    /// [`is_sync_failure`](crate::disk::is_sync_failure) is true for it.
    pub fn commit(&mut self) -> io::Result<()> {
        self.move_retired()?;
        self.place_new_files(&self.dirty.clone())?;
        while let Some(&id) = self.dirty.last() {
            self.write_pending(id)?;
            self.files[id.0 as usize].shrink();
            self.dirty.pop();
        }
        Ok(())
    }

    /// Syncs everything that was committed.
    ///
    /// # Errors
    /// The first failure. It can be retried, unless [`is_sync_failure`](crate::disk::is_sync_failure) is true for it.
    pub fn sync(&mut self) -> io::Result<()> {
        if self.unsynced.len() >= SYNC_ALL_FROM {
            disk::sync_file_system(&self.root)?;
        } else {
            self.sync_each()?;
        }
        self.unsynced.clear();
        for dir in &self.new_in {
            sync_up_to(dir, &self.root)?;
        }
        self.new_in.clear();
        self.wants_checkpoint = false;
        Ok(())
    }

    fn sync_each(&mut self) -> io::Result<()> {
        for &id in &self.unsynced {
            let (Location::At(path) | Location::Retired(path)) = &self.files[id.0 as usize].place else {
                continue;
            };
            let path_of_it = self.root.join(path);
            let synced = self
                .open
                .get(id, &path_of_it)
                .and_then(|(file, _)| disk::sync(file, &path_of_it));
            match synced {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {} // deleted by its owner
                other => other.map_err(|error| about(path, error))?,
            }
        }
        Ok(())
    }

    /// True if a [`state`](Self::state) should be saved soon: another program removed, moved or truncated a file, and the set
    /// started it again.
    pub fn wants_checkpoint(&self) -> bool {
        self.wants_checkpoint
    }

    /// State for [`restore`](Self::restore). Call [`sync`](Self::sync) first.
    pub fn state(&self) -> Vec<u8> {
        let files = self
            .files
            .iter()
            .enumerate()
            .filter_map(|(n, file)| match &file.place {
                Location::At(path) => Some(SavedFile {
                    id: FileId(n as u32),
                    key: file.key.clone(),
                    path: path.clone(),
                    end: file.end,
                }),
                Location::Wanted(_) | Location::Retired(_) | Location::Spent | Location::Gone => None,
            });
        let saved: Vec<SavedFile> = files.collect();
        rmp_serde::to_vec(&saved).expect("plain data serializes")
    }

    /// Restores a state in a new set. Files that were deleted or truncated meanwhile are forgotten, and their keys are free
    /// again.
    ///
    /// # Errors
    /// When the bytes are not a state.
    pub fn restore(&mut self, state: &[u8]) -> io::Result<()> {
        let saved: Vec<SavedFile> =
            rmp_serde::from_slice(state).map_err(|why| io::Error::new(io::ErrorKind::InvalidData, why))?;
        for file in saved {
            let at = file.id.0 as usize;
            if at < self.files.len() || at > self.files.len() + MAX_GAP {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "file numbers are out of order",
                ));
            }
            while self.files.len() < at {
                self.files.push(Growing::gone());
            }
            self.by_key.insert(file.key.clone(), file.id);
            let Some(path) = self.whereabouts(&file.key, &file.path) else {
                self.files.push(Growing {
                    place: Location::Spent,
                    key: file.key,
                    ..Growing::gone()
                });
                continue;
            };
            if mutants::is_on(Mutant::TruncateAtRecovery) {
                File::options()
                    .write(true)
                    .open(self.root.join(&path))
                    .and_then(|it| disk::cut(&it, file.end))?;
            }
            let there = length_of(&self.root.join(&path));
            if there < file.end {
                tracing::warn!(
                    path,
                    "was deleted or cut by someone else; a new file takes its place"
                );
                self.files.push(Growing::gone());
                self.by_key.remove(&file.key);
                self.lost.insert(file.key);
                continue;
            }
            self.files.push(Growing {
                key: file.key,
                place: Location::At(path),
                end: file.end,
                pending: Vec::new(),
                catching_up: there > file.end,
            });
        }
        Ok(())
    }

    /// Picks a path for each new file and records it, before anything is written.
    fn place_new_files(&mut self, ids: &[FileId]) -> io::Result<()> {
        let mut records = Vec::new();
        let mut placed = Vec::new();
        for &id in ids {
            let file = &self.files[id.0 as usize];
            let Location::Wanted(wanted) = &file.place else {
                continue;
            };
            let manifest = self.manifest.as_ref().filter(|_| !self.lost.contains(&file.key));
            if let Some(entry) = manifest.and_then(|manifest| manifest.get(&file.key)) {
                let path = wanted.fixed_path().unwrap_or(&entry.path);
                let Some(path) = self.whereabouts(&file.key, path) else {
                    self.files[id.0 as usize].place = Location::Spent;
                    continue;
                };
                if self.root.join(&path).exists() {
                    placed.push((id, Entry { path, ..*entry }, true));
                    continue;
                }
            }
            let file = &mut self.files[id.0 as usize];
            let Location::Wanted(wanted) = &mut file.place else {
                continue;
            };
            let path = wanted.pick(&self.root).map_err(|error| about(&file.key, error))?;
            let full = self.root.join(&path);
            let is_ours = self
                .manifest
                .as_ref()
                .is_some_and(|manifest| manifest.get(&file.key).is_some());
            if matches!(wanted, NewFile::Overwrite(_)) && !is_ours {
                // Before its record: after a crash in between neither exists, and the next attempt starts over.
                remove(&full).map_err(|error| about(&path, error))?;
            }
            let parent = full.parent().unwrap_or(&self.root).to_owned();
            disk::make_dir(&parent).map_err(|error| about(&path, error))?;
            let base = match wanted {
                NewFile::Create(_) => 0,
                _ => length_of(&full),
            };
            let entry = Entry { path, base };
            records.push((file.key.clone(), entry.clone()));
            placed.push((id, entry, false));
            self.new_in.insert(parent);
        }
        if let Some(manifest) = self.manifest.as_mut().filter(|_| !records.is_empty()) {
            manifest.add(records)?;
        }
        for (id, entry, catching_up) in placed {
            let file = &mut self.files[id.0 as usize];
            file.place = Location::At(entry.path);
            file.end = entry.base;
            file.catching_up = catching_up;
        }
        Ok(())
    }

    fn write_pending(&mut self, id: FileId) -> io::Result<()> {
        let file = &mut self.files[id.0 as usize];
        let Location::At(path) = &file.place else {
            file.pending.clear(); // of a file that was spent before a crash
            return Ok(());
        };
        if file.pending.is_empty() {
            return Ok(());
        }
        let full = self.root.join(path);
        if self.open.is_removed(id).map_err(|error| about(path, error))? {
            self.open.close(id);
            self.new_in.extend(full.parent().map(Path::to_owned));
            self.wants_checkpoint = true;
        }
        let (handle, fresh) = self
            .open
            .get_or_create(id, &full)
            .map_err(|error| about(path, error))?;
        if fresh {
            self.wants_checkpoint |= file.notice_length(handle.metadata()?.len());
        }
        // Even when it fails: a part may be written.
        self.unsynced.insert(id);
        file.write_to(handle)
            .map_err(|error| about(&path_of(&file.place), error))
    }
}

impl NewFile {
    /// Path of a file, if it is known.
    fn fixed_path(&self) -> Option<&str> {
        match self {
            Self::Append(path) | Self::Overwrite(path) => Some(path),
            Self::Create(_) => None,
        }
    }

    fn pick(&mut self, root: &Path) -> io::Result<String> {
        match self {
            Self::Append(path) | Self::Overwrite(path) => Ok(path.clone()),
            Self::Create(choose) => choose(root),
        }
    }
}

/// Length of a file; `None` when it is missing.
fn length_of(path: &Path) -> u64 {
    std::fs::metadata(path).map(|meta| meta.len()).unwrap_or(0)
}

fn remove(path: &Path) -> io::Result<()> {
    match disk::remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn about(path: &str, error: io::Error) -> io::Error {
    if disk::is_sync_failure(&error) {
        return error;
    }
    io::Error::new(error.kind(), format!("{path}: {error}"))
}

/// Syncs the directories above a new file: without them it is lost in a power cut.
fn sync_up_to(dir: &Path, root: &Path) -> io::Result<()> {
    for dir in dir.ancestors() {
        match disk::sync_dir(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {} // deleted by its owner
            synced => synced?,
        }
        if dir == root {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
