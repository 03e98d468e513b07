//! Which directories are runs.
//!
//! A directory with an event file in it is a run; its name is its path below the log directory, and `.` for that directory
//! itself. Symbolic links are followed, as TensorBoard does.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

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

/// A log directory cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FindError {
    /// A directory or a file in it cannot be looked at.
    #[error("{path}: {error}")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Error of the operating system.
        error: io::Error,
    },
    /// There are directories below [`MAX_DEPTH`].
    #[error("{path} is too deep: at most {MAX_DEPTH} directories below each other are looked at")]
    TooDeep {
        /// Which.
        path: PathBuf,
    },
}

/// The runs below `root`, by name. A directory that contains itself by a link is looked at once.
///
/// # Errors
/// When a directory cannot be read, or is too deep.
pub fn find_runs(root: &Path) -> Result<Vec<RunFiles>, FindError> {
    let mut runs = BTreeMap::new();
    look(root, ".", &mut Vec::new(), &mut runs)?;
    Ok(runs.into_values().collect())
}

fn look(
    dir: &Path,
    name: &str,
    above: &mut Vec<PathBuf>,
    runs: &mut BTreeMap<String, RunFiles>,
) -> Result<(), FindError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |error| FindError::Unreadable { path, error }
    };
    let real = dir.canonicalize().map_err(unreadable(dir))?;
    if above.contains(&real) {
        return Ok(());
    }
    if above.len() > MAX_DEPTH {
        let path = dir.to_owned();
        return Err(FindError::TooDeep { path });
    }
    above.push(real);
    let mut run = RunFiles {
        name: name.to_owned(),
        files: Vec::new(),
        bytes: 0,
    };
    for entry in std::fs::read_dir(dir).map_err(unreadable(dir))? {
        let path = entry.map_err(unreadable(dir))?.path();
        let last = path.file_name().unwrap_or_default().to_string_lossy();
        let Ok(metadata) = path.metadata() else {
            // A link to nothing, or removed meanwhile.
            continue;
        };
        if metadata.is_dir() {
            let below = if name == "." {
                last.into_owned()
            } else {
                format!("{name}/{last}")
            };
            look(&path, &below, above, runs)?;
        } else if metadata.is_file() && last.contains(EVENT_FILE) && !last.ends_with(".profile-empty") {
            run.bytes += metadata.len();
            run.files.push(path);
        }
    }
    above.pop();
    if !run.files.is_empty() {
        run.files.sort();
        runs.insert(run.name.clone(), run);
    }
    Ok(())
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
        let runs = find_runs(dir.path()).unwrap();
        let names: Vec<_> = runs
            .iter()
            .map(|run| (&run.name[..], run.files.len(), run.bytes))
            .collect();
        assert_eq!(names, [(".", 2, 6), ("x/y", 1, 3)]);
        assert!(runs[0].files[0].ends_with("b.tfevents.1"));
    }

    #[test]
    fn the_depth_is_bounded() {
        let at = |depth: usize| {
            let dir = tempfile::tempdir().unwrap();
            std::fs::create_dir_all(dir.path().join("a/".repeat(depth))).unwrap();
            find_runs(dir.path())
        };
        assert_eq!(at(MAX_DEPTH).unwrap(), []);
        assert!(matches!(at(MAX_DEPTH + 1), Err(FindError::TooDeep { .. })));
    }
}
