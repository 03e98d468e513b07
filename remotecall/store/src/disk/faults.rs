//! Fault injection for the tests of this thread: the disk fails at a chosen system call, in a chosen way.
//!
//! The module also records the state that a power cut would leave: the bytes of each file and the names in each directory
//! at their last syncs.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

pub use super::Call;

/// Fault at the chosen system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The process dies before the call is carried out.
    Kill,
    /// The process dies after this many bytes of a write.
    KillAfter(usize),
    /// The system answers with this error, once.
    Error(i32),
    /// A write takes only this many bytes.
    Short(usize),
    /// A write takes only this many bytes and then finds the disk full; later there is room again.
    Full(usize),
}

/// Fate of bytes that were never synced, after a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsynced {
    /// They are gone, like names that were not synced.
    Gone,
    /// Zeros replace them.
    Zeros,
    /// Half of them are on disk.
    Half,
}

#[derive(Default)]
struct Disk {
    calls: Vec<(Call, usize)>,
    plan: Option<(usize, Fault)>,
    dead: bool,
    stop: Arc<AtomicBool>,
    /// Bytes at the last sync, by inode.
    bytes: HashMap<u64, Vec<u8>>,
    /// Links to the files with these inodes, so that no other file gets them; `None` without power cuts.
    held: Option<tempfile::TempDir>,
    /// Inode of each name at the last sync, by directory.
    names: HashMap<PathBuf, HashMap<PathBuf, u64>>,
}

thread_local! {
    static DISK: RefCell<Option<Disk>> = const { RefCell::new(None) };
}

/// Starts fault injection: the disk of this thread fails at the n-th call. `stop` is set when the process dies.
pub fn begin(plan: Option<(usize, Fault)>, stop: &Arc<AtomicBool>) {
    DISK.with_borrow_mut(|disk| {
        let disk = disk.get_or_insert_default();
        disk.calls.clear();
        disk.plan = plan;
        disk.dead = false;
        disk.stop = stop.clone();
    });
}

/// Starts recording the state that a power cut would leave below this directory.
pub fn mind_power_cuts(beside: &Path) {
    let held = tempfile::tempdir_in(beside.parent().unwrap()).unwrap();
    DISK.with_borrow_mut(|disk| disk.get_or_insert_default().held = Some(held));
}

/// System calls since the start, with the bytes of writes.
pub fn calls() -> Vec<(Call, usize)> {
    DISK.with_borrow(|disk| disk.as_ref().map(|disk| disk.calls.clone()).unwrap_or_default())
}

/// Ends fault injection.
pub fn end() {
    DISK.set(None);
}

/// Cuts the power: leaves below `root` the recorded state.
pub fn cut_power(root: &Path, what: Unsynced) {
    let disk = DISK.take().unwrap_or_default();
    for path in files_below(root) {
        let inode = std::fs::metadata(&path).unwrap().ino();
        let synced = disk.bytes.get(&inode).cloned().unwrap_or_default();
        let mut now = std::fs::read(&path).unwrap();
        match what {
            Unsynced::Gone => now = synced,
            Unsynced::Zeros => {
                let from = same_bytes(&now, &synced);
                now[from..].fill(0);
            }
            Unsynced::Half => {
                let from = same_bytes(&now, &synced);
                now.truncate(from + (now.len() - from) / 2);
            }
        }
        std::fs::write(&path, now).unwrap();
    }
    if what == Unsynced::Gone {
        restore_names(root, &disk);
    }
}

fn restore_names(root: &Path, disk: &Disk) {
    let mut dirs = vec![root.to_owned()];
    dirs.extend(dirs_below(root));
    for dir in dirs {
        let synced = disk.names.get(&dir).cloned().unwrap_or_default();
        for entry in std::fs::read_dir(&dir).unwrap().map(Result::unwrap) {
            if entry.path().is_file() && synced.get(&entry.path()) != Some(&entry.metadata().unwrap().ino()) {
                std::fs::remove_file(entry.path()).unwrap();
            }
        }
        for (path, inode) in synced {
            if !path.exists() {
                std::fs::write(path, disk.bytes.get(&inode).cloned().unwrap_or_default()).unwrap();
            }
        }
    }
}

