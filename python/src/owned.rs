//! What only the process that made it may use, or even drop: it has threads.

use std::mem::ManuallyDrop;

/// A value of one process. In a child, after a fork, it is not there and is never dropped.
pub(crate) struct Owned<T> {
    pid: u32,
    value: ManuallyDrop<Option<T>>,
}

impl<T> Owned<T> {
    pub fn new(value: T) -> Self {
        Self {
            pid: std::process::id(),
            value: ManuallyDrop::new(Some(value)),
        }
    }

    pub fn get(&self) -> Option<&T> {
        self.value.as_ref().filter(|_| self.is_here())
    }

    pub fn take(&mut self) -> Option<T> {
        if self.is_here() { self.value.take() } else { None }
    }

    fn is_here(&self) -> bool {
        self.pid == std::process::id()
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        drop(self.take());
    }
}
