//! Values of keys: texts, hashes and streams, with their size in memory.

use std::collections::HashMap;

use bytes::Bytes;

use super::error::CommandError;
use super::stream::Stream;

/// Approximate overhead per field of a hash, in bytes: two handles, the shares of table and
/// allocator.
const FIELD_COST: usize = 128;

/// Value of a key.
#[derive(Debug)]
pub(super) enum Value {
    Text(Bytes),
    Hash(Hash),
    Stream(Stream),
}

/// Hash: fields and their values.
#[derive(Debug, Default)]
pub(super) struct Hash {
    fields: HashMap<Bytes, Bytes>,
    cost: usize,
}

impl Value {
    /// Size in memory, in bytes.
    pub fn cost(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Hash(hash) => hash.cost,
            Self::Stream(stream) => stream.cost(),
        }
    }

    /// Name of the type, as the command TYPE replies.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Text(_) => "string",
            Self::Hash(_) => "hash",
            Self::Stream(_) => "stream",
        }
    }

    /// True if the key is to be removed: a hash without fields. An empty stream stays, because it
    /// has a last id.
    pub fn is_spent(&self) -> bool {
        matches!(self, Self::Hash(hash) if hash.fields.is_empty())
    }
}

impl Hash {
    /// Sets a field; returns whether it is new.
    pub fn set(&mut self, field: Bytes, value: Bytes) -> bool {
        self.cost += hash_field_cost(&field, &value);
        let length = field.len();
        let Some(old) = self.fields.insert(field, value) else {
            return true;
        };
        self.cost -= length + old.len() + FIELD_COST;
        false
    }

    /// Removes a field; returns whether it existed.
    pub fn remove(&mut self, field: &[u8]) -> bool {
        let Some((field, value)) = self.fields.remove_entry(field) else {
            return false;
        };
        self.cost -= hash_field_cost(&field, &value);
        true
    }

    /// Fields and their values.
    pub fn fields(&self) -> &HashMap<Bytes, Bytes> {
        &self.fields
    }
}

/// Size of a field with its value in memory, in bytes.
pub(super) fn hash_field_cost(field: &[u8], value: &[u8]) -> usize {
    field.len() + value.len() + FIELD_COST
}

/// Type of value that a command expects.
pub(super) trait Typed: Sized {
    /// The value, if it has this type.
    fn of(value: &Value) -> Option<&Self>;
    /// The value to change, if it has this type.
    fn of_mut(value: &mut Value) -> Option<&mut Self>;
    /// Value of a new key.
    fn empty() -> Value;

    /// The value, or the error for a value of another type.
    fn expect(value: &Value) -> Result<&Self, CommandError> {
        Self::of(value).ok_or(CommandError::WrongType)
    }
}

macro_rules! typed {
    ($type:ty, $variant:ident) => {
        impl Typed for $type {
            fn of(value: &Value) -> Option<&Self> {
                if let Value::$variant(inner) = value {
                    Some(inner)
                } else {
                    None
                }
            }

            fn of_mut(value: &mut Value) -> Option<&mut Self> {
                if let Value::$variant(inner) = value {
                    Some(inner)
                } else {
                    None
                }
            }

            fn empty() -> Value {
                Value::$variant(Self::default())
            }
        }
    };
}

typed!(Bytes, Text);
typed!(Hash, Hash);
typed!(Stream, Stream);
