//! Buffer pool: reusable memory for copies of a caller's arrays.
//!
//! A caller's array is copied, and the copy is encoded by another thread. A copy into fresh memory
//! takes several times as long as one into reused memory, because the system clears each page first
//! and a virtual machine may have to ask its host for it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use pyo3::buffer::{Element, PyBuffer};
use pyo3::prelude::*;

use crate::lock::lock;

/// Limit on the memory of a pool, 16 MiB. A larger copy gets fresh memory.
const MAX_POOLED_BYTES: usize = 16 << 20;
/// Smallest pooled copy, 64 KiB. For smaller ones the allocator has memory at hand.
const MIN_POOLED_BYTES: usize = 64 << 10;

/// The latest copies, newest first. A copy without other owners is free for reuse.
pub(crate) struct BufferPool<T>(Mutex<VecDeque<Arc<Vec<T>>>>);

impl<T: Element + Default> BufferPool<T> {
    pub const fn new() -> Self {
        Self(Mutex::new(VecDeque::new()))
    }

    /// Copies the elements of an array, in C order. Dropping the copy frees its memory for reuse.
    pub fn copy(&self, py: Python<'_>, array: &PyBuffer<T>) -> PyResult<Arc<Vec<T>>> {
        if !(MIN_POOLED_BYTES..=MAX_POOLED_BYTES).contains(&array.len_bytes()) {
            return array.to_vec(py).map(Arc::new);
        }
        let copy = match self.take_free(array.item_count()) {
            None => array.to_vec(py)?,
            Some(mut memory) => {
                memory.resize(array.item_count(), T::default());
                array.copy_to_slice(py, &mut memory)?;
                memory
            }
        };
        let copy = Arc::new(copy);
        self.put_back(copy.clone());
        Ok(copy)
    }

    /// Takes free memory for `len` elements, and for at most twice as many.
    fn take_free(&self, len: usize) -> Option<Vec<T>> {
        let mut pooled = lock(&self.0);
        let fits =
            |copy: &Arc<Vec<T>>| Arc::strong_count(copy) == 1 && (len..=2 * len).contains(&copy.capacity());
        let index = pooled.iter().position(fits)?;
        pooled.remove(index).and_then(Arc::into_inner)
    }

    /// Adds a copy to the pool, and evicts the oldest ones beyond the limit.
    fn put_back(&self, copy: Arc<Vec<T>>) {
        let mut pooled = lock(&self.0);
        pooled.push_front(copy);
        let sizes = pooled.iter().scan(0, |total, copy| {
            *total += copy.capacity() * size_of::<T>();
            Some(*total)
        });
        let fit = sizes.take_while(|&total| total <= MAX_POOLED_BYTES).count();
        pooled.truncate(fit);
    }
}
