//! An array of Python's, read where it is.

// PyO3's safe ways to read an array copy all of it; the one that does not is deprecated for the race named below. For a
// million floats a copy takes 0.3 ms in memory at hand and 1.5 in memory that is new or has left the caches, on the machine of
// docs/performance.md; all else that their histogram costs takes 0.45.
#![allow(unsafe_code)]

use std::any::Any;
use std::marker::PhantomData;

use pyo3::buffer::{Element, PyBuffer, ReadOnlyCell};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use tensorplex::records::Numbers;
use tensorplex::tfevents::Real;

/// An array that lies in memory in C order.
///
/// Whoever reads it finds what is there then: code of Python, or a thread that does without its lock, may change an element at
/// any time. Keep the lock while it is read.
pub(crate) struct Cells<T>(Py<Held>, PhantomData<T>);

/// A `PyBuffer<T>`. Python's own object around it can be dropped without Python's lock: PyO3 does so when it has it next.
#[pyclass(frozen)]
struct Held(Box<dyn Any + Send + Sync>);

impl<T: Element + Real> Cells<T> {
    pub fn of(py: Python<'_>, array: PyBuffer<T>) -> PyResult<Self> {
        if !array.is_c_contiguous() {
            return Err(PyValueError::new_err("an array that is not in C order"));
        }
        Ok(Self(Py::new(py, Held(Box::new(array)))?, PhantomData))
    }
}

impl<T: Element + Real> Numbers for Cells<T> {
    type Cell = ReadOnlyCell<T>;
    type Number = T;

    fn cells(&self) -> &[ReadOnlyCell<T>] {
        let array = self.0.get().0.downcast_ref::<PyBuffer<T>>();
        let Some(elements) = array.and_then(PyBuffer::as_slice_ptr) else {
            return &[];
        };
        // SAFETY: the buffer keeps the memory where it is while it is borrowed; PyO3 has checked type and alignment of its
        // elements, any bytes are a `T`, and a cell of it has its layout. What is accepted: a thread that writes without Python's
        // lock, as torch's may, races with the reader, as it does with a copy by PyO3. Each number is read as it is then;
        // every index made of one is brought into its range after that.
        unsafe { &*(elements.as_ptr() as *const [ReadOnlyCell<T>]) }
    }

    fn get(cell: &ReadOnlyCell<T>) -> T {
        cell.get()
    }
}
