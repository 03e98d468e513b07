//! Retired files: they get their last bytes and move to another path.
//!
//! ```text
//! 1. the last bytes are written
//! 2. the manifest says: this key is at its new path
//! 3. rename, and the directory is synced
//! 4. the manifest says: the old path is another key's        only then may the file be removed
//! ```
//!
//! A replay finds the file after a crash at any point; see [`FileSet::whereabouts`].

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use super::growing::Location;
use super::manifest::Entry;
use super::{FileId, FileSet, about, length_of, sync_up_to};
use crate::disk;

impl FileSet {
    /// Retires a file: the next commit writes its last bytes and moves it to the path `kept`, which no other file may have.
    /// Its key must not be used again; its path is free for the next file.
    ///
    /// The file may be removed afterwards, once another file got its path. A replay does not create it again.
    pub fn retire(&mut self, id: FileId, kept: String) {
        self.by_key.remove(&self.files[id.0 as usize].key);
        self.retiring.push((id, kept));
    }

    /// Reopens files by their paths, after another program moved them. A missing file is started again.
    ///
    /// Commit and sync first, and save the [`state`](Self::state) afterwards: a replay from an earlier state would write the
    /// bytes of the moved files into the new ones.
    pub fn reopen(&mut self) {
        self.open.close_all();
        for file in &mut self.files {
            if let Location::At(path) = &file.place {
                file.end = file.end.min(length_of(&self.root.join(path)));
            }
        }
    }

    /// Current path of a key whose file grew at `path`: it may have been retired before a crash. `None` when it was removed
    /// since.
    pub(super) fn whereabouts(&self, key: &str, path: &str) -> Option<String> {
        let here = || Some(path.to_owned());
        let Some(manifest) = &self.manifest else {
            return here();
        };
        match manifest.get(key).map(|entry| &entry.path) {
            Some(kept) if self.root.join(kept).exists() => Some(kept.clone()),
            _ if manifest.has_passed_on(key, path) => None,
            _ => here(),
        }
    }

    /// Moves retired files in waves: a file moves after its predecessor at the same path.
    pub(super) fn move_retired(&mut self) -> io::Result<()> {
        while !self.retiring.is_empty() {
            let wave: Vec<(FileId, String)> = self.wave().to_vec();
            let ids: Vec<FileId> = wave.iter().map(|(id, _)| *id).collect();
            self.place_new_files(&ids)?;
            for &id in &ids {
                self.write_pending(id)?;
                self.files[id.0 as usize].shrink();
            }
            self.record_moves(&wave)?;
            let mut dirs = BTreeSet::new();
            for (id, kept) in &wave {
                dirs.extend(self.move_away(*id, kept)?);
            }
            for dir in &dirs {
                sync_up_to(dir, &self.root)?;
            }
            self.retiring.drain(..wave.len());
            let moved: BTreeSet<FileId> = ids.into_iter().collect();
            self.dirty.retain(|id| !moved.contains(id));
        }
        Ok(())
    }

    /// First retired files, up to one with the path of an earlier one.
    fn wave(&self) -> &[(FileId, String)] {
        let mut paths = BTreeSet::new();
        let is_new = |(id, _): &(FileId, String)| match &self.files[id.0 as usize].place {
            Location::At(path) => paths.insert(path.as_str()),
            Location::Wanted(wanted) => wanted.fixed_path().is_none_or(|path| paths.insert(path)),
            _ => true,
        };
        let length = self.retiring.iter().map(is_new).take_while(|&new| new).count();
        &self.retiring[..length]
    }

    /// Records the new paths in the manifest, before the files move.
    fn record_moves(&mut self, moves: &[(FileId, String)]) -> io::Result<()> {
        let Some(manifest) = &mut self.manifest else {
            return Ok(());
        };
        let mut records = Vec::new();
        for (id, kept) in moves {
            let file = &self.files[id.0 as usize];
            if matches!(&file.place, Location::At(path) if path != kept) {
                let base = manifest.get(&file.key).map_or(0, |entry| entry.base);
                let path = kept.clone();
                records.push((file.key.clone(), Entry { path, base }));
            }
        }
        match records.is_empty() {
            true => Ok(()),
            false => manifest.add(records),
        }
    }

    /// Renames one file; returns the directories whose names changed.
    fn move_away(&mut self, id: FileId, kept: &str) -> io::Result<Vec<PathBuf>> {
        let file = &mut self.files[id.0 as usize];
        let Location::At(path) = &file.place else {
            return Ok(Vec::new());
        };
        let (from, to) = (self.root.join(path), self.root.join(kept));
        match disk::rename(&from, &to) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {} // deleted by its owner
            other => other.map_err(|error| about(path, error))?,
        }
        file.place = Location::Retired(kept.to_owned());
        Ok([from, to]
            .iter()
            .filter_map(|path| path.parent())
            .map(Path::to_owned)
            .collect())
    }
}
