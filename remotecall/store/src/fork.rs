//! Forks of this process: the generation in which something was made, and the spool locks that a child closes.
//!
//! The C library counts forks: `pthread_atfork` registers a function that it calls in every child, whatever language or
//! library forked. Only a bare `clone` system call goes unnoticed, after which the C library cannot be used anyway.

// Asking the system for the process id costs 107 ns per call on the machine of docs/performance.md, as much as the rest
// of `add_scalar`. Reading the counter costs less than 1 ns.
#![allow(unsafe_code)]

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};

use crate::spool::forget_locks;

/// Forks between this process and the ancestor that first made a [`ForkGeneration`].
static FORKS: AtomicU32 = AtomicU32::new(0);
/// True if the C library counts forks.
static IS_COUNTED: AtomicBool = AtomicBool::new(false);

/// Process in which something was made, told apart from its ancestors and descendants.
#[derive(Clone, Copy, Debug)]
pub struct ForkGeneration(u32);

impl ForkGeneration {
    /// Generation of this process.
    ///
    /// # Errors
    /// When the C library cannot register the fork handler.
    pub fn now() -> io::Result<Self> {
        // Not a `Once`: a fork while another thread is inside one would lock it in the child. Two threads that get here
        // together have every fork counted twice, which does no harm.
        if !IS_COUNTED.load(Acquire) {
            count_forks()?;
            IS_COUNTED.store(true, Release);
        }
        Ok(Self(FORKS.load(Relaxed)))
    }

    /// Generation of a process that is not this one, for tests.
    #[doc(hidden)]
    pub const fn of_another_process() -> Self {
        Self(u32::MAX)
    }

    /// True if this process made the value, not an ancestor before a fork.
    pub fn is_current(self) -> bool {
        self.0 == FORKS.load(Relaxed)
    }
}

fn count_forks() -> io::Result<()> {
    extern "C" fn in_child() {
        FORKS.fetch_add(1, Relaxed);
        for number in forget_locks() {
            // SAFETY: `close` may be called between `fork` and `exec`. In this process nobody uses the file, or closes it.
            unsafe { libc::close(number) };
        }
    }
    // SAFETY: `in_child` may run between `fork` and `exec`: it changes atomic numbers, closes files and does nothing else.
    // It is part of the program, and the C library forgets it when a library that holds it is unloaded.
    match unsafe { libc::pthread_atfork(None, None, Some(in_child)) } {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}
