//! The thread in which a worker encodes what is slow to encode.
//!
//! ```text
//! caller ─► job ─► queue of QUEUE ─► this thread: PNG, GIF, WAV … ─► client
//! ```
//!
//! When the queue is full the caller waits for room: records of a tag must stay in order, and memory is bounded. The thread
//! starts with the first job, ends when the last recorder is gone, and is joined then. When it has nothing to do it may look
//! after something else from time to time. A child process after a fork has no such thread; it touches nothing of the
//! parent's.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SendError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Jobs that may wait.
const QUEUE: usize = 64;

/// Something to be done elsewhere.
type Job = Box<dyn FnOnce() + Send>;

/// A thread for what is slow to encode: does jobs one after the other, and starts with the first.
#[derive(Debug)]
pub struct Encoder {
    process: u32,
    thread: Mutex<Option<Thread>>,
    started: AtomicBool,
    idle: Option<Idle>,
}

/// What the thread does when no job has come for so long.
#[derive(Clone)]
struct Idle {
    pause: Duration,
    act: Arc<dyn Fn() + Send + Sync>,
}

#[derive(Debug)]
struct Thread {
    jobs: SyncSender<Job>,
    handle: JoinHandle<()>,
}

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Encoder {
    /// Without a thread yet.
    pub fn new() -> Self {
        Self {
            process: std::process::id(),
            thread: Mutex::new(None),
            started: AtomicBool::new(false),
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
        if !self.started.swap(true, Ordering::Relaxed) {
            self.run(|| {});
        }
    }

    /// Does a job, here if it cannot be done elsewhere.
    pub fn run(&self, job: impl FnOnce() + Send + 'static) {
        match self.push(Box::new(job)) {
            Ok(()) => {}
            Err(job) => job(),
        }
    }

    fn push(&self, job: Job) -> Result<(), Job> {
        if self.process != std::process::id() {
            return Err(job);
        }
        let jobs = {
            let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
            if thread.is_none() {
                *thread = Thread::start(self.idle.clone());
            }
            thread.as_ref().map(|thread| thread.jobs.clone())
        };
        match jobs {
            Some(jobs) => jobs.send(job).map_err(|SendError(job)| job),
            None => Err(job),
        }
    }

    /// Waits until all jobs so far are done; says whether they are.
    pub fn wait(&self, timeout: Duration) -> bool {
        if self.process != std::process::id() {
            return true;
        }
        let deadline = Instant::now().checked_add(timeout);
        let jobs = {
            let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
            match &*thread {
                Some(thread) => thread.jobs.clone(),
                None => return true,
            }
        };
        let (done, is_done) = sync_channel(1);
        let mut mark: Job = Box::new(move || {
            let _ = done.send(());
        });
        loop {
            let left = deadline.map_or(Duration::MAX, |deadline| {
                deadline.saturating_duration_since(Instant::now())
            });
            match jobs.try_send(mark) {
                Ok(()) => return is_done.recv_timeout(left).is_ok(),
                Err(TrySendError::Disconnected(_)) => return true,
                Err(TrySendError::Full(again)) if !left.is_zero() => mark = again,
                Err(TrySendError::Full(_)) => return false,
            }
            std::thread::sleep(PAUSE.min(left));
        }
    }
}

/// Time between two looks at a full queue.
const PAUSE: Duration = Duration::from_millis(1);

impl Thread {
    fn start(idle: Option<Idle>) -> Option<Self> {
        let (jobs, queue) = sync_channel(QUEUE);
        let builder = std::thread::Builder::new().name("tensorplex-encoder".into());
        match builder.spawn(move || work(&queue, idle.as_ref())) {
            Ok(handle) => Some(Self { jobs, handle }),
            Err(error) => {
                tracing::warn!(%error, "no thread for encoding; records are encoded where they are logged");
                None
            }
        }
    }
}

/// Works until every sender is gone.
fn work(queue: &Receiver<Job>, idle: Option<&Idle>) {
    loop {
        let job = match idle {
            Some(idle) => queue.recv_timeout(idle.pause),
            None => queue.recv().map_err(RecvTimeoutError::from),
        };
        match (job, idle) {
            (Ok(job), _) => job(),
            (Err(RecvTimeoutError::Timeout), Some(idle)) => (idle.act)(),
            (Err(_), _) => return,
        }
    }
}

impl fmt::Debug for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Idle")
            .field("pause", &self.pause)
            .finish_non_exhaustive()
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        let Ok(thread) = self.thread.get_mut() else { return };
        let Some(Thread { jobs, handle }) = thread.take() else {
            return;
        };
        if self.process != std::process::id() {
            // The thread is the parent's.
            std::mem::forget((jobs, handle));
            return;
        }
        drop(jobs);
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

    #[test]
    fn all_jobs_are_done_in_order_also_when_the_queue_is_full() {
        let encoder = Encoder::new();
        let done = Arc::new(AtomicUsize::new(0));
        let (open, gate) = sync_channel::<()>(0);
        encoder.run(move || gate.recv().unwrap());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for n in 0..2 * QUEUE {
                    let done = done.clone();
                    encoder.run(move || assert_eq!(done.fetch_add(1, Ordering::Relaxed), n));
                }
            });
            assert!(!encoder.wait(Duration::from_millis(5)));
            open.send(()).unwrap();
        });
        assert!(encoder.wait(Duration::from_secs(60)));
        assert_eq!(done.load(Ordering::Relaxed), 2 * QUEUE);
    }

    #[test]
    fn a_child_process_does_its_jobs_itself() {
        let mut encoder = Encoder::new();
        encoder.run(|| {});
        assert!(encoder.wait(Duration::from_secs(60)));
        encoder.process = 0;
        let here = std::thread::current().id();
        encoder.run(move || assert_eq!(std::thread::current().id(), here));
        assert!(encoder.wait(Duration::ZERO));
    }
}
