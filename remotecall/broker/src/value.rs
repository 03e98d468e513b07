//! What a key holds.

use std::collections::HashMap;

use bytes::Bytes;

use super::error::CommandError;
use super::stream::Stream;

/// Bookkeeping of one field of a hash, roughly: two handles, the table's and the allocator's share.
const FIELD_COST: usize = 128;

/// One of the three types.
#[derive(Debug)]
pub(super) enum Value {
    Text(Bytes),
    Hash(Hash),
    Stream(Stream),
}

/// Fields and their values.
#[derive(Debug, Default)]
pub(super) struct Hash {
    fields: HashMap<Bytes, Bytes>,
    cost: usize,
}

impl Value {
    /// Bytes held.
    pub fn cost(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Hash(hash) => hash.cost,
            Self::Stream(stream) => stream.cost(),
        }
    }

    /// The type's name in Redis.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Text(_) => "string",
            Self::Hash(_) => "hash",
            Self::Stream(_) => "stream",
        }
    }

    /// Whether nothing is left to keep; a stream keeps its last id, so it stays.
    pub fn is_spent(&self) -> bool {
        matches!(self, Self::Hash(hash) if hash.fields.is_empty())
    }
}

impl Hash {
    /// Sets a field and says whether it is new.
    pub fn set(&mut self, field: Bytes, value: Bytes) -> bool {
        self.cost += hash_field_cost(&field, &value);
        let length = field.len();
        let Some(old) = self.fields.insert(field, value) else {
            return true;
        };
        self.cost -= length + old.len() + FIELD_COST;
        false
    }

    /// Removes a field, if it is there.
    pub fn remove(&mut self, field: &[u8]) -> bool {
        let Some((field, value)) = self.fields.remove_entry(field) else {
            return false;
        };
        self.cost -= hash_field_cost(&field, &value);
        true
    }

    /// The fields.
    pub fn fields(&self) -> &HashMap<Bytes, Bytes> {
        &self.fields
    }
}

/// Bytes that a field with this value takes.
pub(super) fn hash_field_cost(field: &[u8], value: &[u8]) -> usize {
    field.len() + value.len() + FIELD_COST
}

/// A type that a command asks for.
pub(super) trait Typed: Sized {
    /// The value, if it has this type.
    fn of(value: &Value) -> Option<&Self>;
    /// The value to change, if it has this type.
    fn of_mut(value: &mut Value) -> Option<&mut Self>;
    /// The value that a new key begins with.
    fn empty() -> Value;

    /// The value, or the error of a command that found another type.
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
