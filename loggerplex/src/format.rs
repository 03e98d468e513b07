//! How entries look: as lines for people, or as JSON lines.

use std::io::Write;

use crate::json::write_json;
use crate::line::write_message;
use crate::preamble::{Piece, Preamble};
use crate::{Level, TimeFormat, Zone};

/// How entries are written.
#[derive(Clone, Debug, PartialEq)]
pub enum LineFormat {
    /// Lines for people, in `<client id>.log`.
    Text(TextFormat),
    /// JSON lines, in `<client id>.jsonl`, with the time in UTC.
    Json,
}

/// What stands before a message: by default `12:34:56 INFO> `.
///
/// ```
/// use loggerplex::{TextFormat, Zone};
///
/// let format = TextFormat::default()
///     .time("%FT%T".parse().ok())
///     .zone(Zone::Utc)
///     .preamble("<{asctime}> ".parse()?);
/// # Ok::<(), loggerplex::PreambleError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct TextFormat {
    time: Option<TimeFormat>,
    zone: Zone,
    preamble: Option<Preamble>,
    show_level: bool,
}

/// What an entry is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    pub client_id: &'a str,
    pub time_ns: i64,
    pub level: Level,
    pub message: &'a str,
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
    /// How the time is written; with `None` it is left out.
    #[must_use]
    pub fn time(mut self, format: Option<TimeFormat>) -> Self {
        self.time = format;
        self
    }

    /// In which zone the time is written. Without it, in the local one.
    #[must_use]
    pub fn zone(mut self, zone: Zone) -> Self {
        self.zone = zone;
        self
    }

    /// What stands before the level instead of the time and a space.
    #[must_use]
    pub fn preamble(mut self, preamble: Preamble) -> Self {
        self.preamble = Some(preamble);
        self
    }

    /// Whether the level stands before the message. Without it, it does.
    #[must_use]
    pub fn show_level(mut self, show: bool) -> Self {
        self.show_level = show;
        self
    }

    fn write(&self, out: &mut Vec<u8>, entry: Entry<'_>) {
        match &self.preamble {
            None if self.time.is_none() => {}
            None => {
                self.write_time(out, entry.time_ns);
                out.push(b' ');
            }
            Some(Preamble(pieces)) => pieces
                .iter()
                .for_each(|piece| self.write_piece(out, piece, entry)),
        }
        // A `Vec` takes everything, here and below.
        if self.show_level {
            let _ = write!(out, "{}> ", entry.level);
        }
        write_message(out, entry.message);
        out.push(b'\n');
    }

    fn write_piece(&self, out: &mut Vec<u8>, piece: &Piece, entry: Entry<'_>) {
        let _ = match piece {
            Piece::Literal(text) => out.write_all(text.as_bytes()),
            Piece::Time => {
                self.write_time(out, entry.time_ns);
                Ok(())
            }
            Piece::LevelName => write!(out, "{}", entry.level),
            Piece::LevelNumber => write!(out, "{}", entry.level.0),
            Piece::ClientId => out.write_all(entry.client_id.as_bytes()),
        };
    }

    fn write_time(&self, out: &mut Vec<u8>, time_ns: i64) {
        if let Some(format) = &self.time {
            // A `TimeFormat` can write every time.
            let _ = format.write(&mut Utf8(out), time_ns, self.zone);
        }
    }
}

/// Bytes that take text.
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
    /// A message as it stands in a file, with its end of line.
    pub fn line(&self, client_id: &str, time_ns: i64, level: Level, message: &str) -> String {
        let mut line = Vec::new();
        let entry = Entry {
            client_id,
            time_ns,
            level,
            message,
        };
        self.write(&mut line, entry);
        String::from_utf8_lossy(&line).into_owned()
    }

    /// Appends one entry, with its end of line.
    pub(crate) fn write(&self, out: &mut Vec<u8>, entry: Entry<'_>) {
        match self {
            Self::Text(format) => format.write(out, entry),
            Self::Json => write_json(out, entry.time_ns, entry.level, entry.message),
        }
    }

    /// What the names of the files end in.
    pub(crate) fn ending(&self) -> &'static str {
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
    fn check(format: TextFormat, level: Level, message: &str, expect: &str) {
        let mut out = Vec::new();
        let entry = Entry {
            client_id: "agent/17",
            // 2018-03-09 12:34:56 UTC
            time_ns: 1_520_598_896_000_000_000,
            level,
            message,
        };
        LineFormat::from(format).write(&mut out, entry);
        assert_eq!(String::from_utf8(out).unwrap(), expect);
    }

    fn utc() -> TextFormat {
        TextFormat::default().zone(Zone::Utc)
    }

    #[test]
    fn a_line_looks_as_in_the_original() {
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
    fn a_preamble_stands_in_place_of_the_time() {
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
