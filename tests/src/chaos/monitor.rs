//! Monitor of the files during a run: bytes that a reader may have read neither change nor
//! disappear.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use super::report::Fault;
use crate::Follower;

/// Pause between two checks of the files, 20 ms.
const EVERY: Duration = Duration::from_millis(20);

/// Two threads: one compares bytes, the other has TensorBoard's readers follow.
pub struct Monitor {
    stop: Arc<AtomicBool>,
    bytes: JoinHandle<Vec<Fault>>,
    readers: JoinHandle<(Follower, Vec<Fault>)>,
}

impl Monitor {
    /// Starts both threads on a log directory.
    pub fn start(logdir: &Path) -> Self {
        let follower = Follower::start(logdir);
        let stop = Arc::new(AtomicBool::new(false));
        let (flag, dir) = (stop.clone(), logdir.to_owned());
        let bytes = std::thread::spawn(move || watch_bytes(&dir, &flag));
        let flag = stop.clone();
        let readers = std::thread::spawn(move || watch_readers(follower, &flag));
        Self { stop, bytes, readers }
    }

    /// Stops both threads; the readers go on.
    ///
    /// # Panics
    /// When the readers have ended.
    pub fn end(self) -> (Follower, Vec<Fault>) {
        self.stop.store(true, Relaxed);
        let mut faults = self.bytes.join().expect("the monitor of the bytes");
        let (follower, seen) = self.readers.join().expect("the monitor of the readers");
        faults.extend(seen);
        (follower, faults)
    }
}

fn watch_bytes(logdir: &Path, stop: &AtomicBool) -> Vec<Fault> {
    let mut seen: BTreeMap<PathBuf, Vec<u8>> = BTreeMap::new();
    let mut faults = Vec::new();
    loop {
        let last = stop.load(Relaxed);
        let now = files(logdir);
        for (path, before) in &seen {
            let now = now.get(path).map_or(&[][..], Vec::as_slice);
            if !now.starts_with(before) {
                let same = now.iter().zip(before).take_while(|(a, b)| a == b).count();
                let path = path.strip_prefix(logdir).unwrap_or(path);
                faults.push(Fault::SeenBytesChanged(format!(
                    "{} at byte {same}",
                    path.display()
                )));
            }
        }
        seen = now;
        if last {
            return faults;
        }
        std::thread::sleep(EVERY);
    }
}

/// All files below `dir` that readers open.
pub fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        if path.is_dir() {
            found.extend(files(&path));
        } else if let Ok(bytes) = std::fs::read(&path) {
            found.insert(path, bytes);
        }
    }
    found
}

fn watch_readers(mut follower: Follower, stop: &AtomicBool) -> (Follower, Vec<Fault>) {
    let mut faults = Vec::new();
    while !stop.load(Relaxed) {
        let seen = follower.summary();
        for (reader, runs) in [("Rust", &seen.rust), ("Python", &seen.python)] {
            for (run, tags) in runs {
                let wrong = tags.iter().filter(|(_, series)| !series.increasing);
                faults.extend(wrong.map(|(tag, _)| {
                    Fault::Readers(format!(
                        "{reader} shows steps of {run}, {tag} twice or out of order"
                    ))
                }));
            }
        }
    }
    (follower, faults)
}
