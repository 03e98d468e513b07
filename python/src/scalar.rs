//! A number as a training loop hands it over, taken as it is.
//!
//! ```text
//! tag        str                            exactly that type, as below: what derives from one may do as it likes;
//!                                           not empty, at most LONGEST_TAG bytes
//! value      float, int, float32, float64   the last two are NumPy's
//! step       int, None                      None is 0
//! walltime   float, int, None
//! ```
//!
//! Everything else, and everything that is wrong, is for `tensorplex._inputs`, which asks, converts and refuses. So no code
//! of Python runs here, and nobody who waits for the window waits for it.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyFloat, PyInt, PyString, PyType};

/// Longest tag in bytes. It is copied while other callers wait.
const LONGEST_TAG: usize = 64 << 10;

/// One record of a number.
pub(crate) struct Scalar<'a> {
    pub tag: &'a str,
    pub value: f64,
    pub step: i64,
    pub walltime: Option<f64>,
}

impl<'a> Scalar<'a> {
    /// `None`: this is for `tensorplex._inputs`.
    pub fn of(
        tag: &'a Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
        step: &Bound<'_, PyAny>,
        walltime: &Bound<'_, PyAny>,
    ) -> Option<Self> {
        let tag = tag.cast_exact::<PyString>().ok()?.to_str().ok()?;
        if tag.is_empty() || tag.len() > LONGEST_TAG {
            return None;
        }
        Some(Self {
            tag,
            value: number(value)?,
            step: if step.is_none() { 0 } else { integer(step)? },
            walltime: if walltime.is_none() {
                None
            } else {
                Some(number(walltime)?)
            },
        })
    }

    /// No fewer bytes than the arguments of the call have: each of the four has a head of at most five, and the numbers
    /// are eight long.
    pub fn longest(&self) -> usize {
        self.tag.len() + 4 * 5 + 3 * 8
    }
}

fn number(value: &Bound<'_, PyAny>) -> Option<f64> {
    let is_plain = value.is_exact_instance_of::<PyFloat>()
        || value.is_exact_instance_of::<PyInt>()
        || is_of_numpy(value);
    is_plain.then(|| value.extract().ok()).flatten()
}

fn integer(value: &Bound<'_, PyAny>) -> Option<i64> {
    value.cast_exact::<PyInt>().ok()?.extract().ok()
}

fn is_of_numpy(value: &Bound<'_, PyAny>) -> bool {
    static FLOAT32: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    static FLOAT64: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    [(&FLOAT32, "float32"), (&FLOAT64, "float64")]
        .into_iter()
        .any(|(class, name)| {
            class
                .import(value.py(), "numpy", name)
                .is_ok_and(|class| value.get_type_ptr() == class.as_type_ptr())
        })
}
