//! An array of Python's, read where it is.

// PyO3's safe ways to read an array copy all of it; the one that does not is deprecated for the race named below. For a
// million floats a copy takes 0.3 ms in memory at hand and 1.5 in memory that is new or has left the caches, on the machine of
// docs/performance.md; all else that their histogram costs takes 0.4.
#![allow(unsafe_code)]

use pyo3::buffer::{Element, PyBuffer, ReadOnlyCell};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use tensorplex::records::Numbers;
use tensorplex::tfevents::Real;

/// An array that lies in memory in C order.
///
/// Keep Python's lock until the last reader is done, so that code of Python does not change it, or free its memory: an array may
/// lie in what somebody else can take away, such as shared memory.
pub(crate) struct NumpyView<T>(PyBuffer<T>);

impl<T: Element> NumpyView<T> {
    pub fn of(array: PyBuffer<T>) -> PyResult<Self> {
        match array.is_c_contiguous() {
            true => Ok(Self(array)),
            false => Err(PyValueError::new_err("an array that is not in C order")),
        }
    }
}

impl<T: Element + Real> Numbers for NumpyView<T> {
    type Cell = ReadOnlyCell<T>;
    type Number = T;

    fn cells(&self) -> &[ReadOnlyCell<T>] {
        let Some(elements) = self.0.as_slice_ptr() else {
            return &[];
        };
        // SAFETY: the buffer, and Python's lock that the caller keeps, keep the memory where it is; PyO3 has checked type and
        // alignment of its elements, any bytes are a `T`, and a cell of it has its layout. What is accepted: a thread that writes
        // without Python's lock, as torch's may, races with the reader, as it does with a copy by PyO3. Each number is read as
        // it is then; every index made of one is brought into its range after that.
        unsafe { &*(elements.as_ptr() as *const [ReadOnlyCell<T>]) }
    }

    fn get(cell: &ReadOnlyCell<T>) -> T {
        cell.get()
    }
}
