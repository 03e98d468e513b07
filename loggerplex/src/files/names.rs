//! Names of log files, and the walk that finds them.
//!
//! ```text
//! agent/17.log                       current file of client agent/17
//! agent/17.log.20180309-123456-1     rotated file number 1
//! agent/17.jsonl                     current file in JSON lines
//! ```

use std::collections::BTreeMap;
use std::fs::DirEntry;
use std::io;
use std::path::{Path, PathBuf};

/// Deepest folder that is searched. Client ids have fewer parts.
const MAX_DEPTH: usize = 260;
/// Extensions of text files and of JSON files.
const EXTENSIONS: [(&str, bool); 2] = [(".log", false), (".jsonl", true)];

/// Log files of one client in one format: the current file and the rotated ones.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientFiles {
    /// Client id.
    pub client: String,
    /// Format: JSON lines, or else text.
    pub json: bool,
    /// Current file, which grows. It may be missing.
    pub path: PathBuf,
    /// Rotated files with their numbers, oldest first.
    pub rotated: Vec<(u64, PathBuf)>,
}

/// Finds the log files below a folder, grouped by client and format.
///
/// Files and folders that vanish during the search are left out.
///
/// ```
/// let folder = tempfile::tempdir()?;
/// std::fs::write(folder.path().join("agent.log"), "12:00:00 INFO> hi\n")?;
/// let found = loggerplex::reading::find_logs(folder.path())?;
/// assert_eq!(found[0].client, "agent");
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// Fails when the folder itself cannot be read.
pub fn find_logs(folder: &Path) -> io::Result<Vec<ClientFiles>> {
    find_readable_logs(folder, &mut |_, _| {})
}

/// Like [`find_logs`]; calls `leave_out` for each entry that cannot be read.
pub(crate) fn find_readable_logs(
    folder: &Path,
    leave_out: &mut dyn FnMut(&Path, io::Error),
) -> io::Result<Vec<ClientFiles>> {
    let mut names = Vec::new();
    let mut dangling = Vec::new();
    let visit = &mut |name, entry: &DirEntry| {
        match entry.path().metadata() {
            Err(error) if entry.path().is_symlink() => dangling.push((entry.path(), error)),
            _ => names.push(name),
        }
        Ok(())
    };
    walk(folder, visit, leave_out)?;
    for (path, error) in dangling {
        leave_out(&path, error);
    }
    Ok(group_by_client(folder, names.iter().map(String::as_str)))
}

/// Calls `visit` for every entry below `folder` that has the name of a log file, with its path
/// relative to the folder.
///
/// Symbolic links to folders are not followed, because they could form a cycle. What vanishes
/// meanwhile is left out; `leave_out` is called for a folder that cannot be read.
///
/// # Errors
/// Fails when the folder itself cannot be read, or with the error of `visit`.
pub(crate) fn walk(
    folder: &Path,
    visit: &mut dyn FnMut(String, &DirEntry) -> io::Result<()>,
    leave_out: &mut dyn FnMut(&Path, io::Error),
) -> io::Result<()> {
    std::fs::read_dir(folder)?;
    walk_folder(folder, "", 0, visit, leave_out)
}

fn walk_folder(
    folder: &Path,
    prefix: &str,
    depth: usize,
    visit: &mut dyn FnMut(String, &DirEntry) -> io::Result<()>,
    leave_out: &mut dyn FnMut(&Path, io::Error),
) -> io::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            // One that vanished meanwhile is not missing.
            if error.kind() != io::ErrorKind::NotFound {
                leave_out(folder, error);
            }
            return Ok(());
        }
    };
    for entry in entries.flatten() {
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder && depth < MAX_DEPTH {
            let prefix = format!("{prefix}{name}/");
            walk_folder(&entry.path(), &prefix, depth + 1, visit, leave_out)?;
        } else if is_folder {
            leave_out(
                &entry.path(),
                io::Error::other("too many folders below each other"),
            );
        } else if LogName::parse(&name).is_some() {
            visit(format!("{prefix}{name}"), &entry)?;
        }
    }
    Ok(())
}

