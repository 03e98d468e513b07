//! Opening a file below a folder without following symbolic links, also when the path changes
//! meanwhile.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{Mode, OFlags, open, openat};
use rustix::io::Errno;

/// Opens the regular file at `path` below `root`. Returns none when it is missing or a part of the
/// path is a link.
pub(super) fn open_below(root: &Path, path: &str) -> io::Result<Option<File>> {
    // NONBLOCK: opening a named pipe in the file's place must not hang.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let mut at = open(
        root,
        OFlags::RDONLY | OFlags::CLOEXEC | OFlags::DIRECTORY,
        Mode::empty(),
    )?;
    let mut parts = path.split('/').peekable();
    while let Some(part) = parts.next() {
        if matches!(part, "" | "." | "..") {
            return Ok(None);
        }
        let extra = if parts.peek().is_some() {
            OFlags::DIRECTORY
        } else {
            OFlags::empty()
        };
        at = match openat(&at, part, flags | extra, Mode::empty()) {
            Err(Errno::NOENT | Errno::LOOP | Errno::NOTDIR | Errno::NXIO) => return Ok(None),
            other => other?,
        };
    }
    let file = File::from(at);
    let is_file = file.metadata()?.is_file();
    Ok(is_file.then_some(file))
}
