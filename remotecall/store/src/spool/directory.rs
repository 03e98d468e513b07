//! The directory of one spool.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::error::at;
use super::lock::Lock;
use super::owner::{MAX_OWNER, Owner};
use super::{SpoolError, record};
use remotecall_wire::ProducerId;

const OWNER: &str = "owner";
const WHOLE: &str = "whole";
const SUFFIX: &str = ".calls";
/// Digits of the number in a segment's name, so that names sort like numbers.
const DIGITS: usize = 20;

/// Directory of a spool, locked by this process.
pub struct SpoolDirectory {
    /// Path of the directory.
    pub dir: PathBuf,
    /// Producer id of its frames.
    pub producer: ProducerId,
    /// Owner of the spool.
    pub owner: Owner,
    _lock: Lock,
}

/// A spool below the root.
pub enum Found {
    /// Unused before; this process has locked it.
    Free(SpoolDirectory),
    /// Locked by another process.
    InUse(PathBuf),
    /// Unusable.
    Refused(PathBuf, SpoolError),
}

/// Removes a file that may be gone already: the sender removes acknowledged segments without a lock, and closing the client
/// removes the whole directory.
pub fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Path of the segment that begins with frame `first`.
pub(super) fn segment(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("{first:0DIGITS$}{SUFFIX}"))
}

impl SpoolDirectory {
    /// Makes a directory below `root`.
    pub fn create(root: &Path, producer: ProducerId, owner: Owner) -> Result<Self, SpoolError> {
        // Hidden until it is locked: another process must not take it for unused.
        let unfinished = root.join(format!(".{producer}"));
        fs::create_dir_all(&unfinished).map_err(at(&unfinished))?;
        let path = unfinished.join(OWNER);
        fs::write(&path, owner.to_bytes()).map_err(at(&path))?;
        let whole = unfinished.join(WHOLE);
        File::create_new(&whole).map_err(at(&whole))?;
        let file = File::open(&path).map_err(at(&path))?;
        let lock = Lock::try_lock(file).map_err(at(&path))?;
        let lock = lock.ok_or(SpoolError::NotASpool {
            path,
            why: "somebody else has locked a file that was just made",
        })?;
        let dir = root.join(producer.to_string());
        fs::rename(&unfinished, &dir).map_err(at(&dir))?;
        Ok(Self {
            dir,
            producer,
            owner,
            _lock: lock,
        })
    }

    /// All spools below `root`, the oldest first; empty when the directory is missing.
    pub fn all(root: &Path) -> Result<Vec<Found>, SpoolError> {
        let entries = match fs::read_dir(root) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(at(root))?,
        };
        let mut names: Vec<(SystemTime, PathBuf, ProducerId)> = Vec::new();
        for entry in entries {
            let entry = entry.map_err(at(root))?;
            if let Some(producer) = entry.file_name().to_str().and_then(ProducerId::parse) {
                let made = fs::metadata(entry.path().join(OWNER)).and_then(|owner| owner.modified());
                names.push((made.unwrap_or(SystemTime::UNIX_EPOCH), entry.path(), producer));
            }
        }
        names.sort();
        let found = names
            .into_iter()
            .filter_map(|(_, dir, producer)| match Self::take(&dir, producer) {
                Ok(found) => found,
                Err(error) => Some(Found::Refused(dir, error)),
            });
        Ok(found.collect())
    }

    /// Locks one spool; `None` when its owner has just removed it.
    fn take(dir: &Path, producer: ProducerId) -> Result<Option<Found>, SpoolError> {
        let path = dir.join(OWNER);
        let file = match File::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            file => file.map_err(at(&path))?,
        };
        let Some(lock) = Lock::try_lock(file).map_err(at(&path))? else {
            return Ok(Some(Found::InUse(dir.to_owned())));
        };
        let Some(file) = lock.file() else { return Ok(None) };
        if file.metadata().map_err(at(&path))?.nlink() == 0 {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        file.take(MAX_OWNER).read_to_end(&mut bytes).map_err(at(&path))?;
        let owner = Owner::parse(&path, &bytes)?;
        Ok(Some(Found::Free(Self {
            dir: dir.to_owned(),
            producer,
            owner,
            _lock: lock,
        })))
    }

    /// True if the spool holds every frame that may have been sent, so that the next process can continue its numbers.
    pub fn is_whole(&self) -> bool {
        self.dir.join(WHOLE).exists()
    }

    /// Records whether the spool holds every frame that may have been sent. Removing a file works on a full disk, too.
    pub fn set_whole(&self, whole: bool) -> Result<(), SpoolError> {
        let path = self.dir.join(WHOLE);
        match whole {
            true => File::create(&path).map(drop),
            false => fs::remove_file(&path),
        }
        .map_err(at(&path))
    }

    /// First frame numbers of the segments, in order.
    pub fn segments(&self) -> Result<Vec<u64>, SpoolError> {
        let mut all = Vec::new();
        for entry in fs::read_dir(&self.dir).map_err(at(&self.dir))? {
            let name = entry.map_err(at(&self.dir))?.file_name();
            let digits = name.to_str().and_then(|name| name.strip_suffix(SUFFIX));
            let number = digits
                .filter(|digits| digits.len() == DIGITS)
                .and_then(|digits| digits.parse().ok());
            all.extend(number.filter(|&number: &u64| number > 0));
        }
        all.sort_unstable();
        Ok(all)
    }

    /// Creates a segment with its header.
    pub fn new_segment(&self, first: u64) -> Result<File, SpoolError> {
        let path = segment(&self.dir, first);
        let mut file = File::create_new(&path).map_err(at(&path))?;
        if let Err(error) = file.write_all(&record::header(self.producer, first)) {
            // The next attempt uses the same name.
            let _ = fs::remove_file(&path);
            return Err(at(&path)(error));
        }
        Ok(file)
    }

    /// Removes the directory, whose frames are all acknowledged.
    pub fn remove(self) -> Result<(), SpoolError> {
        for first in self.segments()? {
            let path = segment(&self.dir, first);
            remove_if_there(&path).map_err(at(&path))?;
        }
        let whole = self.dir.join(WHOLE);
        remove_if_there(&whole).map_err(at(&whole))?;
        // The owner file is last and still locked, so no process takes a half-removed spool.
        let owner = self.dir.join(OWNER);
        fs::remove_file(&owner).map_err(at(&owner))?;
        fs::remove_dir(&self.dir).map_err(at(&self.dir))
    }

    /// Renames a damaged spool; returns its new path.
    pub fn set_aside(&self) -> Result<PathBuf, SpoolError> {
        let aside = self.dir.with_extension("damaged");
        fs::rename(&self.dir, &aside).map_err(at(&aside))?;
        Ok(aside)
    }
}
