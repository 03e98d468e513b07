//! Histograms of values that stay their owner's, who waits until they are sorted.
//!
//! ```text
//! owner     LentHistogram::new ─► recorder.add ─► Loan::end: takes parts until all are done ─► changes the values
//! recorder                             └► encode:  takes parts until all are done ─► writes the buckets
//! ```
//!
//! A copy would cost the owner more than sorting does, and two threads sort nearly twice as fast as one. The recorder's thread
//! helps when it has nothing else to do. Neither depends on the other: a part whose thread does not run is done again.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::histogram::{joined, record, some_buckets};
use super::{Encode, Record, owned_tag};
use crate::tfevents::{BUCKETS, Bucket, Extent, Real};
use crate::value::RecordError;

/// Numbers in a part: to count them takes some 15 microseconds.
const PART: usize = 1 << 15;
/// How long others may need for a part before it is done again.
const PATIENCE: Duration = Duration::from_micros(40);

/// Numbers that may change when a [`Loan`] of them has ended: an array of another language, say. The recorder's thread may be
/// the one that drops them.
pub trait Numbers: Send + Sync + 'static {
    /// What they lie in.
    type Cell;
    /// What they are.
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
/// use tensorplex::records::{LentHistogram, Numbers};
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
/// # let log = tensorplex::Recorder::connect("localhost:6379", "agent/17")?;
/// # let weights: Arc<[AtomicU32]> = Arc::new([]);
/// let (histogram, loan) = LentHistogram::new("weights", Weights(weights.clone()))?;
/// log.add(histogram, 100);
/// loan.end();
/// // What is trained from here on is not in the histogram.
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct LentHistogram<N: Numbers> {
    tag: String,
    sorting: Arc<Sorting<N>>,
    most: usize,
}

/// What the owner of lent numbers keeps until he wants to change them.
#[derive(Debug)]
#[must_use = "the numbers are read until the loan is ended"]
pub struct Loan<N: Numbers>(Arc<Sorting<N>>);

impl<N: Numbers> LentHistogram<N> {
    /// Give the histogram to a recorder, then end the loan: that helps to sort, and afterwards nobody reads the numbers.
    ///
    /// # Errors
    /// When the tag cannot be used.
    pub fn new(tag: &str, numbers: N) -> Result<(Self, Loan<N>), RecordError> {
        let sorting = Arc::new(Sorting::new(numbers));
        let histogram = Self {
            tag: owned_tag(tag)?,
            sorting: sorting.clone(),
            most: BUCKETS,
        };
        Ok((histogram, Loan(sorting)))
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

impl<N: Numbers> Encode for LentHistogram<N> {
    fn encode(self, _: f64) -> Result<Record, RecordError> {
        let buckets = self.sorting.finish();
        Ok(record(self.tag, joined(buckets.to_vec(), self.most)))
    }

    /// The numbers are not the recorder's.
    fn held(&self) -> usize {
        size_of::<Sorting<N>>()
    }
}

impl<N: Numbers> Loan<N> {
    /// Sorts what is not sorted yet. What is written afterwards does not depend on the numbers any more.
    ///
    /// The recorder's thread may still read a few, without effect, when it was interrupted in a part; it drops them then.
    pub fn end(self) {
        // When nobody is there to write them they need not be sorted.
        if Arc::strong_count(&self.0) > 1 {
            self.0.finish();
        }
        *lock(&self.0.numbers) = None;
    }
}

/// Numbers that are being sorted by whoever has time: first how far they reach, then how many are in each bucket.
struct Sorting<N: Numbers> {
    /// `None` when all is done and they are back with their owner.
    numbers: Mutex<Option<Arc<N>>>,
    progress: Mutex<Progress<N::Number>>,
}

struct Progress<T> {
    extent: Extent<T>,
    counts: [u64; BUCKETS],
    /// Two steps for each part, one of all parts after the other of all parts. Those before this one are taken.
    next: usize,
    is_done: Vec<bool>,
    /// How many.
    done: usize,
}

impl<N: Numbers> Sorting<N> {
    fn new(numbers: N) -> Self {
        let parts = numbers.cells().len().div_ceil(PART);
        let progress = Progress {
            extent: Extent::NONE,
            counts: [0; BUCKETS],
            next: 0,
            is_done: vec![false; 2 * parts],
            done: 0,
        };
        Self {
            numbers: Mutex::new(Some(Arc::new(numbers))),
            progress: Mutex::new(progress),
        }
    }

    /// Takes steps until all are done, by whomever.
    fn finish(&self) -> [Bucket; BUCKETS] {
        let numbers = lock(&self.numbers).clone();
        if let Some(numbers) = numbers {
            self.work(numbers.cells());
        }
        let progress = lock(&self.progress);
        progress.extent.buckets(&progress.counts)
    }

    fn work(&self, cells: &[N::Cell]) {
        let parts = cells.len().div_ceil(PART);
        while let Some((step, extent)) = self.take(parts) {
            let from = step % parts * PART;
            let part = &cells[from..cells.len().min(from + PART)];
            if step < parts {
                let found = Extent::of(part, N::get);
                lock(&self.progress).add(step, |progress| progress.extent = progress.extent.with(found));
            } else {
                let found = extent.count(part, N::get);
                lock(&self.progress).add(step, |progress| {
                    let counts = progress.counts.iter_mut().zip(found);
                    counts.for_each(|(all, some)| *all += some);
                });
            }
        }
    }

    /// The next step, and what is known. Waits for others as long as that is quick.
    fn take(&self, parts: usize) -> Option<(usize, Extent<N::Number>)> {
        let mut since = None;
        loop {
            let mut progress = lock(&self.progress);
            if progress.done == progress.is_done.len() {
                return None;
            }
            // What is counted depends on how far all reach.
            let ready = if progress.done < parts { parts } else { 2 * parts };
            if progress.next < ready {
                progress.next += 1;
                return Some((progress.next - 1, progress.extent));
            }
            if since.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
                let step = progress.is_done.iter().position(|is_done| !is_done)?;
                return Some((step, progress.extent));
            }
            drop(progress);
            std::hint::spin_loop();
        }
    }
}

impl<T> Progress<T> {
    /// What was found in a step, unless somebody else was faster.
    fn add(&mut self, step: usize, found: impl FnOnce(&mut Self)) {
        if !std::mem::replace(&mut self.is_done[step], true) {
            self.done += 1;
            found(self);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<N: Numbers> fmt::Debug for Sorting<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sorting").finish_non_exhaustive()
    }
}
