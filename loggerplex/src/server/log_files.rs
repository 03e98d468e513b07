//! Log files of all clients: appending, rotation, checkpoints.

mod checkpoint;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use remotecall::{CallContext, ClientId, FileId, FileSet, NewFile};

use super::LogError;
use super::rotation::{RotatedFiles, Rotation};

/// Limit on unwritten bytes in memory: 64 MiB. Above it, entries are written before the next
/// commit.
pub(super) const MAX_PENDING: usize = 64 << 20;

/// Log files of all clients.
pub(super) struct LogFiles {
    files: FileSet,
    pub overwrite: bool,
    pub rotation: Option<Rotation>,
    pub reopen: Arc<AtomicBool>,
    /// Rotation progress by path of the current file; only for clients that ever had a rotation.
    rotations: BTreeMap<String, RotatedFiles>,
    /// Rotated files that the next commit removes.
    expired: Vec<String>,
    /// Bytes appended since the last commit.
    pending: usize,
}

impl LogFiles {
    pub fn open(folder: &Path, private: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        fs::create_dir_all(private)?;
        Ok(Self {
            files: FileSet::open(folder, Some(&private.join("files")))?,
            overwrite: false,
            rotation: None,
            reopen: Arc::default(),
            rotations: BTreeMap::new(),
            expired: Vec::new(),
            pending: 0,
        })
    }

    /// Appends an entry to the client's file with this extension.
    pub fn append(&mut self, cx: &CallContext<'_>, extension: &str, entry: &[u8]) -> Result<(), LogError> {
        check_folders(cx.client_id)?;
        let path = format!("{}{extension}", cx.client_id.as_str());
        let key = self.key(&path, cx.time_ns, entry.len() as u64);
        let file = match self.files.find(&key) {
            Some(file) => file,
            None => self.open_new(&key, path),
        };
        self.files.pending(file).extend_from_slice(entry);
        self.pending += entry.len();
        if self.pending > MAX_PENDING {
            // A failure here repeats at the next commit, which reports it.
            let _ = self.commit();
        }
        Ok(())
    }

    /// Key of the file that takes this entry. Rotates the current file first when the entry exceeds
    /// a limit.
    fn key(&mut self, path: &str, time_ns: i64, bytes: u64) -> String {
        let rotation = match self.rotation {
            Some(rotation) => rotation,
            None if self.rotations.contains_key(path) => Rotation::default(),
            None => return path.to_owned(),
        };
        let rotated = self.rotations.entry(path.to_owned()).or_default();
        if rotated.must_rotate(rotation, time_ns, bytes)
            && let Some(full) = self.files.find(&rotated.key(path))
        {
            self.files.retire(full, rotated.rotated_path(path));
            self.expired.extend(rotated.rotate(path, rotation.keep));
        }
        rotated.count_line(time_ns, bytes);
        rotated.key(path)
    }

    fn open_new(&mut self, key: &str, path: String) -> FileId {
        let mode = if self.overwrite {
            NewFile::Overwrite(path)
        } else {
            NewFile::Append(path)
        };
        self.files.add(key, mode)
    }

    pub fn commit(&mut self) -> io::Result<()> {
        self.files.commit()?;
        self.pending = 0;
        while let Some(path) = self.expired.last() {
            match fs::remove_file(self.files.root().join(path)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => self.expired.pop(),
            };
        }
        Ok(())
    }

    pub fn wants_checkpoint(&self) -> bool {
        self.reopen.load(Relaxed) || self.files.wants_checkpoint()
    }

    /// Syncs all files and encodes their checkpoint. Files are reopened here, because their lengths
    /// have just been saved.
    pub fn checkpoint(&mut self) -> io::Result<Vec<u8>> {
        self.files.sync()?;
        if self.reopen.swap(false, Relaxed) {
            self.files.reopen();
        }
        checkpoint::encode(&self.rotations, &self.files.state())
    }

    pub fn restore(&mut self, state: &[u8]) -> io::Result<()> {
        let (rotations, files) = checkpoint::decode(state)?;
        self.rotations = rotations;
        self.files.restore(files)
    }

    #[cfg(test)]
    pub fn pending_bytes(&self) -> usize {
        self.files.pending_bytes()
    }
}

fn check_folders(client_id: &ClientId) -> Result<(), LogError> {
    let mut folders = client_id.as_str().rsplit('/').skip(1);
    if folders.any(looks_like_log_file) {
        return Err(LogError::FolderLikeFile(client_id.clone()));
    }
    Ok(())
}

/// Returns whether a folder of this name could collide with another client's log file, current or
/// rotated.
fn looks_like_log_file(folder: &str) -> bool {
    let has_extension = |extension: &str| {
        // The first piece is before the first extension.
        let mut after = folder.split(extension).skip(1);
        after.any(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    has_extension(".log") || has_extension(".jsonl")
}

#[cfg(test)]
mod tests;
