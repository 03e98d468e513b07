//! Python values as MessagePack. The protocol reference, "Values beyond MessagePack", has the layout.
//!
//! A value keeps its type or is refused: only the exact types below are encoded, never a subclass.
//!
//! ```text
//! None bool int float str bytes list dict     MessagePack's own types; int from -2^63 to 2^64 - 1
//! 1  tuple        a MessagePack array
//! 2  set          a MessagePack array
//! 3  frozenset    a MessagePack array
//! 4  int          two's complement, little-endian, as many bytes as it needs
//! 5  datetime     i64 LE microseconds since 1970-01-01 00:00, local to its time zone
//!                 | i64 LE UTC offset in microseconds; absent without a time zone
//! 6  ndarray      u8 length, dtype | u8 dimensions | u64 LE per dimension | items, little-endian, C order
//! 7  NumPy scalar u8 length, dtype | item, little-endian
//! ```

mod decode;
mod encode;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyModule};

pub(crate) use decode::{DecodeError, decode_value};
pub(crate) use encode::Encoder;

const EXT_TUPLE: i8 = 1;
const EXT_SET: i8 = 2;
const EXT_FROZENSET: i8 = 3;
const EXT_INT: i8 = 4;
const EXT_DATETIME: i8 = 5;
const EXT_ARRAY: i8 = 6;
const EXT_SCALAR: i8 = 7;

/// Limit on the nesting of a value: [`remotecall::MAX_DEPTH`] less the list of arguments around it.
const MAX_NESTING: usize = remotecall::MAX_DEPTH - 1;
/// Limit on the text of a dtype, in bytes. `<M8[25us]` is one of the longest.
const MAX_DTYPE: usize = 32;
/// Limit on the dimensions of an array: NumPy's own.
const MAX_DIMENSIONS: usize = 64;

/// The module `tensorplex._values`: conversions that are written in Python.
fn helpers(py: Python<'_>) -> PyResult<&Bound<'_, PyModule>> {
    static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    MODULE
        .get_or_try_init(py, || {
            PyModule::import(py, "tensorplex._values").map(Bound::unbind)
        })
        .map(|module| module.bind(py))
}

/// Encodes one value.
#[pyfunction]
#[pyo3(name = "encode")]
pub(crate) fn encode_bytes<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, remotecall::MAX_FRAME);
    encoder
        .value(value)
        .map_err(|error| error.into_error(value.py(), "the value"))?;
    Ok(PyBytes::new(value.py(), &bytes))
}

/// Decodes one value.
#[pyfunction]
#[pyo3(name = "decode")]
pub(crate) fn decode_bytes<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    decode_value(py, bytes).map_err(|error| error.into_error())
}
