//! Entries as JSON lines.
//!
//! ```text
//! {"time":"2018-03-09T12:34:56.000000000Z","level":"INFO","levelno":20,"message":"two\nlines"}
//! ```
//!
//! One entry is one line. What a terminal or an editor would obey is written as `\u001b`.

use std::io::{self, Write};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::ser::Formatter;

use crate::Level;
use crate::line::is_hostile;

#[derive(Serialize)]
struct Entry<'a> {
    time: String,
    level: String,
    levelno: u8,
    message: &'a str,
}

/// Appends one entry, with its end of line.
pub(crate) fn write_json(out: &mut Vec<u8>, time_ns: i64, level: Level, message: &str) {
    let time = DateTime::<Utc>::from_timestamp_nanos(time_ns);
    let entry = Entry {
        time: time.to_rfc3339_opts(SecondsFormat::Nanos, true),
        level: level.to_string(),
        levelno: level.0,
        message,
    };
    // Texts and numbers can be written, and a `Vec` takes everything.
    let _ = entry.serialize(&mut serde_json::Serializer::with_formatter(&mut *out, OneLine));
    out.push(b'\n');
}

/// The compact form, with more escapes.
struct OneLine;

impl Formatter for OneLine {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| is_hostile(*c)) {
            write!(out, "{}\\u{:04x}", &rest[..at], u32::from(c))?;
            rest = &rest[at + c.len_utf8()..];
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
    fn what_a_terminal_would_obey_is_escaped() {
        check(
            "\x1b[2J\x7f\u{85}x\u{2028}\u{202e}",
            r"\u001b[2J\u007f\u0085x\u2028\u202e",
        );
    }
}
