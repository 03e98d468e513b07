//! A growing file of a set.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::NewFile;
use crate::disk;

/// Capacity that a pending buffer keeps after a commit, in bytes.
const KEEP_BUFFER: usize = 4 << 10;

/// A file that gets bytes.
pub(super) struct Growing {
    pub key: String,
    pub place: Location,
    /// Length without `pending`.
    pub end: u64,
    pub pending: Vec<u8>,
    /// Bytes after `end` on disk may be our own from before a crash.
    pub catching_up: bool,
}

/// Location of a file.
pub(super) enum Location {
    Wanted(NewFile),
    At(String),
    /// Retired: moved to its last path; gets no more bytes.
    Retired(String),
    /// Retired before a crash and removed since: a replay discards its bytes.
    Spent,
    /// Deleted or truncated by another program; its number is not reused.
    Gone,
}

impl Growing {
    pub fn gone() -> Self {
        Self {
            key: String::new(),
            place: Location::Gone,
            end: 0,
            pending: Vec::new(),
            catching_up: false,
        }
    }

    /// Compares the written length with the file when it is opened again; returns true if the file is shorter.
    pub fn notice_length(&mut self, there: u64) -> bool {
        let is_less = there < self.end;
        if is_less {
            tracing::warn!(
                path = path_of(&self.place),
                expected = self.end,
                found = there,
                "was deleted or cut by someone else; going on at its end"
            );
            self.end = there;
        }
        self.catching_up |= there > self.end;
        is_less
    }

    pub fn write_to(&mut self, file: &File) -> io::Result<()> {
        if self.catching_up {
            self.skip_what_is_there(file)?;
        }
        let mut written = 0;
        while written < self.pending.len() {
            match disk::write_at(file, &self.pending[written..], self.end) {
                Ok(0) => return self.stop_at(written, io::ErrorKind::WriteZero.into()),
                Ok(n) => {
                    written += n;
                    self.end += n as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.stop_at(written, error),
            }
        }
        self.pending.clear();
        Ok(())
    }

    /// Frees a long buffer.
    pub fn shrink(&mut self) {
        self.pending.shrink_to(KEEP_BUFFER);
    }

    /// Keeps unwritten bytes for the next attempt.
    fn stop_at(&mut self, written: usize, error: io::Error) -> io::Result<()> {
        self.pending.drain(..written);
        Err(error)
    }

    /// Skips pending bytes that the file already holds from before a crash.
    fn skip_what_is_there(&mut self, file: &File) -> io::Result<()> {
        let there = file.metadata()?.len().saturating_sub(self.end);
        let overlap = self
            .pending
            .len()
            .min(usize::try_from(there).unwrap_or(usize::MAX));
        let mut found = vec![0; overlap];
        file.read_exact_at(&mut found, self.end)?;
        let same = found
            .iter()
            .zip(&self.pending)
            .take_while(|(a, b)| a == b)
            .count();
        if same < overlap {
            tracing::warn!(
                path = path_of(&self.place),
                at = self.end + same as u64,
                bytes = overlap - same,
                "bytes differ from the journal, as after a power cut; they are replaced"
            );
            disk::write_all_at(file, &self.pending[same..overlap], self.end + same as u64)?;
        }
        self.pending.drain(..overlap);
        self.end += overlap as u64;
        self.catching_up = there > overlap as u64;
        Ok(())
    }
}

pub(super) fn path_of(place: &Location) -> String {
    match place {
        Location::At(path) | Location::Retired(path) => path.clone(),
        Location::Wanted(_) | Location::Spent | Location::Gone => String::new(),
    }
}
