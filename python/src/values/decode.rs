//! Decoder from MessagePack to Python values.
//!
//! The bytes are untrusted: each length is compared with the remaining bytes before memory is
//! allocated, and nesting is limited. An unknown extension type is an error.

use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyDict, PyFloat, PyFrozenSet, PyList, PySet, PyString, PyTuple};
use rmp::Marker;

use super::{
    EXT_ARRAY, EXT_DATETIME, EXT_FROZENSET, EXT_INT, EXT_SCALAR, EXT_SET, EXT_TUPLE, MAX_DIMENSIONS,
    MAX_DTYPE, MAX_NESTING, helpers,
};

/// Failure to decode a value.
pub(crate) enum DecodeError {
    /// The bytes are not a valid value.
    Bytes(&'static str),
    /// Python refused the value, such as a list as a key of a dict.
    Python(PyErr),
}

type Decoded<'py> = Result<Bound<'py, PyAny>, DecodeError>;

/// Decodes `bytes`, which hold exactly one value.
pub(crate) fn decode_value<'py>(py: Python<'py>, bytes: &[u8]) -> Decoded<'py> {
    let mut decoder = Decoder {
        py,
        rest: bytes,
        nesting: 0,
    };
    let value = decoder.value()?;
    match decoder.rest {
        [] => Ok(value),
        _ => Err(DecodeError::Bytes("trailing bytes after the value")),
    }
}

struct Decoder<'a, 'py> {
    py: Python<'py>,
    rest: &'a [u8],
    nesting: usize,
}

