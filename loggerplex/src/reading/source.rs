//! Sources of log files.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use crate::files::{ClientFiles, LogId, find_readable_logs, logrotated_files, read_at, rotated_files};

/// Source of log files. A missing or removed file is [`io::ErrorKind::NotFound`].
///
/// [`FolderSource`] and [`ServerSource`](super::ServerSource) implement it.
///
/// ```
/// use loggerplex::reading::{FolderSource, Source};
///
/// fn clients(source: &mut impl Source) -> std::io::Result<Vec<String>> {
///     let files = source.list()?.unwrap_or_default();
///     Ok(files.into_iter().map(|files| files.client).collect())
/// }
///
/// let folder = tempfile::tempdir()?;
/// std::fs::write(folder.path().join("agent.log"), "")?;
/// assert_eq!(clients(&mut FolderSource::new(folder.path()))?, ["agent"]);
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait Source {
    /// Handle of an open file.
    type File;

    /// Lists the files of all clients. Returns none when the source was not scanned since the last
    /// call.
    ///
    /// # Errors
    /// Fails when the files cannot be listed.
    fn list(&mut self) -> io::Result<Option<Vec<ClientFiles>>>;

    /// Lists the rotated files that belong to the current file at `path`, with their numbers,
    /// oldest first.
    ///
    /// # Errors
    /// Fails when the files cannot be listed.
    fn rotated(&mut self, path: &Path) -> io::Result<Vec<(u64, PathBuf)>>;

    /// Opens the file that is at `path` now. The handle stays with that file when it is renamed.
    ///
    /// # Errors
    /// Fails when the file cannot be opened.
    fn open(&mut self, path: &Path) -> io::Result<OpenLog<Self::File>>;

    /// Reads at most `max` bytes from `offset` on. Fewer are allowed, but none only at the end of
    /// the file.
    ///
    /// # Errors
    /// Fails when the file cannot be read.
    fn read_at(&mut self, log: &OpenLog<Self::File>, offset: u64, max: usize) -> io::Result<Vec<u8>>;

    /// Announces that the file at `path` will be read next. `offset` computes the first byte from
    /// the file's identity and length. A remote source requests such files together; the default
    /// does nothing.
    fn prefetch(&mut self, _path: &Path, _offset: &dyn Fn(&LogId, u64) -> u64) {}

    /// Lists the files that logrotate made of the file at `path`, newest first. The default has
    /// none.
    fn logrotated(&mut self, _path: &Path) -> Vec<PathBuf> {
        Vec::new()
    }

    /// Leaves out a file that cannot be read, so that the others can be read. The default fails,
    /// because an error of a remote source concerns all files.
    ///
    /// # Errors
    /// Fails with `error` when the other files cannot be read either.
    fn leave_out(&mut self, _path: &Path, error: io::Error) -> io::Result<()> {
        Err(error)
    }

    /// Takes the entries that were left out since the last call, with the reasons.
    fn take_left_out(&mut self) -> Vec<(PathBuf, io::Error)> {
        Vec::new()
    }
}

/// Open file of a [`Source`].
///
/// ```
/// use loggerplex::reading::{FolderSource, Source};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("agent.log");
/// std::fs::write(&path, "12:00:00 INFO> hi\n")?;
/// let mut source = FolderSource::new(folder.path());
/// let log = source.open(&path)?;
/// assert_eq!(log.length, 18);
/// assert_eq!(source.read_at(&log, 15, 64)?, b"hi\n");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct OpenLog<F> {
    /// Identity of the file.
    pub id: LogId,
    /// Length in bytes when it was opened.
    pub length: u64,
    /// Time of the last write.
    pub modified: DateTime<Utc>,
    /// Handle for the source.
    pub file: F,
}

/// Source of the files in a local folder.
///
/// ```
/// use loggerplex::reading::{FolderSource, Source};
///
/// let runs = tempfile::tempdir()?;
/// // The server makes the folder with the first log line.
/// let mut source = FolderSource::new(&runs.path().join("logs"));
/// assert_eq!(source.list()?, Some(vec![]));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct FolderSource {
    folder: PathBuf,
    left_out: Vec<(PathBuf, io::Error)>,
}

impl FolderSource {
    /// Reads the logs below `folder`.
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            left_out: Vec::new(),
        }
    }
}

impl Source for FolderSource {
    type File = File;

    fn list(&mut self) -> io::Result<Option<Vec<ClientFiles>>> {
        let parent_exists = || self.folder.parent().is_some_and(Path::is_dir);
        let leave_out = &mut |path: &Path, error| self.left_out.push((path.to_owned(), error));
        match find_readable_logs(&self.folder, leave_out) {
            // The log directory exists, but its server has not logged a line yet.
            Err(error) if error.kind() == io::ErrorKind::NotFound && parent_exists() => Ok(Some(Vec::new())),
            found => found.map(Some),
        }
    }

    fn rotated(&mut self, path: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
        rotated_files(path)
    }

    fn logrotated(&mut self, path: &Path) -> Vec<PathBuf> {
        logrotated_files(path)
    }

    fn leave_out(&mut self, path: &Path, error: io::Error) -> io::Result<()> {
        self.left_out.push((path.to_owned(), error));
        Ok(())
    }

    fn take_left_out(&mut self) -> Vec<(PathBuf, io::Error)> {
        std::mem::take(&mut self.left_out)
    }

    fn open(&mut self, path: &Path) -> io::Result<OpenLog<File>> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        Ok(OpenLog {
            id: LogId::of(&file)?,
            length: metadata.len(),
            modified: metadata.modified().map_or_else(|_| Utc::now(), DateTime::from),
            file,
        })
    }

    fn read_at(&mut self, log: &OpenLog<File>, offset: u64, max: usize) -> io::Result<Vec<u8>> {
        read_at(&log.file, offset, max)
    }
}
