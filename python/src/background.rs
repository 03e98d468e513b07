//! Background threads that finish what an object was doing when it was dropped.
//!
//! Python drops objects wherever the interpreter happens to be, so a drop must not wait for the
//! network or for a disk.

use std::sync::Mutex;
use std::thread::JoinHandle;

use crate::lock::lock;
use crate::process_bound::ProcessBound;

/// Threads that are still closing something.
static CLOSING: Mutex<Vec<ProcessBound<JoinHandle<()>>>> = Mutex::new(Vec::new());

/// Runs `close` in a thread of its own. [`take_closing`] returns the thread, so that it can be joined.
pub(crate) fn close_in_background(close: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new()
        .name("tensorplex-close".into())
        .spawn(close);
    let mut closing = lock(&CLOSING);
    closing.retain(|thread| thread.get().is_some_and(|thread| !thread.is_finished()));
    closing.extend(thread.map(ProcessBound::new));
}

/// Takes the threads that are still closing something.
pub(crate) fn take_closing() -> Vec<ProcessBound<JoinHandle<()>>> {
    std::mem::take(&mut *lock(&CLOSING))
}
