//! Lines of `send`: JSON as other programs write it.
//!
//! ```text
//! NaN, Infinity, -Infinity     Python's json; not JSON, but numbers
//! "NaN", "-Infinity"           `tensorplex export`; a number where the method takes numbers
//! 10.0, 1e3                    jq, JavaScript, pandas; an integer where the method takes one
//! byte-order mark              PowerShell; ignored
//! ```

use std::collections::BTreeMap;

use loggerplex::LoggerplexClient;
use remotecall::Returning;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tensorplex::TensorplexClient;

/// UTF-8 byte-order mark.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// Start of a text that stands for a number outside JSON. It is no character of Unicode, so that no
/// other text has it.
const MARK: char = '\u{10ffff}';
/// Arguments that are integers.
const INTEGERS: [&str; 5] = ["global_step", "step", "level", "levelno", "repeat"];
/// Arguments that are floats, lists of floats, or maps to floats.
const FLOATS: [&str; 4] = ["scalar_value", "tag_scalar_dict", "values", "buckets"];

/// One call.
#[derive(Debug)]
pub(super) struct Line {
    pub method: String,
    pub args: Vec<Argument>,
    pub kwargs: BTreeMap<String, Argument>,
    pub client_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonLine {
    method: String,
    #[serde(default)]
    args: Vec<Value>,
    #[serde(default)]
    kwargs: BTreeMap<String, Value>,
    client_id: Option<String>,
}

/// Value of an argument.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(super) enum Argument {
    Integer(i64),
    Float(f64),
    List(Vec<Self>),
    Map(BTreeMap<String, Self>),
    Other(Value),
}

/// Type that a method wants.
#[derive(Clone, Copy)]
enum Wanted {
    Integer,
    Floats,
    Anything,
}

/// Returns whether the input starts as UTF-16, with or without a byte-order mark: one of the two
/// bytes of an ASCII character is zero.
pub(super) fn is_utf_16(input: &[u8]) -> bool {
    let start = [&b"\xff\xfe"[..], b"\xfe\xff"]
        .iter()
        .find_map(|mark| input.strip_prefix(*mark))
        .unwrap_or(input);
    matches!(start, [0, 1..=0x7f, ..] | [1..=0x7f, 0, ..])
}

impl Line {
    /// Parses a line; `None` when it is blank.
    ///
    /// # Errors
    /// Fails with the reason when the line is no call.
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>, String> {
        let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
        let text = std::str::from_utf8(bytes).map_err(|_| "not UTF-8".to_owned())?;
        if text.trim().is_empty() {
            return Ok(None);
        }
        let line: JsonLine = serde_json::from_str(&mark_numbers(text)).map_err(|error| error.to_string())?;
        let names = argument_names(&line.method);
        let args = line.args.into_iter().enumerate();
        let args = args.map(|(index, value)| wanted(names.get(index).copied()).convert(value));
        let kwargs = line.kwargs.into_iter();
        let kwargs = kwargs.map(|(name, value)| {
            let value = wanted(Some(&name)).convert(value);
            (name, value)
        });
        Ok(Some(Self {
            args: args.collect(),
            kwargs: kwargs.collect(),
            method: line.method,
            client_id: line.client_id,
        }))
    }
}

/// Names of the arguments of a method of the two servers; empty for other methods.
fn argument_names(method: &str) -> &'static [&'static str] {
    let records = TensorplexClient::<Returning>::METHODS.iter();
    let mut methods = records.chain(LoggerplexClient::<Returning>::METHODS);
    methods
        .find(|known| known.name == method)
        .map_or(&[], |known| known.args)
}

fn wanted(name: Option<&str>) -> Wanted {
    match name {
        Some(name) if INTEGERS.contains(&name) => Wanted::Integer,
        Some(name) if FLOATS.contains(&name) => Wanted::Floats,
        _ => Wanted::Anything,
    }
}

impl Wanted {
    fn convert(self, value: Value) -> Argument {
        match (self, value) {
            (Self::Integer, Value::Number(number)) => {
                let exact = number
                    .as_f64()
                    .filter(|_| number.is_f64())
                    .and_then(exact_integer);
                exact.map_or(Argument::Other(number.into()), Argument::Integer)
            }
            (wanted, Value::String(text)) => match wanted.number(&text) {
                Some(number) => Argument::Float(number),
                None => Argument::Other(text.into()),
            },
            (wanted, Value::Array(list)) => {
                Argument::List(list.into_iter().map(|value| wanted.convert(value)).collect())
            }
            (wanted, Value::Object(map)) => {
                let entries = map.into_iter();
                Argument::Map(entries.map(|(key, value)| (key, wanted.convert(value))).collect())
            }
            (_, value) => Argument::Other(value),
        }
    }

    /// Returns the number that a text stands for.
    fn number(self, text: &str) -> Option<f64> {
        match (text.strip_prefix(MARK), self) {
            (Some(number), _) => not_finite(number),
            (None, Self::Floats) => not_finite(text),
            (None, _) => None,
        }
    }
}

