//! Values that stay their owner's: sorted by two threads, whatever becomes of one of them.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Barrier, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tensorplex::records::{Bins, Encode, Histogram, Numbers, NumbersGuard, ParallelHistogram, Record};

/// Several parts, and a short one.
const COUNT: usize = (5 << 15) + 7;

/// An array that others can change at any time.
struct Shared(Arc<Vec<AtomicU32>>);

impl Numbers for Shared {
    type Cell = AtomicU32;
    type Number = f32;

    fn cells(&self) -> &[AtomicU32] {
        &self.0
    }

    fn get(cell: &AtomicU32) -> f32 {
        INTERRUPT.with_borrow_mut(|interrupt| match interrupt.take() {
            Some(Interrupt {
                reads: 0,
                is_inside,
                go_on,
            }) => {
                is_inside.send(()).unwrap();
                go_on.recv().expect("a panic of the test");
            }
            Some(later) => {
                *interrupt = Some(Interrupt {
                    reads: later.reads - 1,
                    ..later
                })
            }
            None => {}
        });
        f32::from_bits(cell.load(Ordering::Relaxed))
    }
}

/// A thread that has it says after so many reads that it is inside a part, and waits; it panics when nobody is there to let it
/// go on.
struct Interrupt {
    reads: usize,
    is_inside: Sender<()>,
    go_on: Receiver<()>,
}

thread_local! {
    static INTERRUPT: RefCell<Option<Interrupt>> = const { RefCell::new(None) };
}

/// Interruption of this thread, the signal that it is reached, and the one that ends it.
fn interrupt(reads: usize) -> (Interrupt, Receiver<()>, Sender<()>) {
    let ((is_inside, inside), (rest, go_on)) = (channel(), channel());
    (
        Interrupt {
            reads,
            is_inside,
            go_on,
        },
        inside,
        rest,
    )
}

fn shared(values: &[f32]) -> Arc<Vec<AtomicU32>> {
    Arc::new(
        values
            .iter()
            .map(|value| AtomicU32::new(value.to_bits()))
            .collect(),
    )
}

/// Numbers without an order, on edges of buckets and between them. The smallest and the largest are behind the first part.
fn values(count: usize) -> Vec<f32> {
    let number = |n| match n {
        40_000 => -1.5,
        90_000 => 15_000.0,
        n => (n * n % 100_003 / 7) as f32,
    };
    (0..count as u64).map(number).collect()
}

fn expected(values: &[f32]) -> Record {
    let histogram = Histogram::new("h", values.to_vec(), Bins::TensorBoard).unwrap();
    histogram.encode(0.0).unwrap()
}

fn lent(array: &Arc<Vec<AtomicU32>>) -> (ParallelHistogram<Shared>, NumbersGuard<Shared>) {
    ParallelHistogram::new("h", Shared(array.clone())).unwrap()
}

/// Does it in a thread that is interrupted after so many reads, in the middle of a part, and waits until it is.
fn interrupted<T: Send + 'static>(
    reads: usize,
    act: impl FnOnce() -> T + Send + 'static,
) -> (Sender<()>, JoinHandle<T>) {
    let (interrupt, inside, go_on) = interrupt(reads);
    let thread = thread::spawn(move || {
        INTERRUPT.set(Some(interrupt));
        act()
    });
    inside.recv().unwrap();
    (go_on, thread)
}

#[test]
fn two_threads_at_once_find_what_one_finds() {
    let mut odd = values(COUNT);
    odd[70_000] = f32::NAN;
    odd[3] = f32::INFINITY;
    let shapes = [
        vec![],
        vec![0.5],
        values(1 << 15),
        values(COUNT),
        odd,
        vec![f32::NAN; COUNT],
        vec![-2.0; COUNT],
    ];
    for values in shapes {
        let expected = expected(&values);
        let array = shared(&values);
        for round in 0..60 {
            let (histogram, guard) = lent(&array);
            let start = Arc::new(Barrier::new(2));
            let other = start.clone();
            let recorder = thread::spawn(move || {
                other.wait();
                histogram.encode(0.0).unwrap()
            });
            start.wait();
            guard.end();
            array
                .iter()
                .for_each(|cell| cell.store(1e9_f32.to_bits(), Ordering::Relaxed));
            assert_eq!(
                recorder.join().unwrap(),
                expected,
                "round {round} of {}",
                values.len()
            );
            for (cell, value) in array.iter().zip(&values) {
                cell.store(value.to_bits(), Ordering::Relaxed);
            }
        }
    }
}

