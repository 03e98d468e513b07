//! Encoder from Python values to MessagePack.

use std::fmt::Display;

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyFrozenSet, PyInt, PyList, PySet, PyString, PyTuple};
use rmp::encode as put;

use super::{
    EXT_ARRAY, EXT_DATETIME, EXT_FROZENSET, EXT_INT, EXT_SCALAR, EXT_SET, EXT_TUPLE, MAX_NESTING, helpers,
};
use crate::errors;

/// Limit on the text of a key in an error message, in characters.
const MAX_KEY_CHARS: usize = 40;

/// Appends values to a buffer. Its size limit is checked before memory is allocated.
pub(crate) struct Encoder<'a> {
    out: &'a mut Vec<u8>,
    limit: usize,
    nesting: usize,
}

/// Failure to encode a value.
pub(crate) struct EncodeError {
    /// Path from the value to the part that was refused, last step first.
    path: Vec<String>,
    reason: Reason,
}

enum Reason {
    Type(String),
    Value(String),
    TooLarge {
        size: usize,
        limit: usize,
    },
    /// Exception raised by Python code.
    Python(PyErr),
}

type Encoded = Result<(), EncodeError>;

impl<'a> Encoder<'a> {
    pub fn new(out: &'a mut Vec<u8>, limit: usize) -> Self {
        Self {
            out,
            limit,
            nesting: 0,
        }
    }

    pub fn value(&mut self, value: &Bound<'_, PyAny>) -> Encoded {
        if value.is_none() {
            self.put(put::write_nil)
        } else if let Ok(value) = value.cast_exact::<PyFloat>() {
            self.put(|out| put::write_f64(out, value.value()))
        } else if let Ok(value) = value.cast_exact::<PyInt>() {
            self.int(value)
        } else if let Ok(value) = value.cast_exact::<PyString>() {
            self.text(value)
        } else if let Ok(value) = value.cast_exact::<PyBool>() {
            self.put(|out| put::write_bool(out, value.is_true()))
        } else if let Ok(list) = value.cast_exact::<PyList>() {
            let items: Vec<_> = list.iter().collect();
            self.nested(|this| this.items(&items))
        } else if let Ok(dict) = value.cast_exact::<PyDict>() {
            self.nested(|this| this.dict(dict))
        } else if let Ok(tuple) = value.cast_exact::<PyTuple>() {
            self.items_ext(EXT_TUPLE, tuple.iter().collect())
        } else if let Ok(bytes) = value.cast_exact::<PyBytes>() {
            self.bytes(bytes.as_bytes())
        } else if let Ok(set) = value.cast_exact::<PySet>() {
            self.items_ext(EXT_SET, set.iter().collect())
        } else if let Ok(set) = value.cast_exact::<PyFrozenSet>() {
            self.items_ext(EXT_FROZENSET, set.iter().collect())
        } else {
            self.library_object(value)
        }
    }

    /// Appends the positional arguments, as an array.
    pub fn positional(&mut self, args: &Bound<'_, PyTuple>) -> Encoded {
        self.head(put::write_array_len, args.len())?;
        for (index, value) in args.iter().enumerate() {
            self.value(&value)
                .map_err(|error| error.at(format!("argument {}", index + 1)))?;
        }
        Ok(())
    }

    /// Appends the named arguments, as a map. They follow the positional ones.
    pub fn named(&mut self, args: &Bound<'_, PyDict>) -> Encoded {
        self.head(put::write_map_len, args.len())?;
        for (name, value) in args.iter().collect::<Vec<_>>() {
            self.value(&name)?;
            self.value(&value)
                .map_err(|error| error.at(format!("argument {}", abbreviated(&name))))?;
        }
        Ok(())
    }

    fn int(&mut self, value: &Bound<'_, PyInt>) -> Encoded {
        if let Ok(small) = value.extract::<i64>() {
            return self.put(|out| put::write_sint(out, small));
        }
        if let Ok(large) = value.extract::<u64>() {
            return self.put(|out| put::write_uint(out, large));
        }
        let packed = helpers(value.py())?.call_method1("pack_int", (value,))?;
        let packed = packed.cast_into::<PyBytes>().map_err(PyErr::from)?;
        self.ext(EXT_INT, packed.as_bytes().len())?;
        self.out.extend_from_slice(packed.as_bytes());
        Ok(())
    }

    fn text(&mut self, value: &Bound<'_, PyString>) -> Encoded {
        let text = value
            .to_str()
            .map_err(|_| EncodeError::value("text with a lone surrogate has no UTF-8 form"))?;
        self.room(text.len())?;
        self.put(|out| put::write_str(out, text))
    }

    fn bytes(&mut self, bytes: &[u8]) -> Encoded {
        self.room(bytes.len())?;
        self.put(|out| put::write_bin(out, bytes))
    }

