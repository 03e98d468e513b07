//! JSON lines: one entry per line.
//!
//! ```text
//! {"time":"2018-03-09T12:34:56.000000000Z","level":"INFO","levelno":20,"message":"two\nlines"}
//! ```
//!
//! Times are UTC with nanoseconds. Characters that a terminal or an editor would act on are written
//! as `\u001b`.

use std::io::{self, Write};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::ser::Formatter;

use crate::level::Level;
use crate::message::escape::{needs_escape, split_at_char};

#[derive(Serialize)]
struct JsonLine<'a> {
    time: String,
    level: String,
    levelno: u8,
    message: &'a str,
}

/// Appends one entry with its line break.
pub(crate) fn write_json(out: &mut Vec<u8>, time_ns: i64, level: Level, message: &str) {
    let time = DateTime::<Utc>::from_timestamp_nanos(time_ns);
    let line = JsonLine {
        time: time.to_rfc3339_opts(SecondsFormat::Nanos, true),
        level: level.to_string(),
        levelno: level.0,
        message,
    };
    // Cannot fail: strings and numbers always serialize, and a `Vec` grows.
    let _ = line.serialize(&mut serde_json::Serializer::with_formatter(
        &mut *out,
        EscapeControls,
    ));
    out.push(b'\n');
}

/// Compact JSON that also escapes what terminals act on.
struct EscapeControls;

impl Formatter for EscapeControls {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((plain, c, tail)) = split_at_char(rest, needs_escape) {
            write!(out, "{plain}\\u{:04x}", u32::from(c))?;
            rest = tail;
        }
        out.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(message: &str, expect: &str) {
        let mut out = Vec::new();
        write_json(&mut out, 1_520_598_896_000_000_007, Level(37), message);
        let expect = format!(
            r#"{{"time":"2018-03-09T12:34:56.000000007Z","level":"Level 37","levelno":37,"message":"{expect}"}}"#
        );
        assert_eq!(String::from_utf8(out.clone()).unwrap(), expect + "\n");
        let entry: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(entry["message"], message);
    }

    #[test]
    fn an_entry_is_one_line() {
        check("plain", "plain");
        check("two\nlines\r\n\t\"\\", r#"two\nlines\r\n\t\"\\"#);
        check("grün 🦀", "grün 🦀");
    }

    #[test]
    fn control_characters_are_escaped() {
        check(
            "\x1b[2J\x7f\u{85}x\u{2028}\u{202e}",
            r"\u001b[2J\u007f\u0085x\u2028\u202e",
        );
    }
}
