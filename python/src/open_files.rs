//! The event files of a local writer.

use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tensorplex::local::DirectoryWriter;

use crate::background::close_in_background;
use crate::lock::lock;
use crate::process_bound::ProcessBound;

/// Files in use.
static OPEN: Mutex<Vec<Weak<OpenFiles>>> = Mutex::new(Vec::new());

/// The event files of a local writer of this process. When the last owner drops them with records
/// outstanding, a background thread writes those and closes the files.
pub(crate) struct OpenFiles(ProcessBound<Arc<DirectoryWriter>>);

impl OpenFiles {
    pub fn new(recorder: DirectoryWriter) -> Arc<Self> {
        let files = Arc::new(Self(ProcessBound::new(Arc::new(recorder))));
        let mut open = lock(&OPEN);
        open.retain(|other| other.strong_count() > 0);
        open.push(Arc::downgrade(&files));
        files
    }

    /// `None` in a forked child.
    pub fn get(&self) -> Option<&DirectoryWriter> {
        self.0.get().map(|recorder| &**recorder)
    }
}

impl Drop for OpenFiles {
    fn drop(&mut self) {
        let Some(recorder) = self.0.take() else { return };
        if !recorder.wait(Duration::ZERO) {
            close_in_background(move || drop(recorder));
        }
    }
}

/// Takes all files in use.
pub(crate) fn take_open() -> Vec<Arc<OpenFiles>> {
    let open = std::mem::take(&mut *lock(&OPEN));
    open.iter().filter_map(Weak::upgrade).collect()
}
