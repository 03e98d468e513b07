//! Memory for copies of arrays, used again.
//!
//! A caller's array is copied and encoded elsewhere. In memory that the system gives afresh, that copy takes several times as
//! long: each page is cleared first, and a virtual machine may have to ask its host for it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use pyo3::buffer::{Element, PyBuffer};
use pyo3::prelude::*;

use crate::lock::lock;

/// Most bytes that are kept, of each type: 16 MiB.
const KEPT: usize = 16 << 20;
/// Shorter copies are left to the allocator, which has such memory at hand: 64 KiB.
const SHORT: usize = 64 << 10;

/// The latest copies, newest first; one that nobody else holds any more is free.
pub(crate) struct Spares<T>(Mutex<VecDeque<Arc<Vec<T>>>>);

impl<T: Element + Default> Spares<T> {
    pub const fn new() -> Self {
        Self(Mutex::new(VecDeque::new()))
    }

    /// The elements of an array in C order. Whoever drops them gives their memory back.
    pub fn copy(&self, py: Python<'_>, array: &PyBuffer<T>) -> PyResult<Arc<Vec<T>>> {
        if !(SHORT..=KEPT).contains(&array.len_bytes()) {
            return array.to_vec(py).map(Arc::new);
        }
        let copy = match self.free(array.item_count()) {
            None => array.to_vec(py)?,
            Some(mut memory) => {
                memory.resize(array.item_count(), T::default());
                array.copy_to_slice(py, &mut memory)?;
                memory
            }
        };
        let copy = Arc::new(copy);
        self.keep(copy.clone());
        Ok(copy)
    }

    /// Free memory for so many elements, and not for many more.
    fn free(&self, len: usize) -> Option<Vec<T>> {
        let mut kept = lock(&self.0);
        let fits =
            |copy: &Arc<Vec<T>>| Arc::strong_count(copy) == 1 && (len..=2 * len).contains(&copy.capacity());
        let at = kept.iter().position(fits)?;
        kept.remove(at).and_then(Arc::into_inner)
    }

    fn keep(&self, copy: Arc<Vec<T>>) {
        let mut kept = lock(&self.0);
        kept.push_front(copy);
        let ends = kept.iter().scan(0, |end, copy| {
            *end += copy.capacity() * size_of::<T>();
            Some(*end)
        });
        let fit = ends.take_while(|&end| end <= KEPT).count();
        kept.truncate(fit);
    }
}