/// Returns the integer that a float is, if it is one in the range of an `i64`.
fn exact_integer(number: f64) -> Option<i64> {
    const MIN: f64 = i64::MIN as f64;
    let is_integer = number.trunc() == number && (MIN..-MIN).contains(&number);
    is_integer.then_some(number as i64)
}

/// Parses NaN and the infinities, in any case.
fn not_finite(text: &str) -> Option<f64> {
    let is_word = text
        .trim_start_matches(['-', '+'])
        .starts_with(|c: char| c.is_ascii_alphabetic());
    text.parse()
        .ok()
        .filter(|number: &f64| is_word && !number.is_finite())
}

/// Puts the numbers that JSON does not have, such as `NaN`, into texts that begin with [`MARK`].
fn mark_numbers(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => string_length(rest),
            first if is_token(first) => rest.find(|c| !is_token(c)).unwrap_or(rest.len()),
            first => first.len_utf8(),
        };
        let (part, tail) = rest.split_at(length);
        match not_finite(part) {
            Some(_) => out.extend(['"', MARK].into_iter().chain(part.chars()).chain(['"'])),
            None => out.push_str(part),
        }
        rest = tail;
    }
    out
}

fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.')
}

/// Length of the string at the start of `text`, with its quotes.
fn string_length(text: &str) -> usize {
    let mut is_escaped = false;
    for (index, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            b'"' if !is_escaped => return index + 1,
            byte => is_escaped = byte == b'\\' && !is_escaped,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expect: &[Argument]) {
        let line = Line::parse(line.as_bytes()).unwrap().unwrap();
        // Compared as text, because NaN is not equal to itself.
        let seen: Vec<_> = line.args.into_iter().chain(line.kwargs.into_values()).collect();
        assert_eq!(format!("{seen:?}"), format!("{expect:?}"));
    }

    fn text(text: &str) -> Argument {
        Argument::Other(text.into())
    }

    #[test]
    fn numbers_that_json_does_not_have_are_numbers_everywhere() {
        for (word, number) in [
            ("NaN", f64::NAN),
            ("Infinity", f64::INFINITY),
            ("-Infinity", f64::NEG_INFINITY),
            ("inf", f64::INFINITY),
        ] {
            check(
                &format!(r#"{{"method": "m", "args": [{word}, [{word}]]}}"#),
                &[
                    Argument::Float(number),
                    Argument::List(vec![Argument::Float(number)]),
                ],
            );
        }
        check(
            r#"{"method": "m", "args": ["a NaN \" NaN, \\", "NaN"]}"#,
            &[text("a NaN \" NaN, \\"), text("NaN")],
        );
        assert!(Line::parse(br#"{"method": "m", "args": [NaNs]}"#).is_err());
    }

    #[test]
    fn spelled_numbers_are_numbers_where_the_method_takes_them() {
        check(
            r#"{"method": "add_scalar", "args": ["NaN", "NaN"]}"#,
            &[text("NaN"), Argument::Float(f64::NAN)],
        );
        check(
            r#"{"method": "add_scalar", "kwargs": {"scalar_value": "-Infinity", "tag": "inf"}}"#,
            &[Argument::Float(f64::NEG_INFINITY), text("inf")],
        );
        check(
            r#"{"method": "add_scalar", "args": ["a", "0.5"]}"#,
            &[text("a"), text("0.5")],
        );
        check(
            r#"{"method": "add_text", "args": ["a", "NaN"]}"#,
            &[text("a"), text("NaN")],
        );
    }

    #[test]
    fn whole_floats_are_integers_where_the_method_takes_one() {
        check(
            r#"{"method": "add_scalar", "args": ["a", 1.0, 10.0], "kwargs": {"global_step": 1e3}}"#,
            &[
                text("a"),
                Argument::Other(1.0.into()),
                Argument::Integer(10),
                Argument::Integer(1000),
            ],
        );
        for odd in ["2.5", "1e19", "9223372036854775808"] {
            let line = format!(r#"{{"method": "add_scalar", "kwargs": {{"global_step": {odd}}}}}"#);
            let value = serde_json::from_str(odd).unwrap();
            check(&line, &[Argument::Other(value)]);
        }
    }

    #[test]
    fn marks_and_line_ends_of_other_systems_are_ignored() {
        assert!(
            Line::parse(b"\xef\xbb\xbf{\"method\": \"m\"}\r")
                .unwrap()
                .is_some()
        );
        assert!(Line::parse(b"\xef\xbb\xbf \r").unwrap().is_none());
        for bytes in [&b"\xff\xfe{\0"[..], b"\xfe\xff\0{", b"{\0", b"\0{"] {
            assert!(is_utf_16(bytes), "{bytes:?}");
        }
        for bytes in [&b"{\""[..], b"\xff\xfe\n{", b"", b"\0\0"] {
            assert!(!is_utf_16(bytes), "{bytes:?}");
        }
    }
}
