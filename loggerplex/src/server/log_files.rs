//! Which file an entry goes to.

mod state;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use remotecall::{CallContext, ClientId, FileId, FileSet, NewFile};

use super::LogError;
use crate::Rotation;
use crate::rotation::Generation;

/// Bytes that may gather in memory before they are written: 64 MiB.
pub(super) const MAX_PENDING: usize = 64 << 20;

/// The files of all clients.
pub(super) struct LogFiles {
    files: FileSet,
    pub overwrite: bool,
    pub rotation: Option<Rotation>,
    pub reopen: Arc<AtomicBool>,
    /// By the path of the file that grows; only of files that are or were under a rotation.
    generations: BTreeMap<String, Generation>,
    /// Earlier files that are removed with the next commit.
    expired: Vec<String>,
    /// Bytes since the last commit. Entries are written early when there are too many; a failure then is
    /// not lost, because the next commit meets it again.
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
            generations: BTreeMap::new(),
            expired: Vec::new(),
            pending: 0,
        })
    }

    /// Adds an entry to the client's file, whose name ends in `ending`.
    pub fn add(&mut self, cx: &CallContext<'_>, ending: &str, entry: &[u8]) -> Result<(), LogError> {
        check_folders(cx.client_id)?;
        let path = format!("{}{ending}", cx.client_id.as_str());
        let key = self.key(&path, cx.time_ns, entry.len() as u64);
        let file = match self.files.find(&key) {
            Some(file) => file,
            None => self.begin(&key, path),
        };
        self.files.pending(file).extend_from_slice(entry);
        self.pending += entry.len();
        if self.pending > MAX_PENDING {
            // What fails here fails again at the next commit, and is reported there.
            let _ = self.commit();
        }
        Ok(())
    }

    /// The key of the file at `path`, or of the next one when this entry is too much for it.
    fn key(&mut self, path: &str, time_ns: i64, bytes: u64) -> String {
        let rotation = match self.rotation {
            Some(rotation) => rotation,
            None if self.generations.contains_key(path) => Rotation::default(),
            None => return path.to_owned(),
        };
        let generation = self.generations.entry(path.to_owned()).or_default();
        if generation.ends_before(rotation, time_ns, bytes)
            && let Some(full) = self.files.find(&generation.key(path))
        {
            self.files.retire(full, generation.kept(path));
            self.expired.extend(generation.next(path, rotation.keep));
        }
        generation.add(time_ns, bytes);
        generation.key(path)
    }

    fn begin(&mut self, key: &str, path: String) -> FileId {
        let place = if self.overwrite {
            NewFile::Overwrite(path)
        } else {
            NewFile::Append(path)
        };
        self.files.add(key, place)
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

    pub fn want_checkpoint(&self) -> bool {
        self.reopen.load(Relaxed) || self.files.wants_checkpoint()
    }

    /// Makes everything durable; the moment to open files again, since a state is saved.
    pub fn checkpoint(&mut self) -> io::Result<Vec<u8>> {
        self.files.sync()?;
        if self.reopen.swap(false, Relaxed) {
            self.files.reopen();
        }
        state::encode(&self.generations, &self.files.state())
    }

    pub fn restore(&mut self, state: &[u8]) -> io::Result<()> {
        let (generations, files) = state::decode(state)?;
        self.generations = generations;
        self.files.restore(files)
    }

    #[cfg(test)]
    pub fn pending_bytes(&self) -> usize {
        self.files.pending_bytes()
    }
}

fn check_folders(client_id: &ClientId) -> Result<(), LogError> {
    let mut folders = client_id.as_str().rsplit('/').skip(1);
    if folders.any(is_like_a_file) {
        return Err(LogError::FolderLikeFile(client_id.clone()));
    }
    Ok(())
}

/// Whether a folder of this name could be in the way of another client's file, in any format.
fn is_like_a_file(folder: &str) -> bool {
    let ends = |ending: &str| {
        let rests = folder
            .match_indices(ending)
            .map(|(at, _)| &folder[at + ending.len()..]);
        rests
            .into_iter()
            .any(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    ends(".log") || ends(".jsonl")
}

#[cfg(test)]
mod tests;