#[test]
fn each_alone_finds_it_too() {
    let values = values(COUNT);
    let array = shared(&values);
    let (histogram, guard) = lent(&array);
    assert_eq!(histogram.encode(0.0).unwrap(), expected(&values));
    guard.end();
    let (histogram, guard) = lent(&array);
    guard.end();
    // Nobody else has the numbers any more, though the histogram is not written yet.
    assert_eq!(Arc::strong_count(&array), 1);
    assert_eq!(histogram.encode(0.0).unwrap(), expected(&values));
}

/// To see how far they reach, numbers are read one after the other; then again, to count them. The second of these is in the
/// part with the smallest, the last three are among those that are counted.
const READS: [usize; 6] = [0, 33_000, COUNT - 1, COUNT + 100, COUNT + 40_000, 2 * COUNT - 1];

#[test]
fn the_owner_gets_the_numbers_back_when_nobody_reads_them_any_more() {
    let values = values(COUNT);
    for reads in READS {
        let array = shared(&values);
        let (histogram, guard) = lent(&array);
        let is_reading = Arc::new(AtomicBool::new(true));
        let (reading, is_back) = (is_reading.clone(), channel());
        let (go_on, recorder) = interrupted(reads, move || histogram.encode(0.0));
        let owner = thread::spawn(move || {
            let numbers = guard.end();
            assert!(!reading.load(Ordering::SeqCst));
            is_back.0.send(()).unwrap();
            numbers
        });
        // All but one part is sorted while the recorder stands still, and then its owner waits.
        assert!(is_back.1.recv_timeout(Duration::from_millis(20)).is_err());
        is_reading.store(false, Ordering::SeqCst);
        go_on.send(()).unwrap();
        assert!(owner.join().unwrap().is_some());
        assert_eq!(recorder.join().unwrap().unwrap(), expected(&values), "{reads}");
        assert_eq!(Arc::strong_count(&array), 1);
    }
}

#[test]
fn an_owner_who_is_interrupted_goes_on_where_he_was() {
    let values = values(COUNT);
    for reads in READS {
        let array = shared(&values);
        let (histogram, guard) = lent(&array);
        let (go_on, owner) = interrupted(reads, move || guard.end());
        let recorder = thread::spawn(move || histogram.encode(0.0));
        go_on.send(()).unwrap();
        assert!(owner.join().unwrap().is_some());
        assert_eq!(recorder.join().unwrap().unwrap(), expected(&values), "{reads}");
    }
}

#[test]
fn nobody_waits_for_one_who_panicked() {
    for reads in READS {
        let array = shared(&values(COUNT));
        let (histogram, guard) = lent(&array);
        let (go_on, recorder) = interrupted(reads, move || histogram.encode(0.0));
        let owner = thread::spawn(move || guard.end());
        drop(go_on);
        assert!(recorder.join().is_err());
        assert!(owner.join().unwrap().is_some());
        assert_eq!(Arc::strong_count(&array), 1);

        let (histogram, guard) = lent(&array);
        let (go_on, owner) = interrupted(reads, move || guard.end());
        let recorder = thread::spawn(move || histogram.encode(0.0));
        drop(go_on);
        assert!(owner.join().is_err());
        let error = recorder.join().unwrap().unwrap_err();
        assert!(error.to_string().contains("panicked"), "{error}");
    }
}

#[test]
fn without_a_recorder_nothing_is_sorted() {
    let array = shared(&values(COUNT));
    let (histogram, guard) = lent(&array);
    drop(histogram);
    let (interrupt, inside, _) = interrupt(0);
    INTERRUPT.set(Some(interrupt));
    guard.end();
    assert!(inside.try_recv().is_err());
    let left: Weak<_> = Arc::downgrade(&array);
    drop(array);
    assert!(left.upgrade().is_none());
}

#[test]
fn wrong_input_is_told_of_and_neighbours_are_joined() {
    let values = values(COUNT);
    let array = shared(&values);
    assert!(ParallelHistogram::new("", Shared(array.clone())).is_err());
    let (histogram, _) = lent(&array);
    assert!(histogram.at_most(0).is_err());
    let (histogram, guard) = lent(&array);
    let joined = Histogram::new("h", values, Bins::TensorBoard).unwrap().at_most(7);
    guard.end();
    assert_eq!(
        histogram.at_most(7).unwrap().encode(0.0).unwrap(),
        joined.unwrap().encode(0.0).unwrap()
    );
}
