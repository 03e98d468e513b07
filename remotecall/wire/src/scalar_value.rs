//! Scalar values: nil, booleans, numbers and texts, the values that a column can hold.

use rmp::Marker;
use rmp_serde::decode::Error;
use serde::de::{Deserializer, Visitor};
use serde::forward_to_deserialize_any;

/// Value that is not a list, a map, bytes or an extension type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ScalarValue<'a> {
    /// Nil.
    Nil,
    /// Boolean.
    Bool(bool),
    /// Integer in the range of an `i64`.
    Int(i64),
    /// 64-bit float.
    Float(f64),
    /// Text.
    Text(&'a str),
}

impl<'a> ScalarValue<'a> {
    /// Takes the next MessagePack value off `rest`; `None` when it is not a scalar. A number is not
    /// a scalar when its type would change: an integer above `i64::MAX`, or a 32-bit float.
    pub fn take(rest: &mut &'a [u8]) -> Option<Self> {
        let (&first, tail) = rest.split_first()?;
        *rest = tail;
        Some(match Marker::from_u8(first) {
            Marker::Null => Self::Nil,
            Marker::False => Self::Bool(false),
            Marker::True => Self::Bool(true),
            Marker::FixPos(n) => Self::Int(n.into()),
            Marker::FixNeg(n) => Self::Int(n.into()),
            Marker::U8 => Self::Int(u8::from_be_bytes(bytes(rest)?).into()),
            Marker::U16 => Self::Int(u16::from_be_bytes(bytes(rest)?).into()),
            Marker::U32 => Self::Int(u32::from_be_bytes(bytes(rest)?).into()),
            Marker::U64 => Self::Int(i64::try_from(u64::from_be_bytes(bytes(rest)?)).ok()?),
            Marker::I8 => Self::Int(i8::from_be_bytes(bytes(rest)?).into()),
            Marker::I16 => Self::Int(i16::from_be_bytes(bytes(rest)?).into()),
            Marker::I32 => Self::Int(i32::from_be_bytes(bytes(rest)?).into()),
            Marker::I64 => Self::Int(i64::from_be_bytes(bytes(rest)?)),
            Marker::F64 => Self::Float(f64::from_be_bytes(bytes(rest)?)),
            Marker::FixStr(n) => Self::text(rest, n.into())?,
            Marker::Str8 => {
                let length = u8::from_be_bytes(bytes(rest)?);
                Self::text(rest, length.into())?
            }
            Marker::Str16 => {
                let length = u16::from_be_bytes(bytes(rest)?);
                Self::text(rest, length.into())?
            }
            Marker::Str32 => {
                let length = u32::from_be_bytes(bytes(rest)?);
                Self::text(rest, usize::try_from(length).ok()?)?
            }
            _ => return None,
        })
    }

    fn text(rest: &mut &'a [u8], length: usize) -> Option<Self> {
        let (text, tail) = rest.split_at_checked(length)?;
        *rest = tail;
        Some(Self::Text(std::str::from_utf8(text).ok()?))
    }

    /// The value as MessagePack.
    pub fn encoded(self) -> Vec<u8> {
        let mut out = Vec::new();
        // Writing into memory cannot fail.
        let _ = match self {
            Self::Nil => rmp::encode::write_nil(&mut out).is_ok(),
            Self::Bool(value) => rmp::encode::write_bool(&mut out, value).is_ok(),
            Self::Int(value) => rmp::encode::write_sint(&mut out, value).is_ok(),
            Self::Float(value) => rmp::encode::write_f64(&mut out, value).is_ok(),
            Self::Text(value) => rmp::encode::write_str(&mut out, value).is_ok(),
        };
        out
    }

    /// Name of the kind, with its article, for error messages.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Bool(_) => "a boolean",
            Self::Int(_) => "an integer",
            Self::Float(_) => "a float",
            Self::Text(_) => "text",
        }
    }
}

fn bytes<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(*head)
}

/// Calls the visitor as `rmp_serde` does for the same value in MessagePack.
impl<'de> Deserializer<'de> for ScalarValue<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Nil => visitor.visit_unit(),
            Self::Bool(value) => visitor.visit_bool(value),
            Self::Int(value) => match u64::try_from(value) {
                Ok(value) => visitor.visit_u64(value),
                Err(_) => visitor.visit_i64(value),
            },
            Self::Float(value) => visitor.visit_f64(value),
            Self::Text(value) => visitor.visit_borrowed_str(value),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Nil => visitor.visit_none(),
            some => visitor.visit_some(some),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self {
            Self::Text(variant) => {
                let variant: serde::de::value::BorrowedStrDeserializer<'de, Error> =
                    serde::de::value::BorrowedStrDeserializer::new(variant);
                variant.deserialize_enum(name, variants, visitor)
            }
            other => other.deserialize_any(visitor),
        }
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map struct identifier ignored_any
    }
}
