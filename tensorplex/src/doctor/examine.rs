//! The faults of a log directory.

use std::io;
use std::path::{Path, PathBuf};

use super::fault::{Fault, Finding};
use super::scan::RunScan;
use crate::logdir::{FindError, LeftOut, MAX_TAGS, RunFiles, find_runs};

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

/// Report of an examination.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Examined {
    /// The faults.
    pub findings: Vec<Finding>,
    /// Entries of the directory, and runs, that cannot be read.
    pub left_out: Vec<LeftOut>,
}

/// Looks for faults below `root`. `see` is told how many bytes of how many are looked at.
///
/// # Errors
/// When `root` itself cannot be read. What cannot be read below it is left out and named.
pub fn examine(root: &Path, see: &mut dyn FnMut(u64, u64)) -> Result<Examined, ExamineError> {
    let found = find_runs(root)?;
    let all = found.runs.iter().map(|run| run.bytes).sum();
    let mut examined = Examined {
        findings: Vec::new(),
        left_out: found.left_out,
    };
    for run in &found.runs {
        match RunScan::of(&run.files) {
            Ok(scan) => examined.findings.extend(findings_of(run, &scan)),
            Err(error) => examined.left_out.push(LeftOut::new(&root.join(&run.name), error)),
        }
        see(run.bytes, all);
    }
    Ok(examined)
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
