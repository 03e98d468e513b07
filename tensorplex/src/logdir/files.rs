//! Which directories are runs.
//!
//! A directory with an event file in it is a run; its name is its path below the log directory, and `.` for that directory
//! itself. Symbolic links are followed, as TensorBoard does.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::natural::natural_order;
use crate::layout::EVENT_FILE;

/// Deepest directory below a log directory.
pub const MAX_DEPTH: usize = 64;

/// A run and its event files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFiles {
    /// Name in TensorBoard.
    pub name: String,
    /// Its event files, in the order in which readers take them.
    pub files: Vec<PathBuf>,
    /// Total size in bytes.
    pub bytes: u64,
}

/// Runs of a log directory.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct FoundRuns {
    /// Runs, in natural order of their names.
    pub runs: Vec<RunFiles>,
    /// Entries that were left out, because they cannot be read.
    pub left_out: Vec<LeftOut>,
}

/// Entry of a log directory that was left out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("left out {}: {why}", path.display())]
#[non_exhaustive]
pub struct LeftOut {
    /// The directory, link or file.
    pub path: PathBuf,
    /// The reason.
    pub why: String,
}

impl LeftOut {
    pub(crate) fn new(path: &Path, why: impl ToString) -> Self {
        Self {
            path: path.to_owned(),
            why: why.to_string(),
        }
    }
}

/// A log directory cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FindError {
    /// The log directory itself cannot be looked at.
    #[error("{}: {error}", path.display())]
    Unreadable {
        /// Path of the log directory.
        path: PathBuf,
        /// Error of the operating system.
        error: io::Error,
    },
    /// The log directory is something else.
    #[error("{} is not a directory: name the log directory that contains the event files", path.display())]
    NotADirectory {
        /// Path that was given.
        path: PathBuf,
    },
}

/// Finds the runs below `root`. A directory that contains itself by a link is looked at once.
///
/// # Errors
/// Fails when `root` itself cannot be read. What cannot be read below it is left out and named.
pub fn find_runs(root: &Path) -> Result<FoundRuns, FindError> {
    let unreadable = |error| FindError::Unreadable {
        path: root.to_owned(),
        error,
    };
    if !root.metadata().map_err(unreadable)?.is_dir() {
        let path = root.to_owned();
        return Err(FindError::NotADirectory { path });
    }
    std::fs::read_dir(root).map_err(unreadable)?;
    let mut search = Search::default();
    search.look(root, ".");
    let Search { mut found, .. } = search;
    found.runs.sort_by(|a, b| natural_order(&a.name, &b.name));
    found.left_out.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

#[derive(Default)]
struct Search {
    found: FoundRuns,
    /// Directories above the current one, without links.
    above: Vec<PathBuf>,
}

impl Search {
    /// Looks at a directory, and leaves it out if that fails.
    fn look(&mut self, dir: &Path, name: &str) {
        if let Err(error) = self.try_look(dir, name) {
            self.leave_out(dir, error);
        }
    }

    fn leave_out(&mut self, path: &Path, why: impl ToString) {
        self.found.left_out.push(LeftOut::new(path, why));
    }

    fn try_look(&mut self, dir: &Path, name: &str) -> io::Result<()> {
        let real = dir.canonicalize()?;
        if self.above.contains(&real) {
            return Ok(());
        }
        if self.above.len() > MAX_DEPTH {
            self.leave_out(
                dir,
                format_args!("more than {MAX_DEPTH} directories below each other"),
            );
            return Ok(());
        }
        let entries = std::fs::read_dir(dir)?;
        self.above.push(real);
        let mut run = RunFiles {
            name: name.to_owned(),
            files: Vec::new(),
            bytes: 0,
        };
        for entry in entries {
            match entry {
                Ok(entry) => self.entry(&entry.path(), &mut run),
                Err(error) => self.leave_out(dir, error),
            }
        }
        self.above.pop();
        if !run.files.is_empty() {
            run.files.sort();
            self.found.runs.push(run);
        }
        Ok(())
    }

    fn entry(&mut self, path: &Path, run: &mut RunFiles) {
        let last = path.file_name().unwrap_or_default().to_string_lossy();
        let metadata = match path.metadata() {
            Ok(metadata) => metadata,
            // Removed meanwhile.
            Err(_) if path.symlink_metadata().is_err() => return,
            Err(error) => return self.leave_out(path, error),
        };
        if metadata.is_dir() {
            let name = match run.name.as_str() {
                "." => last.into_owned(),
                above => format!("{above}/{last}"),
            };
            self.look(path, &name);
        } else if metadata.is_file() && last.contains(EVENT_FILE) && !last.ends_with(".profile-empty") {
            match File::open(path) {
                Ok(_) => {
                    run.bytes += metadata.len();
                    run.files.push(path.to_owned());
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => self.leave_out(path, error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_directories_with_event_files() {
        let dir = tempfile::tempdir().unwrap();
        for path in [
            "b.tfevents.2",
            "b.tfevents.1",
            "x/y/a.tfevents",
            "x/note.txt",
            "z/a.tfevents.profile-empty",
        ] {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "abc").unwrap();
        }
        std::os::unix::fs::symlink(dir.path(), dir.path().join("x/loop")).unwrap();
        std::os::unix::fs::symlink("nowhere", dir.path().join("x/dangling.tfevents")).unwrap();
        let FoundRuns { runs, left_out } = find_runs(dir.path()).unwrap();
        let names: Vec<_> = runs
            .iter()
            .map(|run| (&run.name[..], run.files.len(), run.bytes))
            .collect();
        assert_eq!(names, [(".", 2, 6), ("x/y", 1, 3)]);
        assert!(runs[0].files[0].ends_with("b.tfevents.1"));
        // A link to nothing may have been a run.
        assert_eq!(left_out.len(), 1);
        assert!(left_out[0].path.ends_with("x/dangling.tfevents"), "{left_out:?}");
    }

    #[test]
    fn directories_that_are_too_deep_are_left_out() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.tfevents"), "").unwrap();
        std::fs::create_dir_all(dir.path().join("a/".repeat(MAX_DEPTH))).unwrap();
        assert_eq!(find_runs(dir.path()).unwrap().left_out, []);
        std::fs::create_dir_all(dir.path().join("a/".repeat(MAX_DEPTH + 1))).unwrap();
        let found = find_runs(dir.path()).unwrap();
        assert_eq!((found.runs.len(), found.left_out.len()), (1, 1));
    }

    #[test]
    fn a_file_is_no_log_directory() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = find_runs(file.path()).unwrap_err().to_string();
        assert!(error.contains("is not a directory"), "{error}");
    }
}