impl<'a, 'py> Decoder<'a, 'py> {
    fn value(&mut self) -> Decoded<'py> {
        use Marker::*;
        let py = self.py;
        match Marker::from_u8(self.byte()?) {
            Null => Ok(py.None().into_bound(py)),
            True => python(true, py),
            False => python(false, py),
            FixPos(n) => python(n, py),
            FixNeg(n) => python(n, py),
            U8 => self.number(u8::from_be_bytes),
            U16 => self.number(u16::from_be_bytes),
            U32 => self.number(u32::from_be_bytes),
            U64 => self.number(u64::from_be_bytes),
            I8 => self.number(i8::from_be_bytes),
            I16 => self.number(i16::from_be_bytes),
            I32 => self.number(i32::from_be_bytes),
            I64 => self.number(i64::from_be_bytes),
            F32 => Ok(PyFloat::new(py, f32::from_be_bytes(self.chunk()?).into()).into_any()),
            F64 => Ok(PyFloat::new(py, f64::from_be_bytes(self.chunk()?)).into_any()),
            FixStr(n) => self.text(n.into()),
            marker @ (Str8 | Str16 | Str32) => {
                let length = self.length(marker)?;
                self.text(length)
            }
            marker @ (Bin8 | Bin16 | Bin32) => {
                let length = self.length(marker)?;
                Ok(PyBytes::new(py, self.take(length)?).into_any())
            }
            FixArray(n) => self.list(n.into()),
            marker @ (Array16 | Array32) => {
                let count = self.length(marker)?;
                self.list(count)
            }
            FixMap(n) => self.dict(n.into()),
            marker @ (Map16 | Map32) => {
                let count = self.length(marker)?;
                self.dict(count)
            }
            FixExt1 => self.ext(1),
            FixExt2 => self.ext(2),
            FixExt4 => self.ext(4),
            FixExt8 => self.ext(8),
            FixExt16 => self.ext(16),
            marker @ (Ext8 | Ext16 | Ext32) => {
                let length = self.length(marker)?;
                self.ext(length)
            }
            Reserved => Err(DecodeError::Bytes("reserved marker byte")),
        }
    }

    fn byte(&mut self) -> Result<u8, DecodeError> {
        self.chunk().map(|[byte]| byte)
    }

    fn chunk<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (chunk, rest) = self.rest.split_first_chunk().ok_or(TRUNCATED)?;
        self.rest = rest;
        Ok(*chunk)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(TRUNCATED)?;
        self.rest = rest;
        Ok(taken)
    }

    fn length(&mut self, marker: Marker) -> Result<usize, DecodeError> {
        use Marker::*;
        Ok(match marker {
            Str8 | Bin8 | Ext8 => self.byte()?.into(),
            Str16 | Bin16 | Ext16 | Array16 | Map16 => u16::from_be_bytes(self.chunk()?).into(),
            _ => u32::from_be_bytes(self.chunk()?) as usize,
        })
    }

    fn number<const N: usize, T: IntoPyObject<'py>>(&mut self, read: fn([u8; N]) -> T) -> Decoded<'py> {
        python(read(self.chunk()?), self.py)
    }

    fn text(&mut self, length: usize) -> Decoded<'py> {
        let bytes = self.take(length)?;
        let text = std::str::from_utf8(bytes).map_err(|_| DecodeError::Bytes("text is not UTF-8"))?;
        Ok(PyString::new(self.py, text).into_any())
    }

    fn list(&mut self, count: usize) -> Decoded<'py> {
        let items = self.items(count)?;
        Ok(PyList::new(self.py, items)?.into_any())
    }

    fn items(&mut self, count: usize) -> Result<Vec<Bound<'py, PyAny>>, DecodeError> {
        // Every item takes at least one byte.
        if count > self.rest.len() {
            return Err(TRUNCATED);
        }
        self.nested(|this| (0..count).map(|_| this.value()).collect())
    }

    fn dict(&mut self, count: usize) -> Decoded<'py> {
        let dict = PyDict::new(self.py);
        self.nested(|this| {
            for _ in 0..count {
                let (key, value) = (this.value()?, this.value()?);
                dict.set_item(key, value)?;
            }
            Ok(())
        })?;
        Ok(dict.into_any())
    }

    fn nested<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        if self.nesting == MAX_NESTING {
            return Err(DecodeError::Bytes("nested too deeply"));
        }
        self.nesting += 1;
        let value = read(self)?;
        self.nesting -= 1;
        Ok(value)
    }

    fn ext(&mut self, length: usize) -> Decoded<'py> {
        let [kind] = self.chunk()?;
        let payload = self.take(length)?;
        let py = self.py;
        match i8::from_be_bytes([kind]) {
            EXT_TUPLE => Ok(PyTuple::new(py, self.inner_items(payload)?)?.into_any()),
            EXT_SET => Ok(PySet::new(py, self.inner_items(payload)?)?.into_any()),
            EXT_FROZENSET => Ok(PyFrozenSet::new(py, self.inner_items(payload)?)?.into_any()),
            EXT_INT => Ok(helpers(py)?.call_method1("unpack_int", (PyBytes::new(py, payload),))?),
            EXT_DATETIME => datetime(py, payload),
            EXT_ARRAY => array(py, payload),
            EXT_SCALAR => scalar(py, payload),
            _ => Err(DecodeError::Bytes("unknown extension type")),
        }
    }

    /// Items of the array inside an extension.
    fn inner_items(&mut self, payload: &'a [u8]) -> Result<Vec<Bound<'py, PyAny>>, DecodeError> {
        let outer = std::mem::replace(&mut self.rest, payload);
        let count = match Marker::from_u8(self.byte()?) {
            Marker::FixArray(n) => n.into(),
            marker @ (Marker::Array16 | Marker::Array32) => self.length(marker)?,
            _ => return Err(DecodeError::Bytes("extension does not hold an array")),
        };
        let items = self.items(count)?;
        match std::mem::replace(&mut self.rest, outer) {
            [] => Ok(items),
            _ => Err(DecodeError::Bytes(
                "trailing bytes after the array of an extension",
            )),
        }
    }
}

const TRUNCATED: DecodeError = DecodeError::Bytes("truncated value");
const BAD_ARRAY: DecodeError = DecodeError::Bytes("array with an inconsistent dtype, shape or length");

fn python<'py>(value: impl IntoPyObject<'py>, py: Python<'py>) -> Decoded<'py> {
    value.into_bound_py_any(py).map_err(DecodeError::Python)
}

