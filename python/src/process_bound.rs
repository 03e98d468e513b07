//! Values that own threads or sockets, and so belong to the process that made them.

use std::mem::ManuallyDrop;

/// A value of one process. In a forked child it is absent and is never dropped.
pub(crate) struct ProcessBound<T> {
    pid: u32,
    value: ManuallyDrop<Option<T>>,
}

impl<T> ProcessBound<T> {
    pub fn new(value: T) -> Self {
        Self {
            pid: std::process::id(),
            value: ManuallyDrop::new(Some(value)),
        }
    }

    pub fn get(&self) -> Option<&T> {
        self.value.as_ref().filter(|_| self.is_own_process())
    }

    pub fn take(&mut self) -> Option<T> {
        if self.is_own_process() {
            self.value.take()
        } else {
            None
        }
    }

    fn is_own_process(&self) -> bool {
        self.pid == std::process::id()
    }
}

impl<T> Drop for ProcessBound<T> {
    fn drop(&mut self) {
        drop(self.take());
    }
}
