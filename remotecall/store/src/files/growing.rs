//! One growing file.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::NewFile;
use crate::disk;

/// A pending buffer that grew larger than this is given back to the allocator after a commit.
const KEEP_BUFFER: usize = 4 << 10;

pub(super) struct Growing {
    pub key: String,
    pub place: Place,
    /// Length without `pending`.
    pub end: u64,
    pub pending: Vec<u8>,
    /// What follows `end` on disk may be our own bytes from before a crash.
    pub catching_up: bool,
}

pub(super) enum Place {
    Wanted(NewFile),
    At(String),
    /// Moved away; it gets no more bytes.
    Retired(String),
    /// Retired before a crash, and removed since: its bytes go nowhere.
    Spent,
    /// Deleted or cut by somebody else; its number is not used again.
    Gone,
}

impl Growing {
    pub fn gone() -> Self {
        Self {
            key: String::new(),
            place: Place::Gone,
            end: 0,
            pending: Vec::new(),
            catching_up: false,
        }
    }

    /// Compares what was written with what is there, when a file is opened again; says whether it is less.
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

    /// Gives a long buffer back.
    pub fn shrink(&mut self) {
        self.pending.shrink_to(KEEP_BUFFER);
    }

    /// Keeps what could not be written for the next attempt.
    fn stop_at(&mut self, written: usize, error: io::Error) -> io::Result<()> {
        self.pending.drain(..written);
        Err(error)
    }

    /// Advances over pending bytes that the file already holds from before a crash.
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

pub(super) fn path_of(place: &Place) -> String {
    match place {
        Place::At(path) | Place::Retired(path) => path.clone(),
        Place::Wanted(_) | Place::Spent | Place::Gone => String::new(),
    }
}
