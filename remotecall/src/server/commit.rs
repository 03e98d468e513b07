//! Commit: journals accepted frames, runs their calls, and makes the results visible in the object's files.
//!
//! This is the only part of the server that touches a disk. It knows no broker.

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

/// Frames between two commits of a replay.
const COMMIT_EVERY: u64 = 64;
/// Delay before a failed checkpoint is retried, 10 s.
const CHECKPOINT_AGAIN: Duration = Duration::from_secs(10);

/// Work between the retries of a failing disk, such as extending the lease.
pub(super) type Meanwhile<'a> = &'a mut dyn FnMut() -> Result<(), RunError>;

/// Journal and object of a running server.
pub(super) struct Commit {
    pub admission: Admission,
    journal: Option<Journal>,
    stop: Arc<AtomicBool>,
    /// Time of the last failed checkpoint.
    failed: Option<Instant>,
}

impl Commit {
    /// Recovers the object from the checkpoint and the journal in `dir`. Without a directory the object starts empty.
    pub fn recover(
        mut admission: Admission,
        dir: Option<&Path>,
        stop: Arc<AtomicBool>,
    ) -> Result<Self, RunError> {
        let journal = dir.map(|dir| recover(dir, &mut admission)).transpose()?;
        Ok(Self {
            admission,
            journal,
            stop,
            failed: None,
        })
    }

    /// Journals accepted frames, runs their calls and commits the object; the frames may be acknowledged afterwards.
    ///
    /// Returns false when the server stops first. Watermarks may then be ahead of the disk, as after an error; the next
    /// start reads them from the journal. `meanwhile` runs between the retries of a failing disk.
    pub fn commit(&mut self, frames: &[Accepted], meanwhile: Meanwhile<'_>) -> Result<bool, RunError> {
        let late = mutants::is_on(Mutant::JournalAfterFiles);
        if !late && !self.append(frames, meanwhile)? {
            return Ok(false);
        }
        for accepted in frames {
            self.admission.apply(&accepted.frame, accepted.clock_ms);
        }
        let is_read_only = frames.iter().all(|accepted| accepted.is_read_only);
        let admission = &mut self.admission;
        let mut commit = || admission.object.commit();
        if !is_read_only && !until_done("the log directory", &self.stop, meanwhile, &mut commit)? {
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

    /// Makes a checkpoint when the journal has grown enough since the last one, or when the object asks for it. After an
    /// error that can heal the journal continues, and the checkpoint is retried after [`CHECKPOINT_AGAIN`].
    pub fn checkpoint_if_due(&mut self) -> Result<(), RunError> {
        let wanted = self.admission.object.wants_checkpoint();
        let due = |journal: &Journal| wanted || journal.wants_checkpoint();
        let waits = self.failed.is_some_and(|at| at.elapsed() < CHECKPOINT_AGAIN);
        if waits || !self.journal.as_ref().is_some_and(due) {
            return Ok(());
        }
        match self.checkpoint() {
            Err(RunError::Journal(error @ JournalError::Io { .. })) => {
                tracing::error!(%error, "checkpoint failed; the journal keeps growing, retrying in 10 s");
                self.failed = Some(Instant::now());
                Ok(())
            }
            done => {
                self.failed = None;
                done
            }
        }
    }

    /// Makes a checkpoint, unless nothing was journaled since the last one.
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
        self.admission.forget_expired();
        match self.admission.object.checkpoint() {
            None => Ok(()),
            Some(Ok(state)) => Ok(journal.checkpoint(state, &self.admission.producers)?),
            Some(Err(error)) => Err(RunError::Checkpoint(error)),
        }
    }
}

/// Retries `attempt` with back-off until it succeeds (true) or the server stops (false). For errors that can heal, such as
/// a full disk.
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
                tracing::info!("{what} is writable again");
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

fn recover(dir: &Path, admission: &mut Admission) -> Result<Journal, RunError> {
    let (mut recovery, checkpoint) = Recovery::open(dir)?;
    recovery.agree_on(&admission.object.settings())?;
    admission.producers = checkpoint.producers;
    let restored = !checkpoint.object.is_empty();
    if restored {
        admission
            .object
            .restore(&checkpoint.object)
            .map_err(RunError::Restore)?;
    }
    let mut frames = 0;
    let mut failed = None;
    recovery.replay(|accepted| {
        if let (Verdict::Accepted, _) = admission.admit(accepted.acked, accepted.clock_ms, accepted.frame) {
            admission.replay(accepted.frame, accepted.clock_ms);
            frames += 1;
            // In steps, because the output of a whole journal need not fit into memory.
            if frames % COMMIT_EVERY == 0 && failed.is_none() {
                failed = admission.object.commit().err();
            }
        }
        admission.end_round();
    })?;
    failed
        .map_or_else(|| admission.object.commit(), Err)
        .map_err(RunError::Recovery)?;
    if frames > 0 {
        tracing::info!(frames, "recovered from the journal");
    }
    let mut journal = recovery.finish()?;
    // A file that was deleted meanwhile has been given up; the next recovery must not find it in the checkpoint.
    if (restored || frames > 0)
        && let Some(state) = admission.object.checkpoint()
    {
        journal.checkpoint(state.map_err(RunError::Checkpoint)?, &admission.producers)?;
    }
    Ok(journal)
}

#[cfg(test)]
mod tests;
