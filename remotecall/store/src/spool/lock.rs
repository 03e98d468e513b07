//! Lock of a spool: `flock` on its file `owner`, which a kill releases.
//!
//! A forked child shares its parent's locks and would hold them after the parent's death: workers of a data loader may
//! outlive a training that was killed. So the child closes them at once, before it runs anything else
//! ([`ForkGeneration`]).

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicI32, Ordering::AcqRel, Ordering::Acquire, Ordering::Release};

use crate::fork::ForkGeneration;

/// Limit on the locks that a child closes; it keeps further ones.
const MOST: usize = 64;
const NONE: i32 = -1;

/// Descriptors of the locked files. Atomic numbers, because a child may read them in any state.
static HELD: [AtomicI32; MOST] = [const { AtomicI32::new(NONE) }; MOST];

/// A held lock; dropping it or the end of the process releases it.
pub(super) struct Lock {
    /// Present until the drop.
    file: Option<File>,
    slot: Option<usize>,
    fork_generation: ForkGeneration,
}

impl Lock {
    /// Locks an open file; `None` when another process holds the lock.
    pub fn try_lock(file: File) -> io::Result<Option<Self>> {
        let fork_generation = ForkGeneration::now()?;
        match file.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Ok(None),
            Err(std::fs::TryLockError::Error(error)) => return Err(error),
        }
        let number = file.as_raw_fd();
        let slot = HELD
            .iter()
            .position(|slot| slot.compare_exchange(NONE, number, AcqRel, Acquire).is_ok());
        Ok(Some(Self {
            file: Some(file),
            slot,
            fork_generation,
        }))
    }

    pub fn file(&self) -> Option<&File> {
        self.file.as_ref()
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if !self.fork_generation.is_current() {
            // The descriptor may belong to another file by now.
            std::mem::forget(self.file.take());
        } else if let Some(slot) = self.slot {
            HELD[slot].store(NONE, Release);
        }
    }
}

/// Takes the descriptors of all locked files, for the child of a fork to close.
pub fn forget_locks() -> impl Iterator<Item = i32> {
    HELD.iter()
        .map(|slot| slot.swap(NONE, AcqRel))
        .filter(|&number| number != NONE)
}