    fn items(&mut self, items: &[Bound<'_, PyAny>]) -> Encoded {
        self.head(put::write_array_len, items.len())?;
        for (index, item) in items.iter().enumerate() {
            self.value(item).map_err(|error| error.at(format!("[{index}]")))?;
        }
        Ok(())
    }

    fn dict(&mut self, dict: &Bound<'_, PyDict>) -> Encoded {
        // Collected first: Python code may run between two items and change the dict.
        let items: Vec<_> = dict.iter().collect();
        self.head(put::write_map_len, items.len())?;
        for (key, value) in &items {
            self.value(key)
                .map_err(|error| error.at(format!("[key {}]", abbreviated(key))))?;
            self.value(value)
                .map_err(|error| error.at(format!("[{}]", abbreviated(key))))?;
        }
        Ok(())
    }

    fn nested(&mut self, write: impl FnOnce(&mut Self) -> Encoded) -> Encoded {
        if self.nesting == MAX_NESTING {
            return Err(EncodeError::value(&format!(
                "nested more than {MAX_NESTING} levels deep"
            )));
        }
        self.nesting += 1;
        write(self)?;
        self.nesting -= 1;
        Ok(())
    }

    fn items_ext(&mut self, kind: i8, items: Vec<Bound<'_, PyAny>>) -> Encoded {
        // The head with a 32-bit length: the length is filled in after the items are written.
        self.out.extend_from_slice(&[0xc9, 0, 0, 0, 0, kind as u8]);
        let start = self.out.len();
        self.nested(|this| this.items(&items))?;
        let size = length(self.out.len() - start)?.to_be_bytes();
        if let Some(head) = self.out.get_mut(start - 5..start - 1) {
            head.copy_from_slice(&size);
        }
        Ok(())
    }

    /// Appends a `datetime`, or a NumPy array or scalar.
    fn library_object(&mut self, value: &Bound<'_, PyAny>) -> Encoded {
        let py = value.py();
        let packed = helpers(py)?.call_method1("pack", (value,))?;
        if packed.is_none() {
            let name = value.get_type().fully_qualified_name();
            let name = name.map_or_else(|_| "?".to_owned(), |name| name.to_string());
            return Err(EncodeError::unsupported(&format!(
                "cannot encode an object of type {name}"
            )));
        }
        let (kind, head, items): (i8, Vec<u8>, Option<PyBuffer<u8>>) = match packed.extract() {
            Ok(parts) => parts,
            Err(_) => return Err(EncodeError::unsupported(&packed.extract::<String>()?)),
        };
        debug_assert!([EXT_DATETIME, EXT_ARRAY, EXT_SCALAR].contains(&kind));
        let size = items.as_ref().map_or(0, |items| items.len_bytes());
        self.ext(kind, head.len() + size)?;
        self.out.extend_from_slice(&head);
        if let Some(items) = items {
            let start = self.out.len();
            self.out.resize(start + size, 0);
            if let Some(room) = self.out.get_mut(start..) {
                items.copy_to_slice(py, room)?;
            }
        }
        Ok(())
    }

    fn ext(&mut self, kind: i8, size: usize) -> Encoded {
        self.room(size)?;
        match put::write_ext_meta(self.out, length(size)?, kind) {
            Ok(_) => Ok(()),
            Err(error) => Err(EncodeError::value(&error.to_string())),
        }
    }

    fn room(&self, size: usize) -> Encoded {
        let (size, limit) = (self.out.len().saturating_add(size), self.limit);
        if size > limit {
            return Err(EncodeError::from(Reason::TooLarge { size, limit }));
        }
        Ok(())
    }

    fn head<T, E: Display>(&mut self, write: fn(&mut Vec<u8>, u32) -> Result<T, E>, count: usize) -> Encoded {
        let count = length(count)?;
        self.put(|out| write(out, count))
    }

    /// Appends a few bytes, or bytes that [`room`](Self::room) was checked for. Writing to memory does not fail.
    fn put<T, E: Display>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Result<T, E>) -> Encoded {
        write(self.out).map_err(|error| EncodeError::value(&error.to_string()))?;
        self.room(0)
    }
}

fn length(length: usize) -> Result<u32, EncodeError> {
    u32::try_from(length).map_err(|_| EncodeError::value("longer than 4 GiB: cannot be encoded"))
}

fn abbreviated(key: &Bound<'_, PyAny>) -> String {
    let text = key
        .repr()
        .map_or_else(|_| "?".to_owned(), |repr| repr.to_string());
    if text.chars().count() > MAX_KEY_CHARS {
        text.chars().take(MAX_KEY_CHARS).chain("…".chars()).collect()
    } else {
        text
    }
}

impl EncodeError {
    fn unsupported(why: &str) -> Self {
        Reason::Type(why.to_owned()).into()
    }

    fn value(why: &str) -> Self {
        Reason::Value(why.to_owned()).into()
    }

    fn at(mut self, step: String) -> Self {
        self.path.push(step);
        self
    }

    /// Size and limit in bytes, if the value is too large.
    pub fn too_large(&self) -> Option<(usize, usize)> {
        match self.reason {
            Reason::TooLarge { size, limit } => Some((size, limit)),
            _ => None,
        }
    }

    /// The exception for the caller. `whole` names the value where the path does not.
    pub fn into_error(self, py: Python<'_>, whole: &str) -> PyErr {
        let mut path: String = self.path.iter().rev().map(String::as_str).collect();
        if path.is_empty() || path.starts_with('[') {
            path.insert_str(0, whole);
        }
        match self.reason {
            Reason::Type(why) => PyTypeError::new_err(format!("{path}: {why}")),
            Reason::Value(why) => PyValueError::new_err(format!("{path}: {why}")),
            Reason::TooLarge { size, limit } => errors::too_large(py, size, limit),
            Reason::Python(error) => error,
        }
    }
}

impl From<Reason> for EncodeError {
    fn from(reason: Reason) -> Self {
        Self {
            path: Vec::new(),
            reason,
        }
    }
}

impl From<PyErr> for EncodeError {
    fn from(error: PyErr) -> Self {
        Reason::Python(error).into()
    }
}
