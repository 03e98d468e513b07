//! The faults of a log directory.

use std::io;
use std::path::{Path, PathBuf};

use super::fault::{Fault, Finding};
use super::scan::RunScan;
use crate::logdir::{FindError, MAX_TAGS, RunFiles, find_runs};

/// A log directory cannot be examined.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExamineError {
    /// It cannot be read.
    #[error(transparent)]
    Find(#[from] FindError),
    /// A file cannot be read.
    #[error("{path}: {error}")]
    File {
        /// Which.
        path: PathBuf,
        /// Error of the operating system.
        error: io::Error,
    },
    /// The names of the tags of a run take more than [`MAX_TAGS`].
    #[error("a run has too many tags: their names take more than {MAX_TAGS} bytes")]
    ManyTags,
}

/// Looks for faults below `root`. `see` is told how many bytes of how many are looked at.
///
/// # Errors
/// When something cannot be read.
pub fn examine(root: &Path, see: &mut dyn FnMut(u64, u64)) -> Result<Vec<Finding>, ExamineError> {
    let runs = find_runs(root)?;
    let all = runs.iter().map(|run| run.bytes).sum();
    let mut findings = Vec::new();
    for run in &runs {
        findings.extend(findings_of(run, &RunScan::of(&run.files)?));
        see(run.bytes, all);
    }
    Ok(findings)
}

pub(super) fn findings_of(run: &RunFiles, scan: &RunScan) -> Vec<Finding> {
    let finding = |(&fault, (first, count)): (&Fault, &(String, u64))| Finding {
        fault,
        run: run.name.clone(),
        first: first.clone(),
        count: *count,
    };
    scan.faults.iter().map(finding).collect()
}
