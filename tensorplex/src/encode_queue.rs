//! The thread in which a worker encodes what is slow to encode.
//!
//! ```text
//! caller ─► job ─► at most MAX_QUEUED_BYTES bytes of jobs ─► this thread: PNG, GIF, WAV … ─► client
//! ```
//!
//! When there is no room the caller waits for it: records of a tag must stay in order, and memory is bounded. A job that is
//! longer than all of it waits until nothing else is there. What a job holds counts until it is done. The thread starts with
//! the first job, ends when the last recorder is gone, and is joined then. When it has nothing to do it may look after
//! something else from time to time. A child process after a fork has no such thread; it touches nothing of the parent's.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Most bytes that the records hold which wait to be encoded: 64 MiB, as much as the window of calls behind it.
///
/// One record may be longer; then it is the only one.
pub const MAX_QUEUED_BYTES: usize = 64 << 20;

/// Overhead of a job in bytes, besides its data.
const JOB: usize = 512;

/// Something to be done elsewhere.
type Job = Box<dyn FnOnce() + Send>;

/// A thread for what is slow to encode: does jobs one after the other, and starts with the first.
#[derive(Debug)]
pub struct EncodeQueue {
    process: u32,
    queue: Arc<Queue>,
    thread: Mutex<Option<JoinHandle<()>>>,
    is_started: AtomicBool,
    idle: Option<Idle>,
}

/// Action of the thread when no job has come for `pause`.
#[derive(Clone)]
struct Idle {
    pause: Duration,
    act: Arc<dyn Fn() + Send + Sync>,
}

/// Between the callers and the thread.
#[derive(Debug, Default)]
struct Queue {
    state: Mutex<State>,
    /// There is a job, or there will be none any more.
    came: Condvar,
    /// A job is done.
    done: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<(Job, usize)>,
    /// Bytes of the jobs that are not done.
    held: usize,
    /// Numbers of jobs pushed and of jobs done, since the start.
    came: u64,
    done: u64,
    /// Nobody is there to bring jobs.
    is_closed: bool,
}

impl Default for EncodeQueue {
    fn default() -> Self {
        Self::new()
    }
}

impl EncodeQueue {
    /// Without a thread yet.
    pub fn new() -> Self {
        Self {
            process: std::process::id(),
            queue: Arc::default(),
            thread: Mutex::new(None),
            is_started: AtomicBool::new(false),
            idle: None,
        }
    }

    /// The same, and its thread calls `act` whenever no job has come for `pause`.
    pub(crate) fn with_idle(pause: Duration, act: impl Fn() + Send + Sync + 'static) -> Self {
        let mut encoder = Self::new();
        let act = Arc::new(act);
        encoder.idle = Some(Idle { pause, act });
        encoder
    }

    /// Starts the thread, if it does not run yet.
    pub(crate) fn start(&self) {
        if !self.is_started.swap(true, Ordering::Relaxed) && self.is_here() {
            self.has_thread();
        }
    }

    /// Does a job that holds so many bytes, here if it cannot be done elsewhere. Waits while there is no room for them:
    /// see [`MAX_QUEUED_BYTES`].
    pub fn run(&self, bytes: usize, mut job: impl FnOnce() + Send + 'static) {
        while let Err(again) = self.try_run(bytes, job) {
            self.wait_for_room(bytes);
            job = again;
        }
    }