/// Groups files by client and format. `names` are paths relative to `folder`.
pub(crate) fn group_by_client<'a>(folder: &Path, names: impl Iterator<Item = &'a str>) -> Vec<ClientFiles> {
    let mut found: BTreeMap<(String, bool), ClientFiles> = BTreeMap::new();
    for name in names {
        let parent = name.rfind('/').map_or(0, |slash| slash + 1);
        let (parent, last) = name.split_at(parent);
        let Some(LogName {
            stem,
            extension,
            json,
            number,
        }) = LogName::parse(last)
        else {
            continue;
        };
        let client = format!("{parent}{stem}");
        let files = found
            .entry((client.clone(), json))
            .or_insert_with(|| ClientFiles {
                path: folder.join(format!("{client}{extension}")),
                client,
                json,
                rotated: Vec::new(),
            });
        files
            .rotated
            .extend(number.map(|number| (number, folder.join(name))));
    }
    let sorted = found.into_values().map(|mut files| {
        files.rotated.sort();
        files
    });
    sorted.collect()
}

/// Finds the rotated files that belong to the current file at `path`, with their numbers, oldest
/// first.
pub(crate) fn rotated_files(path: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Ok(Vec::new());
    };
    let Some(current) = LogName::parse(name).filter(|name| name.number.is_none()) else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_str().and_then(LogName::parse);
        if let Some(number) = name.and_then(|name| name.number_in(&current)) {
            found.push((number, entry.path()));
        }
    }
    found.sort();
    Ok(found)
}

/// Files that logrotate made of the file at `path`: `x.log.1`, `x.log.2` and so on, newest first.
pub(crate) fn logrotated_files(path: &Path) -> Vec<PathBuf> {
    let numbered = (1..).map(|number: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    });
    numbered.take_while(|path| path.exists()).collect()
}

/// Number of the rotated file at `path`, if it belongs to the current file at `current` in the same
/// folder.
pub(crate) fn rotation_number(current: &str, path: &str) -> Option<u64> {
    let name = current.rfind('/').map_or(0, |slash| slash + 1);
    let current = LogName::parse(current.get(name..)?)?;
    LogName::parse(path.get(name..)?)?.number_in(&current)
}

/// Parsed name of a log file.
struct LogName<'a> {
    /// Last part of the client id.
    stem: &'a str,
    extension: &'static str,
    json: bool,
    /// Number of a rotated file; none for the current file.
    number: Option<u64>,
}

impl<'a> LogName<'a> {
    fn parse(name: &'a str) -> Option<Self> {
        EXTENSIONS.into_iter().find_map(|(extension, json)| {
            let (stem, number) = match name.strip_suffix(extension) {
                Some(stem) => (stem, None),
                None => {
                    let (stem, rest) = name.rsplit_once(&format!("{extension}."))?;
                    let (_, number) = rest.rsplit_once('-')?;
                    (stem, Some(number.parse().ok()?))
                }
            };
            Some(Self {
                stem,
                extension,
                json,
                number,
            })
        })
    }

    /// Number of this rotated file, if it belongs to the current file.
    fn number_in(&self, current: &LogName<'_>) -> Option<u64> {
        let same = self.stem == current.stem && self.json == current.json;
        self.number.filter(|_| same)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_grouped_by_client_and_format() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("agent")).unwrap();
        for name in [
            "agent/17.log",
            "agent/17.log.20180309-123456-10",
            "agent/17.log.20180309-123456-9",
            "agent/3.jsonl",
            "top.log",
            "gone.log.20180309-123456-1",
            "note.txt",
        ] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let found = find_logs(dir.path()).unwrap();
        let seen: Vec<_> = found
            .iter()
            .map(|files| (&files.client[..], files.json, files.rotated.len()))
            .collect();
        assert_eq!(
            seen,
            [
                ("agent/17", false, 2),
                ("agent/3", true, 0),
                ("gone", false, 1),
                ("top", false, 0)
            ]
        );
        assert!(found[0].rotated[0].1.ends_with("17.log.20180309-123456-9"));
        assert!(find_logs(&dir.path().join("nowhere")).is_err());
    }
}