fn same_bytes(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

fn dirs_below(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            found.extend(dirs_below(&entry.path()));
            found.push(entry.path());
        }
    }
    found
}

/// All files below a directory, in order.
pub fn files_below(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for dir in dirs_below(root).into_iter().chain([root.to_owned()]) {
        let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
        found.extend(entries.map(|entry| entry.path()).filter(|path| path.is_file()));
    }
    found.sort();
    found
}

impl Disk {
    fn call(&mut self, call: Call, bytes: usize) -> io::Result<Option<Fault>> {
        let number = self.calls.len();
        self.calls.push((call, bytes));
        let fault = self.plan.filter(|(at, _)| *at == number).map(|(_, fault)| fault);
        if fault == Some(Fault::Kill) {
            self.die();
        }
        match fault {
            _ if self.dead => Err(io::Error::other("the process is dead")),
            Some(Fault::Error(code)) => Err(io::Error::from_raw_os_error(code)),
            fault => Ok(fault),
        }
    }

    /// Records that a file's bytes are on disk.
    fn remember(&mut self, path: &Path) -> io::Result<()> {
        let Some(held) = &self.held else { return Ok(()) };
        let inode = std::fs::metadata(path)?.ino();
        match std::fs::hard_link(path, held.path().join(inode.to_string())) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        self.bytes.insert(inode, std::fs::read(path)?);
        Ok(())
    }

    fn die(&mut self) {
        self.dead = true;
        self.stop.store(true, Relaxed);
    }
}

pub(super) fn system_call(call: Call) -> io::Result<()> {
    DISK.with_borrow_mut(|disk| match disk {
        Some(disk) => disk.call(call, 0).map(drop),
        None => Ok(()),
    })
}

pub(super) fn writable<'a>(file: &File, bytes: &'a [u8], at: u64) -> io::Result<&'a [u8]> {
    use std::os::unix::fs::FileExt;
    DISK.with_borrow_mut(|disk| {
        let Some(disk) = disk else { return Ok(bytes) };
        match disk.call(Call::Write, bytes.len())? {
            Some(Fault::KillAfter(n)) => {
                file.write_all_at(&bytes[..n], at)?;
                disk.die();
                Err(io::Error::other("the process is dead"))
            }
            Some(Fault::Short(n)) => Ok(&bytes[..n]),
            Some(Fault::Full(n)) if n > 0 => {
                disk.plan = Some((disk.calls.len(), Fault::Full(0)));
                Ok(&bytes[..n])
            }
            Some(Fault::Full(_)) => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(bytes),
        }
    })
}

/// Records the state on disk instead of syncing, which takes time and shows nothing here.
pub(super) fn synced(file: &File, sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    DISK.with_borrow_mut(|disk| {
        let Some(disk) = disk else { return sync() };
        if disk.held.is_none() {
            return Ok(());
        }
        let path = std::fs::read_link(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(file)))?;
        let whole_system = matches!(disk.calls.last(), Some((Call::SyncFs, _)));
        let dirs = if whole_system {
            dirs_below(&path)
        } else {
            Vec::new()
        };
        let files = if whole_system {
            files_below(&path)
        } else {
            Vec::new()
        };
        for file in files {
            disk.remember(&file)?;
        }
        let meta = file.metadata()?;
        if meta.is_file() {
            return disk.remember(&path);
        }
        for dir in dirs.into_iter().chain([path]) {
            let mut names = HashMap::new();
            for entry in std::fs::read_dir(&dir)? {
                let entry = entry?;
                if entry.path().is_file() {
                    names.insert(entry.path(), entry.metadata()?.ino());
                }
            }
            disk.names.insert(dir, names);
        }
        Ok(())
    })
}
