//! A copy of a log directory in which every run with faults is mended.
//!
//! Nothing in the directory itself is changed. What is neither an event file nor the server's own is copied as it is.

use std::io;
use std::path::{Path, PathBuf};

use super::ExamineError;
use super::examine::findings_of;
use super::fault::Finding;
use super::fix::{FixError, fix, writers};
use super::scan::RunScan;
use crate::layout::EVENT_FILE;
use crate::logdir::{LeftOut, RunFiles, find_runs};

/// The directory of a server below its log directory.
const PRIVATE: &str = ".tensorplex";

/// Report of a repair.
#[derive(Debug, Default)]
pub struct Repaired {
    /// The faults of the original.
    pub findings: Vec<Finding>,
    /// Runs that were copied as they are.
    pub copied: u64,
    /// Runs that were written again.
    pub mended: u64,
    /// Values in those.
    pub values: u64,
    /// Points of the original that count no more.
    pub superseded: u64,
    /// Values of the original that no reader could be made to show.
    pub lost: u64,
    /// Entries of the original, and runs, that cannot be read. They are not in the copy.
    pub left_out: Vec<LeftOut>,
}

/// A directory cannot be repaired.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepairError {
    /// The original cannot be read.
    #[error(transparent)]
    Examine(#[from] ExamineError),
    /// A run cannot be written again.
    #[error(transparent)]
    Mend(#[from] FixError),
    /// The place for the copy is taken.
    #[error("{0} exists and is not empty; the copy needs a new directory")]
    Taken(PathBuf),
    /// The place for the copy is in the original.
    #[error("{0} is inside the directory that is to be repaired; the copy needs a place outside")]
    Inside(PathBuf),
    /// Something cannot be copied.
    #[error("{path}: {error}")]
    Copy {
        /// Which file or directory.
        path: PathBuf,
        /// Error of the operating system.
        error: io::Error,
    },
}

/// Writes a mended copy of `root` into the new directory `copy`. `see` is told how many bytes of how many are looked at.
///
/// # Errors
/// When `root` itself cannot be read, or something cannot be written; what is in `copy` is then unfinished. What cannot
/// be read below `root` is left out and named.
pub fn repair(root: &Path, copy: &Path, see: &mut dyn FnMut(u64, u64)) -> Result<Repaired, RepairError> {
    let found = find_runs(root).map_err(ExamineError::from)?;
    prepare(root, copy)?;
    let mut repaired = Repaired {
        left_out: found.left_out,
        ..Repaired::default()
    };
    repaired.copy_others(root, copy)?;
    let all = found.runs.iter().map(|run| run.bytes).sum();
    for run in &found.runs {
        let scan = match RunScan::of(&run.files) {
            Ok(scan) => scan,
            Err(error) => {
                repaired.left_out.push(LeftOut::new(&root.join(&run.name), error));
                continue;
            }
        };
        repaired.run(run, scan, copy)?;
        see(run.bytes, all);
    }
    Ok(repaired)
}

fn prepare(root: &Path, copy: &Path) -> Result<(), RepairError> {
    let at = |error| RepairError::Copy {
        path: copy.to_owned(),
        error,
    };
    // Nothing may be made inside the original, not even the directory of the copy.
    let existing = copy
        .ancestors()
        .find(|path| path.exists() || path.as_os_str().is_empty());
    let existing = existing
        .filter(|path| !path.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let (root, real) = (
        root.canonicalize().map_err(at)?,
        existing.canonicalize().map_err(at)?,
    );
    if real.starts_with(root) {
        return Err(RepairError::Inside(copy.to_owned()));
    }
    std::fs::create_dir_all(copy).map_err(at)?;
    match std::fs::read_dir(copy).map_err(at)?.next() {
        None => Ok(()),
        Some(_) => Err(RepairError::Taken(copy.to_owned())),
    }
}

impl Repaired {
    /// Copies what is no event file.
    fn copy_others(&mut self, from: &Path, to: &Path) -> Result<(), RepairError> {
        let entries = match std::fs::read_dir(from) {
            Ok(entries) => entries,
            Err(error) => {
                self.leave_out(from, error);
                return Ok(());
            }
        };
        for entry in entries {
            let (entry, kind) = match entry.and_then(|entry| Ok((entry.file_type()?, entry))) {
                Ok((kind, entry)) => (entry, kind),
                Err(error) => {
                    self.leave_out(from, error);
                    continue;
                }
            };
            let name = entry.file_name();
            let (path, to) = (entry.path(), to.join(&name));
            if self.left_out.iter().any(|left| left.path == path) {
                continue;
            }
            // Links out of the directory are not followed: a copy of what they lead to is not asked for.
            if kind.is_dir() && name != PRIVATE {
                make(&to)?;
                self.copy_others(&path, &to)?;
            } else if kind.is_file() && !name.to_string_lossy().contains(EVENT_FILE) {
                match std::fs::File::open(&path) {
                    Ok(_) => std::fs::copy(&path, &to)
                        .map(drop)
                        .map_err(|error| RepairError::Copy { path, error })?,
                    Err(error) => self.leave_out(&path, error),
                }
            }
        }
        Ok(())
    }

    fn leave_out(&mut self, path: &Path, error: io::Error) {
        self.left_out.push(LeftOut::new(path, error));
    }

    fn run(&mut self, run: &RunFiles, scan: RunScan, copy: &Path) -> Result<(), RepairError> {
        let findings = findings_of(run, &scan);
        let dir = copy.join(&run.name);
        if findings.is_empty() {
            make(&dir)?;
            for path in &run.files {
                let to = dir.join(path.file_name().unwrap_or_default());
                let path = path.clone();
                std::fs::copy(&path, to).map_err(|error| RepairError::Copy { path, error })?;
            }
            self.copied += 1;
            return Ok(());
        }
        self.findings.extend(findings);
        self.mended += 1;
        for (number, files) in (1..).zip(writers(scan)) {
            let dir = match (number, run.name.as_str()) {
                (1, _) => dir.clone(),
                (_, ".") => copy.join(format!("run-{number}")),
                (_, name) => copy.join(format!("{name}-{number}")),
            };
            make(&dir)?;
            let mended = fix(&files, &dir)?;
            self.values += mended.values;
            self.superseded += mended.superseded;
            self.lost += mended.lost;
        }
        Ok(())
    }
}

fn make(dir: &Path) -> Result<(), RepairError> {
    std::fs::create_dir_all(dir).map_err(|error| RepairError::Copy {
        path: dir.to_owned(),
        error,
    })
}
