//! What makes a frame count: it is journaled, its calls run, and what they wrote is in their files.
//!
//! This is all of the server that touches a disk; it knows no broker.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::RunError;
use super::admission::{Admission, Verdict};
use super::stream_reader::pause;
use crate::client::Backoff;
use remotecall_store::disk::is_sync_failure;
use remotecall_store::journal::{Accepted, Journal, JournalError, Recovery};
use remotecall_store::mutants::{self, Mutant};

/// Frames replayed between two commits.
const COMMIT_EVERY: u64 = 64;
/// How long after a checkpoint that failed the next is tried.
const CHECKPOINT_AGAIN: Duration = Duration::from_secs(10);

/// What is done while a disk is waited for.
pub(super) type Meanwhile<'a> = &'a mut dyn FnMut() -> Result<(), RunError>;

pub(super) struct Commit {
    pub core: Admission,
    journal: Option<Journal>,
    stop: Arc<AtomicBool>,
    /// When a checkpoint failed.
    failed: Option<Instant>,
}

impl Commit {
    /// Brings the object to the state after the last frame that is journaled in `dir`; without one it begins anew.
    pub fn recover(mut core: Admission, dir: Option<&Path>, stop: Arc<AtomicBool>) -> Result<Self, RunError> {
        let journal = dir.map(|dir| recover(dir, &mut core)).transpose()?;
        Ok(Self {
            core,
            journal,
            stop,
            failed: None,
        })
    }

    /// Brings admitted frames to disk, to the object and to the readers: then they may be acknowledged. Returns false
    /// when the server stops before it could. Watermarks may be ahead of the disk after that, as after an error: only
    /// the journal can tell, at the next start. While a disk is waited for, `meanwhile` is done again and again.
    pub fn take_in(&mut self, frames: &[Accepted], meanwhile: Meanwhile<'_>) -> Result<bool, RunError> {
        let late = mutants::is_on(Mutant::JournalAfterFiles);
        if !late && !self.append(frames, meanwhile)? {
            return Ok(false);
        }
        for accepted in frames {
            self.core.apply(&accepted.frame, accepted.clock_ms);
        }
        let only_reads = frames.iter().all(|accepted| accepted.only_reads);
        let core = &mut self.core;
        let mut commit = || core.host.commit();
        if !only_reads && !until_done("the log directory", &self.stop, meanwhile, &mut commit)? {
            return Ok(false);
        }
        if late {
            mutants::slow_disk();
            self.append(frames, meanwhile)?;
        }
        Ok(true)
    }

    fn append(&mut self, frames: &[Accepted], meanwhile: Meanwhile<'_>) -> Result<bool, RunError> {
        let Some(journal) = &mut self.journal else {
            return Ok(true);
        };
        let mut left = frames;
        let mut fatal = None;
        let done = until_done("the journal", &self.stop, meanwhile, &mut || {
            while !left.is_empty() && fatal.is_none() {
                match journal.append(left) {
                    Ok(count) => left = &left[count..],
                    Err(JournalError::Io { path, error }) => {
                        let text = format!("{}: {error}", path.display());
                        return Err(io::Error::new(error.kind(), text));
                    }
                    Err(error) => fatal = Some(error),
                }
            }
            Ok(())
        })?;
        fatal.map_or(Ok(done), |error| Err(error.into()))
    }

    /// Saves the state when much was journaled since the last time, or when the object wants it. When the journal cannot
    /// take it for a reason that can heal, the journal goes on, and it is tried again later.
    pub fn checkpoint_if_due(&mut self) -> Result<(), RunError> {
        let wanted = self.core.host.wants_checkpoint();
        let due = |journal: &Journal| wanted || journal.wants_checkpoint();
        let waits = self.failed.is_some_and(|at| at.elapsed() < CHECKPOINT_AGAIN);
        if waits || !self.journal.as_ref().is_some_and(due) {
            return Ok(());
        }
        match self.checkpoint() {
            Err(RunError::Journal(error @ JournalError::Io { .. })) => {
                tracing::error!(%error, "the journal cannot be shortened now, and grows");
                self.failed = Some(Instant::now());
                Ok(())
            }
            done => {
                self.failed = None;
                done
            }
        }
    }

    /// Saves the state, unless the last one saved is this one.
    pub fn checkpoint_at_end(&mut self) -> Result<(), RunError> {
        match &self.journal {
            Some(journal) if !journal.is_clean() => self.checkpoint(),
            _ => Ok(()),
        }
    }

    fn checkpoint(&mut self) -> Result<(), RunError> {
        let Some(journal) = &mut self.journal else {
            return Ok(());
        };
        self.core.forget_expired();
        match self.core.host.checkpoint() {
            None => Ok(()),
            Some(Ok(state)) => Ok(journal.checkpoint(state, &self.core.producers)?),
            Some(Err(error)) => Err(RunError::Checkpoint(error)),
        }
    }
}

/// Repeats what can heal, such as a full disk, until it succeeds (true) or the server stops (false).
fn until_done(
    what: &str,
    stop: &AtomicBool,
    meanwhile: Meanwhile<'_>,
    attempt: &mut dyn FnMut() -> io::Result<()>,
) -> Result<bool, RunError> {
    let mut backoff = Backoff::new();
    let mut failed = false;
    loop {
        match attempt() {
            Ok(()) if failed => {
                tracing::info!("{what} can be written again");
                return Ok(true);
            }
            Ok(()) => return Ok(true),
            Err(error) if is_sync_failure(&error) => return Err(RunError::Sync(error)),
            Err(error) if !failed => {
                failed = true;
                tracing::error!(%error, "cannot write to {what}; nothing is acknowledged until it works again");
            }
            Err(_) => {}
        }
        if stop.load(Relaxed) {
            return Ok(false);
        }
        meanwhile()?;
        pause(backoff.next(), stop);
    }
}

fn recover(dir: &Path, core: &mut Admission) -> Result<Journal, RunError> {
    let (mut recovery, checkpoint) = Recovery::open(dir)?;
    recovery.agree_on(&core.host.settings())?;
    core.producers = checkpoint.producers;
    let restored = !checkpoint.object.is_empty();
    if restored {
        core.host.restore(&checkpoint.object).map_err(RunError::Restore)?;
    }
    let mut frames = 0;
    let mut failed = None;
    recovery.replay(|accepted| {
        if let (Verdict::Accepted, _) = core.admit(accepted.acked, accepted.clock_ms, accepted.frame) {
            core.apply_again(accepted.frame, accepted.clock_ms);
            frames += 1;
            // The files are brought up to date bit by bit: a journal need not fit into memory.
            if frames % COMMIT_EVERY == 0 && failed.is_none() {
                failed = core.host.commit().err();
            }
        }
        core.end_round();
    })?;
    failed
        .map_or_else(|| core.host.commit(), Err)
        .map_err(RunError::Recovery)?;
    if frames > 0 {
        tracing::info!(frames, "recovered from the journal");
    }
    let mut journal = recovery.finish()?;
    // A file that was deleted meanwhile has been given up, and the next recovery must not find it in the state again.
    if (restored || frames > 0)
        && let Some(state) = core.host.checkpoint()
    {
        journal.checkpoint(state.map_err(RunError::Checkpoint)?, &core.producers)?;
    }
    Ok(journal)
}

#[cfg(test)]
mod tests;
