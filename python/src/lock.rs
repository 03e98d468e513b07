//! Mutex access that ignores poisoning.
//!
//! Locks of this crate are held briefly, while attached to the interpreter, and never while Python
//! code runs.

use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
