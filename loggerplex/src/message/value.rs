//! Values printed as Python prints them, so a line looks the same from either language.

use std::fmt::{self, Display, Write};

/// Value in a message. Its `Display` output equals Python's `str`.
///
/// ```
/// use loggerplex::message::Value;
///
/// assert_eq!(Value::from(None::<i64>).to_string(), "None");
/// assert_eq!(Value::from(vec!["a", "it's"]).to_string(), r#"['a', "it's"]"#);
/// assert_eq!(Value::Map(vec![("k".into(), 2.0.into())]).to_string(), "{'k': 2.0}");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `None`
    None,
    /// `True` or `False`
    Bool(bool),
    /// An integer; 128 bits hold every integer type of Rust but `u128`.
    Int(i128),
    /// A float: `2.0`, `1e-07`, `nan`
    Float(f64),
    /// A text: printed without quotes, but quoted inside a list or a map.
    Text(String),
    /// A list: `[1, 'a']`
    List(Vec<Self>),
    /// A map in insertion order: `{'k': 2.0}`
    Map(Vec<(String, Self)>),
}

impl Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            other => other.repr(f),
        }
    }
}

impl Value {
    /// Writes the value as Python's `repr` does.
    pub(crate) fn repr(&self, out: &mut impl Write) -> fmt::Result {
        match self {
            Self::None => out.write_str("None"),
            Self::Bool(true) => out.write_str("True"),
            Self::Bool(false) => out.write_str("False"),
            Self::Int(n) => write!(out, "{n}"),
            Self::Float(x) => out.write_str(&shortest(*x)),
            Self::Text(text) => quoted(out, text),
            Self::List(items) => {
                out.write_char('[')?;
                for (n, item) in items.iter().enumerate() {
                    out.write_str(if n > 0 { ", " } else { "" })?;
                    item.repr(out)?;
                }
                out.write_char(']')
            }
            Self::Map(entries) => {
                out.write_char('{')?;
                for (n, (key, value)) in entries.iter().enumerate() {
                    out.write_str(if n > 0 { ", " } else { "" })?;
                    quoted(out, key)?;
                    out.write_str(": ")?;
                    value.repr(out)?;
                }
                out.write_char('}')
            }
        }
    }
}

/// Shortest digits that read back as the same number; with an exponent below 1e-4 and from 1e16 on.
pub(crate) fn shortest(x: f64) -> String {
    if x.is_nan() {
        return "nan".to_owned();
    }
    let size = x.abs();
    if size.is_infinite() || size == 0.0 || (1e-4..1e16).contains(&size) {
        return format!("{x:?}");
    }
    with_exponent(&format!("{x:e}"))
}

/// Rewrites Rust's exponent as Python writes it: a sign and at least two digits.
pub(crate) fn with_exponent(text: &str) -> String {
    let Some((digits, exponent)) = text.split_once('e') else {
        return text.to_owned();
    };
    let (sign, size) = match exponent.strip_prefix('-') {
        Some(size) => ('-', size),
        None => ('+', exponent),
    };
    format!("{digits}e{sign}{size:0>2}")
}

/// Writes a quoted text: in single quotes, or in double quotes when that saves escapes.
fn quoted(out: &mut impl Write, text: &str) -> fmt::Result {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    out.write_char(quote)?;
    for c in text.chars() {
        match c {
            '\n' => out.write_str("\\n")?,
            '\r' => out.write_str("\\r")?,
            '\t' => out.write_str("\\t")?,
            '\\' => out.write_str("\\\\")?,
            c if c == quote => write!(out, "\\{c}")?,
            c => out.write_char(c)?,
        }
    }
    out.write_char(quote)
}

macro_rules! from_numbers {
    ($($number:ty => $variant:ident),*) => {$(
        impl From<$number> for Value {
            fn from(n: $number) -> Self {
                Self::$variant(n.into())
            }
        }
    )*};
}

from_numbers!(
    bool => Bool, i8 => Int, i16 => Int, i32 => Int, i64 => Int, u8 => Int, u16 => Int, u32 => Int, u64 => Int,
    f32 => Float, f64 => Float, &str => Text, String => Text
);

impl From<usize> for Value {
    fn from(n: usize) -> Self {
        Self::Int(n as i128)
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::None, Into::into)
    }
}

impl<T: Into<Self>> From<Vec<T>> for Value {
    fn from(items: Vec<T>) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: impl Into<Value>, expect: &str) {
        assert_eq!(value.into().to_string(), expect);
    }

    #[test]
    fn values_print_as_in_python() {
        check(None::<i64>, "None");
        check(true, "True");
        check(u64::MAX, "18446744073709551615");
        check("it's", "it's");
        check(vec![Some("it's"), Some("a\n"), None], r#"["it's", 'a\n', None]"#);
        check(vec!["'\"\\"], r#"['\'"\\']"#);
        check(
            Value::Map(vec![("k".into(), 2.0.into()), ("l".into(), Value::List(vec![]))]),
            "{'k': 2.0, 'l': []}",
        );
    }

    #[test]
    fn floats_print_with_the_digits_of_python() {
        for (x, expect) in [
            (0.25, "0.25"),
            (2.0, "2.0"),
            (-0.0, "-0.0"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (-1.5e-7, "-1.5e-07"),
            (1e300, "1e+300"),
            (f64::NAN, "nan"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            check(x, expect);
        }
    }
}
