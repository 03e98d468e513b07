//! Arguments of one call.
//!
//! ```text
//! positional   MessagePack array, one element per argument
//! named        MessagePack map from name to value; absent when there are none
//! ```
//!
//! [`Args::parse`] splits the bytes into values and decodes none of them. The method that is called
//! decodes each value to the type of its argument, so that an error can name the argument.

use std::borrow::Cow;

use rmp::Marker;
use serde::Deserialize;
use smallvec::SmallVec;

use super::column_block::ColumnBlock;
use super::format::MAX_ARGS;
use crate::call_error::CallError;
use crate::scalar_value::ScalarValue;
use crate::type_name::type_name;

/// Limit on the nesting of arrays and maps in a value.
pub const MAX_DEPTH: usize = 64;

/// Number of positional arguments that are kept without an allocation.
const INLINE: usize = 8;

/// Arguments of one call, split into values.
#[derive(Debug, Default)]
pub struct Args<'a> {
    positional: Positional<'a>,
    named: Vec<(&'a str, &'a [u8])>,
}

#[derive(Debug)]
enum Positional<'a> {
    /// MessagePack values.
    Encoded(SmallVec<[&'a [u8]; INLINE]>),
    /// Row of a column block.
    Row(&'a ColumnBlock<'a>, usize),
}

impl Default for Positional<'_> {
    fn default() -> Self {
        Self::Encoded(SmallVec::new())
    }
}

/// One argument.
#[derive(Clone, Copy, Debug)]
enum Arg<'a> {
    /// MessagePack value.
    Encoded(&'a [u8]),
    /// Value of a column.
    Scalar(ScalarValue<'a>),
}

/// Error of splitting the arguments of a call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ArgsError {
    /// The bytes end inside a value.
    #[error("arguments end inside a value")]
    Truncated,
    /// Bytes follow the last value.
    #[error("{0} bytes follow the arguments")]
    TrailingBytes(usize),
    /// A value nests deeper than [`MAX_DEPTH`].
    #[error("a value nests deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// More than [`MAX_ARGS`] arguments.
    #[error("{0} arguments in one call: at most {MAX_ARGS} are allowed")]
    TooMany(usize),
    /// Something other than an array of values and a map of named values.
    #[error("arguments are not an array of values and a map of named values")]
    Shape,
}

impl<'a> Args<'a> {
    /// Splits `bytes`: an array of positional values, then, when `has_named`, a map of named ones.
    ///
    /// # Errors
    /// When the bytes have another shape or break a limit.
    pub fn parse(bytes: &'a [u8], has_named: bool) -> Result<Self, ArgsError> {
        let mut rest = bytes;
        let count = read_count(&mut rest, Kind::Array)?;
        let mut positional = SmallVec::with_capacity(count);
        for _ in 0..count {
            positional.push(take_value(&mut rest)?);
        }
        let mut args = Self {
            positional: Positional::Encoded(positional),
            named: Vec::new(),
        };
        if has_named {
            let named = read_count(&mut rest, Kind::Map)?;
            if count + named > MAX_ARGS {
                return Err(ArgsError::TooMany(count + named));
            }
            for _ in 0..named {
                let key = take_value(&mut rest)?;
                let name = rmp_serde::from_slice(key).map_err(|_| ArgsError::Shape)?;
                args.named.push((name, take_value(&mut rest)?));
            }
        }
        match rest.len() {
            0 => Ok(args),
            n => Err(ArgsError::TrailingBytes(n)),
        }
    }

    /// The arguments of the call in `row` of a block.
    pub fn of_row(block: &'a ColumnBlock<'a>, row: usize) -> Self {
        Self {
            positional: Positional::Row(block, row),
            named: Vec::new(),
        }
    }

    /// Number of positional arguments.
    pub fn positional(&self) -> usize {
        match &self.positional {
            Positional::Encoded(values) => values.len(),
            Positional::Row(block, _) => block.width(),
        }
    }

