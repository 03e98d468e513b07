//! Histograms of values that stay their owner's, who waits until they are sorted.
//!
//! ```text
//! owner     ParallelHistogram::new ─► recorder.add ─► NumbersGuard::end: takes parts until all are done ─► changes the values
//! recorder                             └► encode:  takes parts until all are done ─► writes the buckets
//! ```
//!
//! A copy would cost the owner more than sorting does, and two threads sort nearly twice as fast as one. The recorder's thread
//! helps when it has nothing else to do; the owner waits for it only when it is in the middle of a part.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::histogram::{joined, record, some_buckets};
use super::{Encode, Record, owned_tag};
use crate::tfevents::{BUCKETS, Bucket, Extent, Real};
use crate::value::RecordError;

/// Numbers in a part: to count them takes some 15 microseconds.
const PART: usize = 1 << 15;
/// Time to spin before sleeping, while another thread finishes a part: 100 µs.
const SPIN_TIME: Duration = Duration::from_micros(100);

/// Numbers that may change when a [`NumbersGuard`] of them has ended: an array of another language, say.
pub trait Numbers: Send + Sync + 'static {
    /// Memory cell of one number.
    type Cell;
    /// Type of one number.
    type Number: Real;
    /// All of them.
    fn cells(&self) -> &[Self::Cell];
    /// One of them.
    fn get(cell: &Self::Cell) -> Self::Number;
}

/// A histogram of numbers that are read where they are, with the buckets of [`Bins::TensorBoard`](super::Bins::TensorBoard).
///
/// ```no_run
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU32, Ordering};
///
/// use tensorplex::records::{ParallelHistogram, Numbers};
///
/// /// Weights that several threads train.
/// struct Weights(Arc<[AtomicU32]>);
///
/// impl Numbers for Weights {
///     type Cell = AtomicU32;
///     type Number = f32;
///     fn cells(&self) -> &[AtomicU32] {
///         &self.0
///     }
///     fn get(cell: &AtomicU32) -> f32 {
///         f32::from_bits(cell.load(Ordering::Relaxed))
///     }
/// }
///
/// # let log = tensorplex::Writer::connect("localhost:6379", "agent/17")?;
/// # let weights: Arc<[AtomicU32]> = Arc::new([]);
/// let (histogram, guard) = ParallelHistogram::new("weights", Weights(weights.clone()))?;
/// log.add(histogram, 100);
/// guard.end();
/// // What is trained from here on is not in the histogram.
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ParallelHistogram<N: Numbers> {
    tag: String,
    sorting: Arc<Sorting<N>>,
    most: usize,
}

/// Guard of numbers that are being read; its owner ends it before changing them.
#[derive(Debug)]
#[must_use = "the numbers are read until the guard is ended"]
pub struct NumbersGuard<N: Numbers>(Arc<Sorting<N>>);

impl<N: Numbers> ParallelHistogram<N> {
    /// Histogram for a writer, and the guard of its numbers. Ending the guard helps to sort; afterwards no thread reads the
    /// numbers.
    ///
    /// # Errors
    /// When the tag cannot be used.
    pub fn new(tag: &str, numbers: N) -> Result<(Self, NumbersGuard<N>), RecordError> {
        let sorting = Arc::new(Sorting::new(numbers));
        let histogram = Self {
            tag: owned_tag(tag)?,
            sorting: sorting.clone(),
            most: BUCKETS,
        };
        Ok((histogram, NumbersGuard(sorting)))
    }

    /// Joins neighbours until there are at most so many buckets.
    ///
    /// # Errors
    /// When that is none.
    pub fn at_most(mut self, buckets: usize) -> Result<Self, RecordError> {
        self.most = some_buckets(buckets)?;
        Ok(self)
    }
}

impl<N: Numbers> Encode for ParallelHistogram<N> {
    fn encode(self, _: f64) -> Result<Record, RecordError> {
        self.sorting.work();
        let Some(buckets) = self.sorting.buckets() else {
            let why = "the thread that sorted a part of it panicked";
            return Err(RecordError::Encoding(why.to_owned()));
        };
        Ok(record(self.tag, joined(buckets.to_vec(), self.most)))
    }

    /// The numbers are not the recorder's.
    fn held_bytes(&self) -> usize {
        size_of::<Sorting<N>>()
    }
}

impl<N: Numbers> NumbersGuard<N> {
    /// Sorts what is not sorted yet, and gives the numbers back: nobody else reads them any more.
    pub fn end(self) -> Option<N> {
        // When nobody is there to write them they need not be sorted.
        if Arc::strong_count(&self.0) > 1 {
            self.0.work();
        }
        let mut numbers = self.0.numbers.write().unwrap_or_else(PoisonError::into_inner);
        numbers.take()
    }
}