fn datetime<'py>(py: Python<'py>, payload: &[u8]) -> Decoded<'py> {
    let (shown, ahead) = payload.split_first_chunk().ok_or(TRUNCATED)?;
    let ahead = match ahead {
        [] => None,
        _ => Some(i64::from_le_bytes(
            ahead
                .try_into()
                .map_err(|_| DecodeError::Bytes("UTC offset is not 8 bytes"))?,
        )),
    };
    Ok(helpers(py)?.call_method1("unpack_datetime", (i64::from_le_bytes(*shown), ahead))?)
}

fn array<'py>(py: Python<'py>, payload: &[u8]) -> Decoded<'py> {
    let (dtype, item, rest) = dtype(payload)?;
    let (&dimensions, mut rest) = rest.split_first().ok_or(BAD_ARRAY)?;
    if usize::from(dimensions) > MAX_DIMENSIONS {
        return Err(BAD_ARRAY);
    }
    let mut shape = Vec::with_capacity(dimensions.into());
    for _ in 0..dimensions {
        let (length, after) = rest.split_first_chunk().ok_or(BAD_ARRAY)?;
        shape.push(u64::from_le_bytes(*length));
        rest = after;
    }
    // An empty array may have any other lengths, but NumPy multiplies them, so the product is limited.
    let size = shape
        .iter()
        .filter(|&&length| length != 0)
        .try_fold(item, |size, &length| {
            size.checked_mul(length).filter(|&size| size <= i64::MAX as u64)
        });
    let size = size.ok_or(BAD_ARRAY)?;
    let is_empty = shape.contains(&0);
    if rest.len() as u64 != if is_empty { 0 } else { size } {
        return Err(BAD_ARRAY);
    }
    let items = PyByteArray::new(py, rest);
    let shape = PyTuple::new(py, shape)?;
    Ok(helpers(py)?.call_method1("unpack_array", (dtype, shape, items))?)
}

fn scalar<'py>(py: Python<'py>, payload: &[u8]) -> Decoded<'py> {
    let (dtype, item, rest) = dtype(payload)?;
    if rest.len() as u64 != item {
        return Err(BAD_ARRAY);
    }
    Ok(helpers(py)?.call_method1("unpack_scalar", (dtype, PyBytes::new(py, rest)))?)
}

/// Splits a payload into the dtype, the size of one item in bytes, and the rest.
fn dtype(payload: &[u8]) -> Result<(&str, u64, &[u8]), DecodeError> {
    let (&length, rest) = payload.split_first().ok_or(BAD_ARRAY)?;
    let (text, rest) = rest.split_at_checked(length.into()).ok_or(BAD_ARRAY)?;
    let text = std::str::from_utf8(text).map_err(|_| BAD_ARRAY)?;
    match item_size(text) {
        Some(size) if text.len() <= MAX_DTYPE => Ok((text, size, rest)),
        _ => Err(DecodeError::Bytes("array of an unsupported dtype")),
    }
}

/// Item size, in bytes, of an allowed dtype: numbers, bools, times, fixed-length texts. Never objects.
fn item_size(dtype: &str) -> Option<u64> {
    let (order, rest) = dtype.split_at_checked(1)?;
    let (kind, rest) = rest.split_at_checked(1)?;
    let (digits, unit) = rest.split_at(rest.find('[').unwrap_or(rest.len()));
    let size: u64 = digits.parse().ok().filter(|_| digits.len() < 9)?;
    let plain = unit.is_empty();
    let fits = match (order, kind) {
        ("|", "b") => plain && size == 1,
        ("|", "i" | "u") => plain && size == 1,
        ("<", "i" | "u") => plain && matches!(size, 2 | 4 | 8),
        ("<", "f") => plain && matches!(size, 2 | 4 | 8),
        ("<", "c") => plain && matches!(size, 8 | 16),
        ("<", "M" | "m") => size == 8,
        ("|", "S") | ("<", "U") => plain && size > 0,
        _ => false,
    };
    fits.then_some(if kind == "U" { 4 * size } else { size })
}

impl DecodeError {
    pub fn into_error(self) -> PyErr {
        match self {
            Self::Bytes(why) => PyValueError::new_err(why),
            Self::Python(error) => error,
        }
    }
}

impl From<PyErr> for DecodeError {
    fn from(error: PyErr) -> Self {
        Self::Python(error)
    }
}
