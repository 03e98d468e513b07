//! From Python to MessagePack.

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

/// Longest text of a key in a message.
const SHOWN: usize = 40;

/// Appends values to a buffer, up to a limit that is looked at before memory is taken.
pub(crate) struct Encoder<'a> {
    out: &'a mut Vec<u8>,
    limit: usize,
    nesting: usize,
}

/// A value cannot travel.
pub(crate) struct Refusal {
    /// Steps from the value down to what was refused, the last one first.
    path: Vec<String>,
    why: Why,
}

enum Why {
    Type(String),
    Value(String),
    TooLarge {
        size: usize,
        limit: usize,
    },
    /// Python itself failed.
    Python(PyErr),
}

type Encoded = Result<(), Refusal>;

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

    /// A list of positional arguments.
    pub fn positional(&mut self, args: &Bound<'_, PyTuple>) -> Encoded {
        self.head(put::write_array_len, args.len())?;
        for (index, value) in args.iter().enumerate() {
            self.value(&value)
                .map_err(|refusal| refusal.at(format!("argument {}", index + 1)))?;
        }
        Ok(())
    }

    /// The named arguments, after the positional ones.
    pub fn named(&mut self, args: &Bound<'_, PyDict>) -> Encoded {
        self.head(put::write_map_len, args.len())?;
        for (name, value) in args.iter().collect::<Vec<_>>() {
            self.value(&name)?;
            self.value(&value)
                .map_err(|refusal| refusal.at(format!("argument {}", shown(&name))))?;
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
            .map_err(|_| Refusal::value("text with a lone surrogate has no UTF-8 form"))?;
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
            self.value(item)
                .map_err(|refusal| refusal.at(format!("[{index}]")))?;
        }
        Ok(())
    }

    fn dict(&mut self, dict: &Bound<'_, PyDict>) -> Encoded {
        // First collected: Python code may run between two items, and change the dict.
        let items: Vec<_> = dict.iter().collect();
        self.head(put::write_map_len, items.len())?;
        for (key, value) in &items {
            self.value(key)
                .map_err(|refusal| refusal.at(format!("[key {}]", shown(key))))?;
            self.value(value)
                .map_err(|refusal| refusal.at(format!("[{}]", shown(key))))?;
        }
        Ok(())
    }

    fn nested(&mut self, write: impl FnOnce(&mut Self) -> Encoded) -> Encoded {
        if self.nesting == MAX_NESTING {
            return Err(Refusal::value(&format!(
                "nested more than {MAX_NESTING} levels deep"
            )));
        }
        self.nesting += 1;
        write(self)?;
        self.nesting -= 1;
        Ok(())
    }

    fn items_ext(&mut self, kind: i8, items: Vec<Bound<'_, PyAny>>) -> Encoded {
        // The longest head: what follows has a length that only writing tells.
        self.out.extend_from_slice(&[0xc9, 0, 0, 0, 0, kind as u8]);
        let start = self.out.len();
        self.nested(|this| this.items(&items))?;
        let size = length(self.out.len() - start)?.to_be_bytes();
        if let Some(head) = self.out.get_mut(start - 5..start - 1) {
            head.copy_from_slice(&size);
        }
        Ok(())
    }

    /// What is not built in: `datetime` and NumPy.
    fn library_object(&mut self, value: &Bound<'_, PyAny>) -> Encoded {
        let py = value.py();
        let packed = helpers(py)?.call_method1("pack", (value,))?;
        if packed.is_none() {
            let name = value.get_type().fully_qualified_name();
            let name = name.map_or_else(|_| "?".to_owned(), |name| name.to_string());
            return Err(Refusal::type_(&format!("an object of type {name} cannot travel")));
        }
        let (kind, head, items): (i8, Vec<u8>, Option<PyBuffer<u8>>) = match packed.extract() {
            Ok(parts) => parts,
            Err(_) => return Err(Refusal::type_(&packed.extract::<String>()?)),
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
            Err(error) => Err(Refusal::value(&error.to_string())),
        }
    }

    fn room(&self, size: usize) -> Encoded {
        let (size, limit) = (self.out.len().saturating_add(size), self.limit);
        if size > limit {
            return Err(Refusal::from(Why::TooLarge { size, limit }));
        }
        Ok(())
    }

    fn head<T, E: Display>(&mut self, write: fn(&mut Vec<u8>, u32) -> Result<T, E>, count: usize) -> Encoded {
        let count = length(count)?;
        self.put(|out| write(out, count))
    }

    /// A few bytes, or what has its room already. Writing to memory does not fail.
    fn put<T, E: Display>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Result<T, E>) -> Encoded {
        write(self.out).map_err(|error| Refusal::value(&error.to_string()))?;
        self.room(0)
    }
}

fn length(length: usize) -> Result<u32, Refusal> {
    u32::try_from(length).map_err(|_| Refusal::value("longer than 4 GiB"))
}

fn shown(key: &Bound<'_, PyAny>) -> String {
    let text = key
        .repr()
        .map_or_else(|_| "?".to_owned(), |repr| repr.to_string());
    if text.chars().count() > SHOWN {
        text.chars().take(SHOWN).chain("…".chars()).collect()
    } else {
        text
    }
}

impl Refusal {
    fn type_(why: &str) -> Self {
        Why::Type(why.to_owned()).into()
    }

    fn value(why: &str) -> Self {
        Why::Value(why.to_owned()).into()
    }

    fn at(mut self, step: String) -> Self {
        self.path.push(step);
        self
    }

    /// Size and limit, when that is the reason.
    pub fn too_large(&self) -> Option<(usize, usize)> {
        match self.why {
            Why::TooLarge { size, limit } => Some((size, limit)),
            _ => None,
        }
    }

    /// The exception for whoever tried to send it. `whole` is what the path starts from when it starts nowhere.
    pub fn into_error(self, py: Python<'_>, whole: &str) -> PyErr {
        let mut place: String = self.path.iter().rev().map(String::as_str).collect();
        if place.is_empty() || place.starts_with('[') {
            place.insert_str(0, whole);
        }
        match self.why {
            Why::Type(why) => PyTypeError::new_err(format!("{place}: {why}")),
            Why::Value(why) => PyValueError::new_err(format!("{place}: {why}")),
            Why::TooLarge { size, limit } => errors::too_large(py, size, limit),
            Why::Python(error) => error,
        }
    }
}

impl From<Why> for Refusal {
    fn from(why: Why) -> Self {
        Self {
            path: Vec::new(),
            why,
        }
    }
}

impl From<PyErr> for Refusal {
    fn from(error: PyErr) -> Self {
        Why::Python(error).into()
    }
}