/// Numbers that are being sorted by whoever has time: first how far they reach, then how many are in each bucket.
struct Sorting<N: Numbers> {
    /// Whoever reads them holds this; `None` when they are back with their owner.
    numbers: RwLock<Option<N>>,
    parts: usize,
    progress: Mutex<Progress<N::Number>>,
    /// Copy of `progress.done`, read without the lock while spinning.
    done: AtomicUsize,
    /// All parts have got as far as one can without the others.
    came: Condvar,
}

struct Progress<T> {
    extent: Extent<T>,
    counts: [u64; BUCKETS],
    /// Two steps for each part, one of all parts after the other of all parts: those that somebody has taken, and those that
    /// are done.
    taken: usize,
    done: usize,
    /// Whoever took a step panicked.
    is_broken: bool,
}

impl<N: Numbers> Sorting<N> {
    fn new(numbers: N) -> Self {
        let parts = numbers.cells().len().div_ceil(PART);
        let progress = Progress {
            extent: Extent::NONE,
            counts: [0; BUCKETS],
            taken: 0,
            done: 0,
            is_broken: false,
        };
        Self {
            numbers: RwLock::new(Some(numbers)),
            parts,
            progress: Mutex::new(progress),
            done: AtomicUsize::new(0),
            came: Condvar::new(),
        }
    }

    fn progress(&self) -> MutexGuard<'_, Progress<N::Number>> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes steps until all are done, by whomever.
    fn work(&self) {
        let numbers = self.numbers.read().unwrap_or_else(PoisonError::into_inner);
        let Some(numbers) = &*numbers else { return };
        let _breaks = BreaksByPanic(self);
        let cells = numbers.cells();
        while let Some((step, extent)) = self.take() {
            let from = step % self.parts * PART;
            let part = &cells[from..cells.len().min(from + PART)];
            if step < self.parts {
                let found = Extent::of(part, N::get);
                self.add(|progress| progress.extent = progress.extent.with(found));
            } else {
                let found = extent.count(part, N::get);
                self.add(|progress| {
                    let counts = progress.counts.iter_mut().zip(found);
                    counts.for_each(|(all, some)| *all += some);
                });
            }
        }
    }

    /// The next step, and what is known. Waits while others are at steps that must be done before; `None` when all are done.
    fn take(&self) -> Option<(usize, Extent<N::Number>)> {
        loop {
            let mut progress = self.progress();
            if progress.is_broken || progress.done == 2 * self.parts {
                return None;
            }
            // Counting starts when the extent of all parts is known.
            let ready = self.parts * if progress.done < self.parts { 1 } else { 2 };
            if progress.taken < ready {
                progress.taken += 1;
                return Some((progress.taken - 1, progress.extent));
            }
            drop(progress);
            self.wait(ready);
        }
    }

    /// Until so many steps are done. Others are about to end theirs, unless they were interrupted.
    fn wait(&self, steps: usize) {
        let since = Instant::now();
        while self.done.load(Ordering::Relaxed) < steps {
            if since.elapsed() > SPIN_TIME {
                let is_on = |progress: &mut Progress<_>| progress.done < steps && !progress.is_broken;
                let waited = self.came.wait_while(self.progress(), is_on);
                drop(waited.unwrap_or_else(PoisonError::into_inner));
                return;
            }
            std::hint::spin_loop();
        }
    }

    /// Adds the result of a step.
    fn add(&self, found: impl FnOnce(&mut Progress<N::Number>)) {
        let mut progress = self.progress();
        found(&mut progress);
        progress.done += 1;
        self.done.store(progress.done, Ordering::Relaxed);
        if progress.done.is_multiple_of(self.parts) {
            self.came.notify_all();
        }
    }

    /// The result, when all is done.
    fn buckets(&self) -> Option<[Bucket; BUCKETS]> {
        let progress = self.progress();
        (progress.done == 2 * self.parts).then(|| progress.extent.buckets(&progress.counts))
    }
}

/// Nobody waits for a step whose thread panicked.
struct BreaksByPanic<'a, N: Numbers>(&'a Sorting<N>);

impl<N: Numbers> Drop for BreaksByPanic<'_, N> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.progress().is_broken = true;
            self.0.came.notify_all();
        }
    }
}

impl<N: Numbers> fmt::Debug for Sorting<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sorting")
            .field("parts", &self.parts)
            .finish_non_exhaustive()
    }
}
