//! Where log files are read from.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize, Serializer};

use super::places::{LogPlace, earlier_files, find_logs};

/// Bytes at the beginning of a file by which it is known: a number in the file system is given away again.
pub(crate) const HEAD: usize = 64;

/// The log files of a server. What is not there, or not there any more, is [`io::ErrorKind::NotFound`].
pub trait Source {
    /// What the bytes of an open file come from.
    type File;

    /// The files of all clients; none when nobody has looked since the last call.
    ///
    /// # Errors
    /// When they cannot be listed at all.
    fn list(&mut self) -> io::Result<Option<Vec<LogPlace>>>;

    /// The earlier files of the client whose growing file `path` is, with their numbers, the oldest first.
    ///
    /// # Errors
    /// When they cannot be listed.
    fn earlier(&mut self, path: &Path) -> io::Result<Vec<(u64, PathBuf)>>;

    /// The file that is at `path` now. It stays the same file when it moves.
    ///
    /// # Errors
    /// When it cannot be opened.
    fn open(&mut self, path: &Path) -> io::Result<OpenLog<Self::File>>;

    /// Bytes of a file from byte `at` on, at most `max`; fewer if that is convenient, and none only at its end.
    ///
    /// # Errors
    /// When it cannot be read.
    fn read_at(&mut self, log: &OpenLog<Self::File>, at: u64, max: usize) -> io::Result<Vec<u8>>;

    /// Says that the file at `path` is read next, and from which byte, given what it is known by and its length: a source
    /// that is far away fetches that together with others. The default does nothing.
    fn expect(&mut self, _path: &Path, _from: &dyn Fn(&LogId, u64) -> u64) {}
}

/// A file that is being read.
#[derive(Debug)]
pub struct OpenLog<F> {
    /// By which it is known.
    pub id: LogId,
    /// Bytes in it.
    pub length: u64,
    /// When it was last written to.
    pub modified: DateTime<Utc>,
    /// What the source knows of it.
    pub file: F,
}

/// What does not change when a file moves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogId {
    /// Its number in the file system.
    pub number: u64,
    /// Its first bytes, 64 of them or all that there are.
    #[serde(serialize_with = "as_bytes")]
    pub head: Vec<u8>,
}

fn as_bytes<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(bytes)
}

impl LogId {
    /// Whether this file is that one, as it is later: it may have grown.
    pub fn is_now(&self, later: &Self) -> bool {
        self.number == later.number && later.head.starts_with(&self.head)
    }

    /// Looks at an open file.
    pub(crate) fn of(file: &File) -> io::Result<Self> {
        let mut head = Vec::new();
        At { file, at: 0 }.take(HEAD as u64).read_to_end(&mut head)?;
        let number = file.metadata()?.ino();
        Ok(Self { number, head })
    }
}

/// Bytes of an open file, at most `max` from byte `at` on.
pub(crate) fn bytes_at(file: &File, at: u64, max: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    At { file, at }.take(max as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads without moving the file's own place.
struct At<'a> {
    file: &'a File,
    at: u64,
}

impl Read for At<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// The files of a folder on this machine.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// The logs below `folder`.
    pub fn new(folder: &Path) -> Self {
        Self(folder.to_owned())
    }
}

impl Source for Folder {
    type File = File;

    fn list(&mut self) -> io::Result<Option<Vec<LogPlace>>> {
        let is_expected = || self.0.parent().is_some_and(Path::is_dir);
        match find_logs(&self.0) {
            // Of a server that has not logged a line yet.
            Err(error) if error.kind() == io::ErrorKind::NotFound && is_expected() => Ok(Some(Vec::new())),
            found => found.map(Some),
        }
    }

    fn earlier(&mut self, path: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
        earlier_files(path)
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

    fn read_at(&mut self, log: &OpenLog<File>, at: u64, max: usize) -> io::Result<Vec<u8>> {
        bytes_at(&log.file, at, max)
    }
}
