//! Identity of a log file: it stays the same when the file is renamed or grows.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt};

use serde::{Deserialize, Serialize, Serializer};

/// Bytes of a file's beginning that are part of its identity: 64. An inode number alone is not
/// enough, because the file system reuses it.
pub(crate) const HEAD: usize = 64;

/// Identity of a log file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogId {
    /// Inode number.
    pub number: u64,
    /// First bytes of the file: 64, or all of a shorter file.
    #[serde(serialize_with = "serialize_bytes")]
    pub head: Vec<u8>,
}

fn serialize_bytes<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(bytes)
}

impl LogId {
    /// Returns whether `later` is the same file, seen at the same time or later. It may have grown
    /// in between.
    ///
    /// ```
    /// use loggerplex::reading::LogId;
    ///
    /// let id = |number, head: &[u8]| LogId { number, head: head.to_vec() };
    /// assert!(id(7, b"12:00").is_same_file(&id(7, b"12:00:01 INFO> x")));
    /// assert!(!id(7, b"12:00").is_same_file(&id(7, b"13:00")), "inode number reused");
    /// ```
    pub fn is_same_file(&self, later: &Self) -> bool {
        self.number == later.number && later.head.starts_with(&self.head)
    }

    /// Reads the identity of an open file.
    pub(crate) fn of(file: &File) -> io::Result<Self> {
        let head = read_at(file, 0, HEAD)?;
        let number = file.metadata()?.ino();
        Ok(Self { number, head })
    }
}

/// Reads at most `max` bytes of an open file from `offset` on. The file's own cursor does not move.
pub(crate) fn read_at(file: &File, offset: u64, max: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    ReadAt { file, offset }.take(max as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

struct ReadAt<'a> {
    file: &'a File,
    offset: u64,
}

impl Read for ReadAt<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}
