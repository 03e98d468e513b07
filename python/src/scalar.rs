//! Fast path of `add_scalar`: arguments of the usual types, read without running Python code.
//!
//! ```text
//! tag        str                            not empty, at most MAX_TAG_BYTES of UTF-8
//! value      float, int, float32, float64   the last two are NumPy's
//! step       int, None                      None is 0
//! walltime   float, int, None
//! ```
//!
//! The types are exact, because a subclass may override its conversions. Any other argument, and any
//! invalid one, takes the slow path: `tensorplex._inputs` converts it or refuses it. Since no Python
//! code runs here, callers may hold the lock of the send window.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyFloat, PyInt, PyString, PyType};

/// Limit on a tag, 64 KiB: it is copied while other callers wait for the send window.
const MAX_TAG_BYTES: usize = 64 << 10;

/// One scalar record.
pub(crate) struct Scalar<'a> {
    pub tag: &'a str,
    pub value: f64,
    pub step: i64,
    pub walltime: Option<f64>,
}

impl<'a> Scalar<'a> {
    /// Reads the arguments; `None` when they need the slow path.
    pub fn from_plain(
        tag: &'a Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
        step: &Bound<'_, PyAny>,
        walltime: &Bound<'_, PyAny>,
    ) -> Option<Self> {
        let tag = tag.cast_exact::<PyString>().ok()?.to_str().ok()?;
        if tag.is_empty() || tag.len() > MAX_TAG_BYTES {
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

    /// Upper bound on the encoded size of the arguments, in bytes: a head of at most five for each of
    /// the four, and eight for each of the three numbers.
    pub fn max_encoded_len(&self) -> usize {
        self.tag.len() + 4 * 5 + 3 * 8
    }
}

fn number(value: &Bound<'_, PyAny>) -> Option<f64> {
    let is_plain = value.is_exact_instance_of::<PyFloat>()
        || value.is_exact_instance_of::<PyInt>()
        || is_numpy_float(value);
    is_plain.then(|| value.extract().ok()).flatten()
}

fn integer(value: &Bound<'_, PyAny>) -> Option<i64> {
    value.cast_exact::<PyInt>().ok()?.extract().ok()
}

fn is_numpy_float(value: &Bound<'_, PyAny>) -> bool {
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
