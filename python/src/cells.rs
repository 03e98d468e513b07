//! An array of Python's, read where it is.

// PyO3's safe ways to read an array copy all of it; the one that does not is deprecated for the race named below. For a
// million floats a copy takes 0.3 ms in memory at hand and 1.5 in memory that is new or has left the caches, on the machine of
// docs/performance.md; all else that their histogram costs takes 0.6.
#![allow(unsafe_code)]

use pyo3::buffer::{Element, PyBuffer, ReadOnlyCell};
use pyo3::prelude::*;

/// The elements of an array that lies in memory in C order. Whoever reads them finds what is there then: code of Python, or a
/// thread that does without its lock, may change an element at any time.
pub(crate) fn cells<'a, T: Element>(_: Python<'a>, array: &'a PyBuffer<T>) -> Option<&'a [ReadOnlyCell<T>]> {
    let elements = array.as_slice_ptr()?;
    // SAFETY: the buffer keeps the memory where it is while it is borrowed; PyO3 has checked type and alignment of its
    // elements, any bytes are a `T`, and a cell of it has its layout. What is accepted: a thread that writes without Python's
    // lock, as torch's may, races with the reader, as it does with a copy by PyO3. Each number is read as it is then; every
    // index made of one is brought into its range after that.
    Some(unsafe { &*(elements.as_ptr() as *const [ReadOnlyCell<T>]) })
}