    /// The same without waiting.
    ///
    /// # Errors
    /// With the job when there is no room for it.
    pub fn try_run<J: FnOnce() + Send + 'static>(&self, bytes: usize, job: J) -> Result<(), J> {
        match self.is_here() && self.has_thread() {
            true => self.queue.push(job, bytes.saturating_add(JOB)),
            false => {
                job();
                Ok(())
            }
        }
    }

    /// Waits until there is room for a job that holds so many bytes.
    pub fn wait_for_room(&self, bytes: usize) {
        if self.is_here() {
            self.queue.wait_for_room(bytes.saturating_add(JOB));
        }
    }

    /// Waits until all jobs so far are done; says whether they are.
    pub fn wait(&self, timeout: Duration) -> bool {
        !self.is_here() || self.queue.wait(timeout)
    }

    /// Number of jobs that are not done.
    pub fn outstanding(&self) -> u64 {
        if !self.is_here() {
            return 0;
        }
        let state = self.queue.state();
        state.came - state.done
    }

    fn is_here(&self) -> bool {
        self.process == std::process::id()
    }

    fn has_thread(&self) -> bool {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.is_none() {
            *thread = self.spawn();
        }
        thread.is_some()
    }

    fn spawn(&self) -> Option<JoinHandle<()>> {
        let (queue, idle) = (self.queue.clone(), self.idle.clone());
        let builder = std::thread::Builder::new().name("tensorplex-encoder".into());
        builder
            .spawn(move || queue.work(idle.as_ref()))
            .inspect_err(|error| {
                tracing::warn!(%error, "no thread for encoding; records are encoded where they are logged");
            })
            .ok()
    }
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a job to the thread, when there is room for it.
    fn push<J: FnOnce() + Send + 'static>(&self, job: J, bytes: usize) -> Result<(), J> {
        let mut state = self.state();
        if !state.has_room(bytes) {
            return Err(job);
        }
        state.jobs.push_back((Box::new(job), bytes));
        state.held += bytes;
        state.came += 1;
        drop(state);
        self.came.notify_one();
        Ok(())
    }

    fn wait_for_room(&self, bytes: usize) {
        let is_full = |state: &mut State| !state.has_room(bytes);
        drop(self.done.wait_while(self.state(), is_full));
    }

    fn wait(&self, timeout: Duration) -> bool {
        let deadline = Instant::now().checked_add(timeout);
        let mut state = self.state();
        let all = state.came;
        while state.done < all {
            let left = deadline.map_or(Duration::MAX, |deadline| {
                deadline.saturating_duration_since(Instant::now())
            });
            if left.is_zero() {
                return false;
            }
            let waited = self.done.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Does all jobs, until nobody can bring another. One that panics is done, too: those after it are not lost with it.
    fn work(&self, idle: Option<&Idle>) {
        loop {
            let mut state = self.next(idle.map(|idle| idle.pause));
            let Some((job, bytes)) = state.jobs.pop_front() else {
                let is_closed = state.is_closed;
                drop(state);
                match idle {
                    Some(idle) if !is_closed => outlive(|| (idle.act)()),
                    _ => return,
                }
                continue;
            };
            drop(state);
            outlive(job);
            let mut state = self.state();
            state.held -= bytes;
            state.done += 1;
            drop(state);
            self.done.notify_all();
        }
    }

    /// Waits for a job, or for the end, or for `pause`.
    fn next(&self, pause: Option<Duration>) -> MutexGuard<'_, State> {
        let has_nothing = |state: &mut State| state.jobs.is_empty() && !state.is_closed;
        let pause = pause.unwrap_or(Duration::MAX);
        let waited = self.came.wait_timeout_while(self.state(), pause, has_nothing);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Runs `act` and catches a panic: if the thread ended, callers that wait for it would never return.
fn outlive(act: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(act)).is_err() {
        tracing::error!("the thread for encoding caught a panic; what it was doing is lost");
    }
}

impl State {
    fn has_room(&self, bytes: usize) -> bool {
        self.held == 0 || self.held.saturating_add(bytes) <= MAX_QUEUED_BYTES
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("jobs", &self.jobs.len())
            .field("held", &self.held)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Idle")
            .field("pause", &self.pause)
            .finish_non_exhaustive()
    }
}

impl Drop for EncodeQueue {
    fn drop(&mut self) {
        let is_here = self.is_here();
        let Ok(thread) = self.thread.get_mut() else { return };
        let Some(handle) = thread.take() else { return };
        if !is_here {
            // The thread is the parent's.
            std::mem::forget((handle, self.queue.clone()));
            return;
        }
        self.queue.state().is_closed = true;
        self.queue.came.notify_one();
        // The last job may have held the last recorder: then this is the thread itself.
        if handle.thread().id() != std::thread::current().id() && handle.join().is_err() {
            tracing::error!("the thread for encoding panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;
    use std::sync::mpsc::{SyncSender, sync_channel};

    const LONG: Duration = Duration::from_secs(60);

    /// An encoder whose thread does nothing until the sender is used.
    fn blocked() -> (EncodeQueue, SyncSender<()>) {
        let encoder = EncodeQueue::new();
        let (open, gate) = sync_channel::<()>(0);
        encoder.run(0, move || gate.recv().unwrap());
        (encoder, open)
    }

    #[test]
    fn all_jobs_are_done_in_order_also_when_there_was_no_room() {
        let (encoder, open) = blocked();
        let done = Arc::new(AtomicUsize::new(0));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for n in 0..20 {
                    let done = done.clone();
                    encoder.run(MAX_QUEUED_BYTES / 4, move || {
                        assert_eq!(done.fetch_add(1, Ordering::Relaxed), n)
                    });
                }
            });
            assert!(!encoder.wait(Duration::from_millis(5)));
            open.send(()).unwrap();
        });
        assert!(encoder.wait(LONG));
        assert_eq!(done.load(Ordering::Relaxed), 20);
    }

    #[test]
    fn jobs_that_wait_hold_a_bounded_number_of_bytes() {
        let (encoder, open) = blocked();
        let taken = Arc::new(AtomicUsize::new(0));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..8 {
                    encoder.run(MAX_QUEUED_BYTES / 4, || {});
                    taken.fetch_add(1, Ordering::Relaxed);
                }
            });
            while taken.load(Ordering::Relaxed) < 3 {
                std::thread::yield_now();
            }
            // The fourth does not fit beside the first job and what the queue itself needs.
            assert!(!encoder.wait(Duration::from_millis(20)));
            let state = encoder.queue.state();
            assert_eq!((taken.load(Ordering::Relaxed), state.jobs.len()), (3, 3));
            assert!(state.held <= MAX_QUEUED_BYTES);
            drop(state);
            open.send(()).unwrap();
        });
        assert!(encoder.wait(LONG));
        assert_eq!(encoder.queue.state().held, 0);
    }

    #[test]
    fn many_short_jobs_do_not_wait_for_each_other() {
        let (encoder, open) = blocked();
        (0..10_000).for_each(|_| encoder.run(100, || {}));
        open.send(()).unwrap();
        assert!(encoder.wait(LONG));
    }

    #[test]
    fn a_job_longer_than_all_room_is_done_alone() {
        let encoder = EncodeQueue::new();
        for bytes in [usize::MAX, 1, MAX_QUEUED_BYTES + 1] {
            encoder.run(bytes, || {});
        }
        assert!(encoder.wait(LONG));
    }

    #[test]
    fn a_job_that_panics_takes_no_other_with_it() {
        let (encoder, open) = blocked();
        let done = Arc::new(AtomicUsize::new(0));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                encoder.run(0, || panic!("of the test"));
                // There is room for only one of these: the other waits.
                for _ in 0..2 {
                    let done = done.clone();
                    encoder.run(MAX_QUEUED_BYTES, move || {
                        done.fetch_add(1, Ordering::Relaxed);
                    });
                }
            });
            open.send(()).unwrap();
        });
        assert!(encoder.wait(LONG));
        assert_eq!(done.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn a_child_process_does_its_jobs_itself() {
        let mut encoder = EncodeQueue::new();
        encoder.run(0, || {});
        assert!(encoder.wait(LONG));
        encoder.process = 0;
        let here = std::thread::current().id();
        encoder.run(0, move || assert_eq!(std::thread::current().id(), here));
        assert!(encoder.wait(Duration::ZERO));
    }
}