    /// The positional arguments, each one MessagePack value.
    pub fn positional_values(&self) -> impl Iterator<Item = Cow<'a, [u8]>> {
        (0..self.positional())
            .filter_map(|index| self.given(index))
            .map(|arg| match arg {
                Arg::Encoded(value) => Cow::Borrowed(value),
                Arg::Scalar(value) => Cow::Owned(value.encoded()),
            })
    }

    #[inline]
    fn given(&self, index: usize) -> Option<Arg<'a>> {
        match &self.positional {
            Positional::Encoded(values) => values.get(index).copied().map(Arg::Encoded),
            Positional::Row(block, row) => block.value(*row, index).map(Arg::Scalar),
        }
    }

    /// The named arguments, each one MessagePack value. A name may occur twice: see
    /// [`check`](Self::check).
    pub fn named_values(&self) -> &[(&'a str, &'a [u8])] {
        &self.named
    }

    /// Checks that there are no more positional arguments than `names` and no other names than
    /// these.
    ///
    /// # Errors
    /// [`CallError::BadArgument`] that names the argument which the method does not have, or which
    /// is given twice.
    pub fn check(&self, names: &[&str]) -> Result<(), CallError> {
        if self.positional() > names.len() {
            return Err(CallError::bad_argument(
                &format!("#{}", names.len() + 1),
                format!(
                    "{} positional arguments were given, the method takes {}",
                    self.positional(),
                    names.len()
                ),
            ));
        }
        for (i, (name, _)) in self.named.iter().enumerate() {
            match names.iter().position(|n| n == name) {
                None => {
                    return Err(CallError::bad_argument(
                        name,
                        format!("unknown name; the method takes {names:?}"),
                    ));
                }
                Some(at) if at < self.positional() => {
                    return Err(CallError::bad_argument(
                        name,
                        "given by position and by name".into(),
                    ));
                }
                Some(_) if self.named.iter().take(i).any(|(n, _)| n == name) => {
                    return Err(CallError::bad_argument(name, "given twice by name".into()));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// The argument at `index`, or named `name`; `None` when it was not given.
    ///
    /// # Errors
    /// [`CallError::BadArgument`] when the value is not of type `T`.
    #[inline]
    pub fn optional<T: Deserialize<'a>>(&self, index: usize, name: &str) -> Result<Option<T>, CallError> {
        let by_name = || self.named.iter().find(|(given, _)| *given == name);
        let Some(arg) = self
            .given(index)
            .or_else(|| by_name().map(|(_, value)| Arg::Encoded(value)))
        else {
            return Ok(None);
        };
        let value = match arg {
            Arg::Encoded(value) => rmp_serde::from_slice(value),
            Arg::Scalar(value) => T::deserialize(value),
        };
        match value {
            Ok(value) => Ok(Some(value)),
            Err(why) => Err(unfit::<T>(name, arg, &why)),
        }
    }

    /// The argument at `index`, or named `name`.
    ///
    /// # Errors
    /// [`CallError::BadArgument`] when it is missing or not of type `T`.
    #[inline]
    pub fn required<T: Deserialize<'a>>(&self, index: usize, name: &str) -> Result<T, CallError> {
        self.optional(index, name)?
            .ok_or_else(|| CallError::bad_argument(name, "missing".into()))
    }
}

/// Error that names the expected type and the kind of the value that was given.
#[cold]
fn unfit<T>(name: &str, arg: Arg<'_>, why: &rmp_serde::decode::Error) -> CallError {
    use rmp_serde::decode::Error;
    let expected = type_name::<T>();
    let what = match why {
        Error::TypeMismatch(_) | Error::Syntax(_) | Error::OutOfRange => {
            format!("expected {expected}, got {}: {why}", kind_of(arg))
        }
        why => format!("expected {expected}: {why}"),
    };
    CallError::bad_argument(name, what)
}

fn kind_of(arg: Arg<'_>) -> &'static str {
    use Marker::*;
    let value = match arg {
        Arg::Encoded(value) => value,
        Arg::Scalar(value) => return value.kind(),
    };
    match value.first().map(|&byte| Marker::from_u8(byte)) {
        Some(FixPos(_) | FixNeg(_) | U8 | U16 | U32 | U64 | I8 | I16 | I32 | I64) => "an integer",
        Some(F32 | F64) => "a float",
        Some(Null) => "nil",
        Some(True | False) => "a boolean",
        Some(FixStr(_) | Str8 | Str16 | Str32) => "text",
        Some(Bin8 | Bin16 | Bin32) => "bytes",
        Some(FixArray(_) | Array16 | Array32) => "a list",
        Some(FixMap(_) | Map16 | Map32) => "a map",
        Some(FixExt1 | FixExt2 | FixExt4 | FixExt8 | FixExt16 | Ext8 | Ext16 | Ext32) => "an extension type",
        Some(Reserved) | None => "nothing",
    }
}

enum Kind {
    Array,
    Map,
}

fn read_count(rest: &mut &[u8], kind: Kind) -> Result<usize, ArgsError> {
    let marker = rmp::decode::read_marker(rest).map_err(|_| ArgsError::Truncated)?;
    let count = match (marker, kind) {
        (Marker::FixArray(n), Kind::Array) | (Marker::FixMap(n), Kind::Map) => n as usize,
        (Marker::Array16, Kind::Array) | (Marker::Map16, Kind::Map) => length(rest, 2)?,
        (Marker::Array32, Kind::Array) | (Marker::Map32, Kind::Map) => length(rest, 4)?,
        _ => return Err(ArgsError::Shape),
    };
    if count > MAX_ARGS {
        Err(ArgsError::TooMany(count))
    } else {
        Ok(count)
    }
}

fn take_value<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], ArgsError> {
    let start = *rest;
    skip_value(rest)?;
    start.get(..start.len() - rest.len()).ok_or(ArgsError::Truncated)
}

/// Skips one value without recursion: `open[i]` is the number of values that level `i` still lacks.
fn skip_value(rest: &mut &[u8]) -> Result<(), ArgsError> {
    let mut open = [0usize; MAX_DEPTH];
    let mut depth = 0;
    open[0] = 1;
    loop {
        let lacking = open.get_mut(depth).ok_or(ArgsError::TooDeep)?;
        match (lacking.checked_sub(1), depth.checked_sub(1)) {
            (Some(left), _) => {
                *lacking = left;
                let children = skip_head(rest)?;
                if children > 0 {
                    depth += 1;
                    *open.get_mut(depth).ok_or(ArgsError::TooDeep)? = children;
                }
            }
            (None, Some(outer)) => depth = outer,
            (None, None) => return Ok(()),
        }
    }
}

/// Skips a marker and the bytes that belong to it; returns the number of values that belong to it.
fn skip_head(rest: &mut &[u8]) -> Result<usize, ArgsError> {
    use Marker::*;
    let marker = rmp::decode::read_marker(rest).map_err(|_| ArgsError::Truncated)?;
    let (bytes, children) = match marker {
        FixPos(_) | FixNeg(_) | Null | True | False => (0, 0),
        U8 | I8 => (1, 0),
        U16 | I16 | FixExt1 => (2, 0),
        U32 | I32 | F32 => (4, 0),
        U64 | I64 | F64 => (8, 0),
        FixStr(n) => (n as usize, 0),
        Str8 | Bin8 => (length(rest, 1)?, 0),
        Str16 | Bin16 => (length(rest, 2)?, 0),
        Str32 | Bin32 => (length(rest, 4)?, 0),
        FixArray(n) => (0, n as usize),
        Array16 => (0, length(rest, 2)?),
        Array32 => (0, length(rest, 4)?),
        FixMap(n) => (0, 2 * n as usize),
        Map16 => (0, 2 * length(rest, 2)?),
        Map32 => (0, length(rest, 4)?.saturating_mul(2)),
        FixExt2 => (3, 0),
        FixExt4 => (5, 0),
        FixExt8 => (9, 0),
        FixExt16 => (17, 0),
        Ext8 => (1 + length(rest, 1)?, 0),
        Ext16 => (1 + length(rest, 2)?, 0),
        Ext32 => (1 + length(rest, 4)?, 0),
        Reserved => return Err(ArgsError::Shape),
    };
    *rest = rest.get(bytes..).ok_or(ArgsError::Truncated)?;
    Ok(children)
}

fn length(rest: &mut &[u8], width: usize) -> Result<usize, ArgsError> {
    let (head, tail) = rest.split_at_checked(width).ok_or(ArgsError::Truncated)?;
    *rest = tail;
    Ok(head.iter().fold(0, |n, &byte| n << 8 | byte as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(value: impl serde::Serialize) -> Vec<u8> {
        rmp_serde::to_vec_named(&value).unwrap()
    }

    #[test]
    fn values_are_found_by_place_and_by_name() {
        let mut bytes = packed((1, "two"));
        bytes.extend(packed(std::collections::BTreeMap::from([("c", 3.5)])));
        let args = Args::parse(&bytes, true).unwrap();
        args.check(&["a", "b", "c"]).unwrap();
        assert_eq!(args.required::<i64>(0, "a").unwrap(), 1);
        assert_eq!(args.required::<&str>(1, "b").unwrap(), "two");
        assert_eq!(args.required::<f64>(2, "c").unwrap(), 3.5);
        assert_eq!(args.optional::<f64>(3, "d").unwrap(), None);
    }

    #[test]
    fn an_error_names_the_argument() {
        let bytes = packed((1, "two"));
        let args = Args::parse(&bytes, false).unwrap();
        let wrong = args.required::<i64>(1, "count").unwrap_err();
        assert!(
            wrong
                .to_string()
                .starts_with("argument count: expected i64, got text"),
            "{wrong}"
        );
        assert!(
            args.required::<i64>(2, "more")
                .unwrap_err()
                .to_string()
                .contains("missing")
        );
        assert!(args.check(&["a"]).is_err());
    }

    #[test]
    fn an_argument_given_twice_is_refused() {
        let mut bytes = packed((1,));
        bytes.extend(packed(std::collections::BTreeMap::from([("a", 2)])));
        assert!(Args::parse(&bytes, true).unwrap().check(&["a"]).is_err());
    }

    #[test]
    fn arguments_are_counted() {
        assert_eq!(
            Args::parse(&packed(vec![(); MAX_ARGS]), false)
                .unwrap()
                .positional(),
            MAX_ARGS
        );
        let mut bytes = packed(vec![(); MAX_ARGS]);
        bytes.extend(packed(std::collections::BTreeMap::from([("a", 1)])));
        let (one_more, named) = (packed(vec![(); MAX_ARGS + 1]), Args::parse(&bytes, true));
        assert_eq!(
            Args::parse(&one_more, false).unwrap_err(),
            ArgsError::TooMany(MAX_ARGS + 1)
        );
        assert_eq!(named.unwrap_err(), ArgsError::TooMany(MAX_ARGS + 1));
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| {
            let mut bytes = vec![0x91; depth];
            bytes.push(0xc0);
            bytes
        };
        // The outermost array is that of the arguments themselves.
        assert!(Args::parse(&nested(MAX_DEPTH), false).is_ok());
        assert_eq!(
            Args::parse(&nested(MAX_DEPTH + 1), false).unwrap_err(),
            ArgsError::TooDeep
        );
        assert_eq!(
            Args::parse(&nested(1_000_000), false).unwrap_err(),
            ArgsError::TooDeep
        );
    }

    #[test]
    fn every_cut_and_every_claim_of_length_is_answered() {
        let bytes = packed((1, "two", [1.5, 2.5], Some(vec![1u8; 300])));
        for cut in 0..bytes.len() {
            assert!(Args::parse(&bytes[..cut], false).is_err(), "cut at {cut}");
        }
        assert_eq!(
            Args::parse(&[0x91, 0xdd, 255, 255, 255, 255], false).unwrap_err(),
            ArgsError::Truncated
        );
        assert_eq!(
            Args::parse(&[0x91, 0xc6, 255, 255, 255, 255], false).unwrap_err(),
            ArgsError::Truncated
        );
        assert_eq!(
            Args::parse(&[0xdc, 255, 255], false).unwrap_err(),
            ArgsError::TooMany(65535)
        );
    }
}
