//! Entries of log files: splitting and parsing.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::timestamp::parse_timestamp;
use crate::format::Zone;
use crate::level::Level;

/// Marker of a continuation line.
const CONTINUATION: &[u8] = b"    | ";

/// Entry of a log file: one message with its time and level.
///
/// [`read_history`](super::read_history) and [`Follower::poll`](super::Follower::poll) return
/// entries; both have an example in the [module](super).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogEntry {
    /// Client id.
    pub client: String,
    /// Time, with the parts guessed that the line does not have.
    pub time: DateTime<Utc>,
    /// Level; none when the line has none.
    pub level: Option<Level>,
    /// Text of the entry in the file, without the markers of continuation lines.
    pub text: String,
    /// Message without time and level.
    pub message: String,
}

#[derive(Deserialize)]
struct JsonLine {
    time: String,
    level: String,
    levelno: u8,
    message: String,
}

impl LogEntry {
    /// Parses the lines of one entry. `reference` fills in the missing parts of its time.
    pub(super) fn parse(
        client: &str,
        lines: &[u8],
        json: bool,
        reference: DateTime<Utc>,
        zone: Zone,
    ) -> Self {
        let text = String::from_utf8_lossy(lines);
        let text = text.strip_suffix('\n').unwrap_or(&text);
        if json
            && let Ok(entry) = serde_json::from_str::<JsonLine>(text)
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
        let (time, rest) = parse_timestamp(&text, reference, zone).unwrap_or((reference, &text));
        let (level, message) = parse_level(rest);
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

/// Parses the level at the beginning of a text. Returns it with the rest.
fn parse_level(rest: &str) -> (Option<Level>, &str) {
    let split = rest
        .split_once("> ")
        .or_else(|| Some((rest.strip_suffix('>')?, "")));
    let parsed = split.and_then(|(word, message)| {
        let number = word.strip_prefix("Level ").unwrap_or(word);
        Some((number.parse().ok()?, message))
    });
    parsed.map_or((None, rest), |(level, message)| (Some(level), message))
}

/// Splits bytes of a log file into entries. The last one may be incomplete.
pub(super) fn split_entries(bytes: &[u8]) -> Vec<&[u8]> {
    let mut entries = Vec::new();
    // Bytes that are not split yet, and the length of the entry at their beginning.
    let (mut rest, mut length) = (bytes, 0);
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        // The marker itself may be cut off at the end of the bytes.
        let is_continuation = line.starts_with(CONTINUATION) || CONTINUATION.starts_with(line);
        if length > 0 && !is_continuation {
            let (entry, tail) = rest.split_at(length);
            entries.push(entry);
            (rest, length) = (tail, 0);
        }
        length += line.len();
    }
    if length > 0 {
        entries.push(rest);
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(lines: &str, json: bool) -> LogEntry {
        let reference = "2018-03-09T12:34:56Z".parse().unwrap();
        LogEntry::parse("a", lines.as_bytes(), json, reference, Zone::Utc)
    }

    #[test]
    fn a_line_has_time_level_and_message() {
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
    fn a_line_without_time_or_level_is_kept() {
        let entry = parse("just a line\n", false);
        assert_eq!((entry.level, &entry.message[..]), (None, "just a line"));
        assert_eq!(
            entry.time,
            "2018-03-09T12:34:56Z".parse::<DateTime<Utc>>().unwrap()
        );
        assert_eq!(parse("12:00:01 a > b\n", false).level, None);
    }

    #[test]
    fn json_lines_are_parsed_and_other_lines_kept() {
        let line = r#"{"time":"2018-03-09T12:34:56.5Z","level":"INFO","levelno":20,"message":"two\nlines"}"#;
        let entry = parse(line, true);
        assert_eq!(
            (entry.level, &entry.text[..]),
            (Some(Level::INFO), "12:34:56 INFO> two\nlines")
        );
        assert_eq!(parse("{not json", true).message, "{not json");
    }

    #[test]
    fn continuation_lines_belong_to_their_entry() {
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
