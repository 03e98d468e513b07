//! The disk layer: one function per system call that changes a file of the server. Nothing else in this crate changes one.
//!
//! A failed sync is special: the system may have dropped the bytes that it could not write, and reports that once, so a
//! second attempt proves nothing. [`is_sync_failure`] tells it from errors that can heal, such as a full disk.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Error of a failed sync: the content of the disk is unknown until a new process reads it.
#[derive(Debug, thiserror::Error)]
#[error("fsync of {path} failed: {error}; restart to recover from what the disk holds")]
pub struct SyncFailed {
    /// The file or directory.
    pub path: PathBuf,
    /// The error of the system.
    pub error: io::Error,
}

/// True for the error of a failed sync. This process must not retry what it was about.
pub fn is_sync_failure(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<SyncFailed>())
}

/// Opens a file for reading and writing, and creates a missing one.
pub fn open_or_create(path: &Path) -> io::Result<File> {
    system_call(Call::Open)?;
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
}

/// Opens an existing file for reading and writing.
pub fn open(path: &Path) -> io::Result<File> {
    system_call(Call::Open)?;
    OpenOptions::new().read(true).write(true).open(path)
}

/// Reads a whole file.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    system_call(Call::Read)?;
    std::fs::read(path)
}

/// True for an open file without a name: its bytes vanish when it is closed.
pub fn is_removed(file: &File) -> io::Result<bool> {
    Ok(file.metadata()?.nlink() == 0)
}

/// Writes at least one byte at offset `at`; returns how many.
pub fn write_at(file: &File, bytes: &[u8], at: u64) -> io::Result<usize> {
    let bytes = writable(file, bytes, at)?;
    file.write_at(bytes, at)
}

/// Writes all bytes at offset `at`.
pub fn write_all_at(file: &File, mut bytes: &[u8], mut at: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match write_at(file, bytes, at) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => (bytes, at) = (&bytes[n..], at + n as u64),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Truncates a file.
pub fn cut(file: &File, length: u64) -> io::Result<()> {
    system_call(Call::Cut)?;
    file.set_len(length)
}

/// Syncs the bytes and the length of a file.
pub fn sync(file: &File, path: &Path) -> io::Result<()> {
    let synced = system_call(Call::Sync).and_then(|()| synced(file, || file.sync_data()));
    synced.map_err(|error| sync_failed(path, error))
}

/// Syncs the names in a directory.
pub fn sync_dir(path: &Path) -> io::Result<()> {
    system_call(Call::Open)?;
    let dir = File::open(path)?;
    let synced = system_call(Call::Sync).and_then(|()| synced(&dir, || dir.sync_all()));
    synced.map_err(|error| sync_failed(path, error))
}

/// Syncs the whole file system of this directory.
pub fn sync_file_system(path: &Path) -> io::Result<()> {
    system_call(Call::Open)?;
    let dir = File::open(path)?;
    let synced = system_call(Call::SyncFs).and_then(|()| synced(&dir, || Ok(rustix::fs::syncfs(&dir)?)));
    synced.map_err(|error| sync_failed(path, error))
}

/// Renames a file, and replaces a file of the new name.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    system_call(Call::Rename)?;
    std::fs::rename(from, to)
}

/// Removes a file.
pub fn remove(path: &Path) -> io::Result<()> {
    system_call(Call::Remove)?;
    std::fs::remove_file(path)
}

/// Makes a directory and its missing parents.
pub fn make_dir(path: &Path) -> io::Result<()> {
    system_call(Call::MakeDir)?;
    std::fs::create_dir_all(path)
}

/// Replaces the content of a file atomically: writes a new file beside it, syncs it, renames it, and syncs the directory.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    let file = open_or_create(&beside)?;
    cut(&file, 0)?;
    write_all_at(&file, content, 0)?;
    sync(&file, &beside)?;
    rename(&beside, path)?;
    path.parent().map_or(Ok(()), sync_dir)
}

fn sync_failed(path: &Path, error: io::Error) -> io::Error {
    let path = path.to_owned();
    io::Error::new(error.kind(), SyncFailed { path, error })
}

/// Kind of a system call.
#[allow(missing_docs, reason = "each variant is named after its system call")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Open,
    Read,
    #[cfg(any(test, feature = "faults"))]
    Write,
    Cut,
    Sync,
    SyncFs,
    Rename,
    Remove,
    MakeDir,
}

/// The system without faults.
#[cfg(not(any(test, feature = "faults")))]
mod real {
    use super::{Call, File, io};

    #[allow(clippy::unnecessary_wraps, reason = "in tests it can fail")]
    #[inline]
    pub(super) const fn system_call(_: Call) -> io::Result<()> {
        Ok(())
    }

    #[allow(clippy::unnecessary_wraps, reason = "in tests it can fail")]
    #[inline]
    pub(super) const fn writable<'a>(_: &File, bytes: &'a [u8], _: u64) -> io::Result<&'a [u8]> {
        Ok(bytes)
    }

    #[inline]
    pub(super) fn synced(_: &File, sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        sync()
    }
}
#[cfg(not(any(test, feature = "faults")))]
use real::{synced, system_call, writable};

#[cfg(any(test, feature = "faults"))]
pub mod faults;
#[cfg(any(test, feature = "faults"))]
use faults::{synced, system_call, writable};
