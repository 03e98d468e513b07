//! Entries, as they stand in the files.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::times::time_of;
use crate::{Level, Zone};

/// What stands before further lines of an entry.
const CONTINUATION: &[u8] = b"    | ";

/// A message in a log file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// Who logged it.
    pub client: String,
    /// When, as far as the line tells.
    pub time: DateTime<Utc>,
    /// How important it is, where the line tells.
    pub level: Option<Level>,
    /// What stands in the file, without the marks of further lines.
    pub text: String,
    /// The message alone.
    pub message: String,
}

#[derive(Deserialize)]
struct Json {
    time: String,
    level: String,
    levelno: u8,
    message: String,
}

impl LogEntry {
    /// Reads the lines of one entry; `known` is a time that it is not much later than.
    pub(super) fn parse(client: &str, lines: &[u8], json: bool, known: DateTime<Utc>, zone: Zone) -> Self {
        let text = String::from_utf8_lossy(lines);
        let text = text.strip_suffix('\n').unwrap_or(&text);
        if json
            && let Ok(entry) = serde_json::from_str::<Json>(text)
            && let Ok(time) = entry.time.parse::<DateTime<Utc>>()
        {
            return Self {
                client: client.to_owned(),
                time,
                level: Some(Level(entry.levelno)),
                text: format!("{} {}> {}", time.format("%H:%M:%S"), entry.level, entry.message),
                message: entry.message,
            };
        }
        let text = text.replace("\n    | ", "\n");
        let (time, rest) = time_of(&text, known, zone).unwrap_or((known, &text));
        let (level, message) = level_of(rest);
        let message = message.to_owned();
        Self {
            client: client.to_owned(),
            time,
            level,
            text,
            message,
        }
    }
}

/// The level at the beginning of a line, and what follows it.
fn level_of(rest: &str) -> (Option<Level>, &str) {
    let split = rest
        .split_once("> ")
        .or_else(|| Some((rest.strip_suffix('>')?, "")));
    let known = split.and_then(|(word, message)| {
        let number = word.strip_prefix("Level ").unwrap_or(word);
        Some((number.parse().ok()?, message))
    });
    known.map_or((None, rest), |(level, message)| (Some(level), message))
}

/// Splits bytes of a log file into the lines of entries; the last one may go on.
pub(super) fn split_entries(bytes: &[u8]) -> Vec<&[u8]> {
    let mut entries = Vec::new();
    let (mut start, mut at) = (0, 0);
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        // The mark itself may be cut where the bytes end.
        let goes_on = line.starts_with(CONTINUATION) || CONTINUATION.starts_with(line);
        if at > start && !goes_on {
            entries.push(&bytes[start..at]);
            start = at;
        }
        at += line.len();
    }
    if at > start {
        entries.push(&bytes[start..at]);
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(lines: &str, json: bool) -> LogEntry {
        let known = "2018-03-09T12:34:56Z".parse().unwrap();
        LogEntry::parse("a", lines.as_bytes(), json, known, Zone::Utc)
    }

    #[test]
    fn a_line_tells_time_level_and_message() {
        let entry = parse("12:00:01 WARNING> careful\n    | now\n", false);
        assert_eq!(
            entry.time,
            "2018-03-09T12:00:01Z".parse::<DateTime<Utc>>().unwrap()
        );
        assert_eq!(
            (entry.level, &entry.message[..]),
            (Some(Level::WARNING), "careful\nnow")
        );
        assert_eq!(entry.text, "12:00:01 WARNING> careful\nnow");
        assert_eq!(parse("12:00:01 Level 37> x\n", false).level, Some(Level(37)));
    }

    #[test]
    fn what_a_line_does_not_tell_is_left_open() {
        let entry = parse("just a line\n", false);
        assert_eq!((entry.level, &entry.message[..]), (None, "just a line"));
        assert_eq!(
            entry.time,
            "2018-03-09T12:34:56Z".parse::<DateTime<Utc>>().unwrap()
        );
        assert_eq!(parse("12:00:01 a > b\n", false).level, None);
    }

    #[test]
    fn json_lines_are_read_and_others_among_them_kept() {
        let line = r#"{"time":"2018-03-09T12:34:56.5Z","level":"INFO","levelno":20,"message":"two\nlines"}"#;
        let entry = parse(line, true);
        assert_eq!(
            (entry.level, &entry.text[..]),
            (Some(Level::INFO), "12:34:56 INFO> two\nlines")
        );
        assert_eq!(parse("{not json", true).message, "{not json");
    }

    #[test]
    fn further_lines_stay_with_their_entry() {
        let entries = split_entries(b"a\n    | b\n    | c\nd\ne");
        assert_eq!(entries, [&b"a\n    | b\n    | c\n"[..], b"d\n", b"e"]);
        assert!(split_entries(b"").is_empty());
        for cut in 1..6 {
            assert_eq!(
                split_entries(&b"a\n    | b"[..2 + cut]).len(),
                1,
                "cut after {cut}"
            );
        }
        assert_eq!(split_entries(b"a\n    x").len(), 2);
    }
}
