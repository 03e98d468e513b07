//! Opens a file below a folder, whatever somebody puts in its way meanwhile.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{Mode, OFlags, open as open_folder, openat};
use rustix::io::Errno;

/// The regular file at `path` below `root`. None when there is none, also when a link stands in the way: it is not
/// followed.
pub(super) fn open(root: &Path, path: &str) -> io::Result<Option<File>> {
    // A pipe that took the file's place must not be waited for.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let mut at = open_folder(
        root,
        OFlags::RDONLY | OFlags::CLOEXEC | OFlags::DIRECTORY,
        Mode::empty(),
    )?;
    let mut parts = path.split('/').peekable();
    while let Some(part) = parts.next() {
        if matches!(part, "" | "." | "..") {
            return Ok(None);
        }
        let kind = if parts.peek().is_some() {
            OFlags::DIRECTORY
        } else {
            OFlags::empty()
        };
        at = match openat(&at, part, flags | kind, Mode::empty()) {
            Err(Errno::NOENT | Errno::LOOP | Errno::NOTDIR | Errno::NXIO) => return Ok(None),
            other => other?,
        };
    }
    let file = File::from(at);
    let is_file = file.metadata()?.is_file();
    Ok(is_file.then_some(file))
}
