//! Formats of entries: text lines and JSON lines.

use std::io::Write;

use super::json::write_json;
use super::preamble::{Piece, Preamble};
use super::time_format::TimeFormat;
use super::zone::Zone;
use crate::level::Level;
use crate::message::escape::write_message;

/// Format of entries: text or JSON. Default: text, as `12:34:56 INFO> message`.
///
/// ```
/// use loggerplex::Level;
/// use loggerplex::format::LineFormat;
///
/// let line = LineFormat::Json.line("agent/17", 0, Level::INFO, "hi");
/// assert!(line.starts_with(r#"{"time":"1970-01-01T00:00:00.000000000Z","level":"INFO""#));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum LineFormat {
    /// Text lines, in `<client id>.log`.
    Text(TextFormat),
    /// JSON lines, in `<client id>.jsonl`, with times in UTC.
    Json,
}

/// Format of text lines: the part before the message, by default `12:34:56 INFO> `.
///
/// ```
/// use loggerplex::Level;
/// use loggerplex::format::{LineFormat, TextFormat, Zone};
///
/// let format = TextFormat::default()
///     .time("%FT%T".parse().ok())
///     .zone(Zone::Utc)
///     .preamble("<{asctime}> ".parse()?)
///     .show_level(false);
/// let line = LineFormat::from(format).line("agent/17", 0, Level::INFO, "hi");
/// assert_eq!(line, "<1970-01-01T00:00:00> hi\n");
/// # Ok::<(), loggerplex::format::PreambleError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct TextFormat {
    time: Option<TimeFormat>,
    zone: Zone,
    preamble: Option<Preamble>,
    show_level: bool,
}

/// Message to be formatted. Times are in nanoseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a> {
    pub client_id: &'a str,
    pub time_ns: i64,
    pub level: Level,
    pub text: &'a str,
}

impl Default for TextFormat {
    fn default() -> Self {
        Self {
            time: Some(TimeFormat::hms()),
            zone: Zone::default(),
            preamble: None,
            show_level: true,
        }
    }
}

impl TextFormat {
    /// Sets the format of the time; `None` leaves the time out. Default: `hms`.
    #[must_use]
    pub fn time(mut self, format: Option<TimeFormat>) -> Self {
        self.time = format;
        self
    }

    /// Sets the zone of the time. Default: local.
    #[must_use]
    pub fn zone(mut self, zone: Zone) -> Self {
        self.zone = zone;
        self
    }

    /// Sets the text before the level. Default: the time and a space.
    #[must_use]
    pub fn preamble(mut self, preamble: Preamble) -> Self {
        self.preamble = Some(preamble);
        self
    }

    /// Sets whether the level is written before the message. Default: true.
    #[must_use]
    pub fn show_level(mut self, show: bool) -> Self {
        self.show_level = show;
        self
    }

    fn write(&self, out: &mut Vec<u8>, message: Message<'_>) {
        match &self.preamble {
            None if self.time.is_none() => {}
            None => {
                self.write_time(out, message.time_ns);
                out.push(b' ');
            }
            Some(Preamble(pieces)) => pieces
                .iter()
                .for_each(|piece| self.write_piece(out, piece, message)),
        }
        // Writing to a `Vec` cannot fail, here and below.
        if self.show_level {
            let _ = write!(out, "{}> ", message.level);
        }
        write_message(out, message.text);
        out.push(b'\n');
    }

    fn write_piece(&self, out: &mut Vec<u8>, piece: &Piece, message: Message<'_>) {
        let _ = match piece {
            Piece::Literal(text) => out.write_all(text.as_bytes()),
            Piece::Time => {
                self.write_time(out, message.time_ns);
                Ok(())
            }
            Piece::LevelName => write!(out, "{}", message.level),
            Piece::LevelNumber => write!(out, "{}", message.level.0),
            Piece::ClientId => out.write_all(message.client_id.as_bytes()),
        };
    }

    fn write_time(&self, out: &mut Vec<u8>, time_ns: i64) {
        if let Some(format) = &self.time {
            // Cannot fail: parsing a `TimeFormat` checked it.
            let _ = format.write(&mut Utf8(out), time_ns, self.zone);
        }
    }
}

/// Adapter: text written to bytes.
struct Utf8<'a>(&'a mut Vec<u8>);

impl std::fmt::Write for Utf8<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

impl Default for LineFormat {
    fn default() -> Self {
        TextFormat::default().into()
    }
}

impl From<TextFormat> for LineFormat {
    fn from(format: TextFormat) -> Self {
        Self::Text(format)
    }
}

impl LineFormat {
    /// Formats one message as in a file, with its line break. `time_ns` is in nanoseconds since
    /// 1970-01-01 UTC.
    pub fn line(&self, client_id: &str, time_ns: i64, level: Level, text: &str) -> String {
        let mut line = Vec::new();
        let message = Message {
            client_id,
            time_ns,
            level,
            text,
        };
        self.write(&mut line, message);
        String::from_utf8_lossy(&line).into_owned()
    }

    /// Appends one entry with its line break.
    pub(crate) fn write(&self, out: &mut Vec<u8>, message: Message<'_>) {
        match self {
            Self::Text(format) => format.write(out, message),
            Self::Json => write_json(out, message.time_ns, message.level, message.text),
        }
    }

    /// Extension of the log files, with its dot.
    pub(crate) fn extension(&self) -> &'static str {
        match self {
            Self::Text(_) => ".log",
            Self::Json => ".jsonl",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(format: TextFormat, level: Level, text: &str, expect: &str) {
        let mut out = Vec::new();
        let message = Message {
            client_id: "agent/17",
            // 2018-03-09 12:34:56 UTC
            time_ns: 1_520_598_896_000_000_000,
            level,
            text,
        };
        LineFormat::from(format).write(&mut out, message);
        assert_eq!(String::from_utf8(out).unwrap(), expect);
    }

    fn utc() -> TextFormat {
        TextFormat::default().zone(Zone::Utc)
    }

    #[test]
    fn a_line_has_time_level_and_message() {
        check(utc(), Level::INFO, "message", "12:34:56 INFO> message\n");
        check(utc(), Level(27), "yo 7", "12:34:56 INFO7> yo 7\n");
        check(utc(), Level(37), "odd", "12:34:56 Level 37> odd\n");
        check(utc(), Level::INFO, "", "12:34:56 INFO> \n");
        check(
            utc(),
            Level::INFO,
            "two\nlines",
            "12:34:56 INFO> two\n    | lines\n",
        );
    }

    #[test]
    fn time_and_level_can_be_left_out() {
        check(
            utc().show_level(false),
            Level::INFO,
            "message",
            "12:34:56 message\n",
        );
        check(utc().time(None), Level::INFO, "message", "INFO> message\n");
        check(
            utc().time(None).show_level(false),
            Level::INFO,
            "message",
            "message\n",
        );
    }

    #[test]
    fn a_preamble_replaces_the_time() {
        let with = |preamble: &str| utc().preamble(preamble.parse().unwrap());
        check(with("<{asctime}> "), Level::INFO, "m", "<12:34:56> INFO> m\n");
        check(with("").show_level(false), Level::INFO, "m", "m\n");
        check(
            with("{{{client_id}}} {asctime} {levelname}={levelno}: ").show_level(false),
            Level(23),
            "m",
            "{agent/17} 12:34:56 INFO3=23: m\n",
        );
        check(with("<{asctime}> ").time(None), Level::INFO, "m", "<> INFO> m\n");
    }
}
