//! A writer that threads share, and that never keeps its callers waiting for an encoder.
//!
//! ```text
//! caller ─► number, text ─────────────────────────► RunWriter of the run ─► file
//!       └─► record ─► thread: PNG, GIF, WAV, sorting ─►┘        ▲
//!                     the same thread, when idle: what has waited for `pause`
//! ```

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use super::run_writer::{RunWriter, WriteError};
use crate::clock::now;
use crate::encode_queue::EncodeQueue;
use crate::records::{Encode, encode_or_refuse};

/// Records into a directory, and into directories below it, without a server.
///
/// Records are encoded in a thread of the writer; scalars and texts are taken in the caller's thread.
/// Records that are refused because of what was recorded before, and those for which the disk has no room, are counted.
/// Dropping it writes what waits. A child process after a fork must not use or drop it.
#[derive(Debug)]
pub struct DirectoryWriter {
    shared: Arc<Shared>,
    queue: EncodeQueue,
}

#[derive(Debug)]
struct Shared {
    root: PathBuf,
    pause: Duration,
    state: Mutex<State>,
}

/// The open runs, and what went wrong since the last look.
#[derive(Default)]
struct State {
    runs: BTreeMap<String, RunWriter>,
    lost: LostRecords,
}

/// Records that were not taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LostRecords {
    /// Number of them, since the writer was made.
    pub records: u64,
    /// Why the last of them.
    pub why: String,
}

impl DirectoryWriter {
    /// A writer of the run in directory `log_dir`, which is made when missing. A record waits for `pause`, at most about
    /// twice as long, before it is written.
    ///
    /// # Errors
    /// When the directory cannot be made.
    pub fn create(log_dir: impl AsRef<Path>, pause: Duration) -> io::Result<Self> {
        let root = log_dir.as_ref().to_owned();
        let runs = BTreeMap::from([(String::new(), open(&root, "", pause)?)]);
        let lost = LostRecords::default();
        let shared = Arc::new(Shared {
            root,
            pause,
            state: Mutex::new(State { runs, lost }),
        });
        let idle = Arc::downgrade(&shared);
        let queue = EncodeQueue::with_idle(pause, move || {
            if let Some(shared) = idle.upgrade() {
                // The next flush reports an error again.
                let _ = shared.state().flush();
            }
        });
        Ok(Self { shared, queue })
    }

    /// Does something that is quick, such as recording a number, with the writer of a run: `""` is the directory itself.
    pub fn write(&self, run: &str, act: impl FnOnce(&mut RunWriter) -> Result<(), WriteError>) {
        self.queue.start();
        self.shared.write(&mut self.shared.state(), run, act);
    }

    /// As [`write`](Self::write), unless that would have to wait for another thread.
    ///
    /// # Errors
    /// When it would; then nothing is done, and this is what was to be done.
    pub fn try_write<F>(&self, run: &str, act: F) -> Result<(), F>
    where
        F: FnOnce(&mut RunWriter) -> Result<(), WriteError>,
    {
        self.queue.start();
        let mut state = match self.shared.state.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(state)) => state.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(act),
        };
        self.shared.write(&mut state, run, act);
        Ok(())
    }

    /// Records one of the [`records`](crate::records) into a run. It is encoded in the recorder's thread.
    pub fn add(
        &self,
        run: &str,
        record: impl Encode + Send + 'static,
        global_step: Option<i64>,
        walltime: Option<f64>,
    ) {
        let bytes = record.held_bytes();
        let job = self.job(run, record, global_step, walltime);
        self.queue.run(bytes, job);
    }

    /// Job that [`add`](Self::add) pushes to the [`queue`](Self::queue).
    pub fn job<R: Encode + Send + 'static>(
        &self,
        run: &str,
        record: R,
        global_step: Option<i64>,
        walltime: Option<f64>,
    ) -> impl FnOnce() + Send + use<R> {
        let (shared, run) = (self.shared.clone(), run.to_owned());
        // The time of a record is that of the call.
        let walltime = walltime.unwrap_or_else(now);
        move || match encode_or_refuse(record, walltime) {
            Ok(record) => shared.write(&mut shared.state(), &run, |writer| {
                writer.add(record, global_step, Some(walltime))
            }),
            Err(error) => shared.state().lost.count(&error),
        }
    }

    /// The recorder's thread.
    pub fn queue(&self) -> &EncodeQueue {
        &self.queue
    }

    /// Waits until everything so far is encoded; says whether it is.
    pub fn wait(&self, timeout: Duration) -> bool {
        self.queue.wait(timeout)
    }

    /// Writes what is encoded, to where readers see it.
    ///
    /// # Errors
    /// When that failed; what could not be written still waits.
    pub fn flush(&self) -> io::Result<()> {
        self.shared.state().flush()
    }

    /// Counters of the lost records.
    pub fn lost(&self) -> LostRecords {
        self.shared.state().lost.clone()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(
        &self,
        state: &mut State,
        run: &str,
        act: impl FnOnce(&mut RunWriter) -> Result<(), WriteError>,
    ) {
        let outcome = match state.runs.get_mut(run) {
            Some(writer) => act(writer),
            None => open(&self.root, run, self.pause)
                .map_err(WriteError::Full)
                .and_then(|writer| act(state.runs.entry(run.to_owned()).or_insert(writer))),
        };
        match outcome {
            // It was taken: a flush tries again and tells.
            Ok(()) | Err(WriteError::Io(_)) => {}
            Err(error) => state.lost.count(&error),
        }
    }
}

impl State {
    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.runs.values_mut().map(RunWriter::flush);
        flushed.fold(Ok(()), io::Result::and)
    }
}

impl LostRecords {
    fn count(&mut self, why: &impl ToString) {
        self.records += 1;
        self.why = why.to_string();
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("runs", &self.runs.keys())
            .field("lost", &self.lost)
            .finish()
    }
}

fn open(root: &Path, run: &str, pause: Duration) -> io::Result<RunWriter> {
    Ok(RunWriter::create(root.join(run))?.pause(pause))
}
