//! Time formats: named patterns and strftime.

use std::fmt::{self, Write};
use std::str::FromStr;

use chrono::format::{Item, StrftimeItems};
use chrono::{DateTime, Local, Utc};

use super::zone::Zone;
use crate::message::escape::needs_escape;

/// Longest strftime pattern, and longest time written with one: 128 bytes.
pub const MAX_TIME_FORMAT: usize = 128;

/// Names of common patterns.
const NAMED: [(&str, &str); 7] = [
    ("yd", "%m-%d-%y"),
    ("ydhm", "%m-%d-%y %H:%M"),
    ("ydhms", "%m-%d-%y %H:%M:%S"),
    ("dhm", "%m-%d %H:%M"),
    ("dhms", "%m-%d %H:%M:%S"),
    ("hms", "%H:%M:%S"),
    ("hm", "%H:%M"),
];

/// Format of times in lines: a name or any strftime pattern.
///
/// | name | example | name | example |
/// | --- | --- | --- | --- |
/// | `hms` | `12:34:56` | `dhms` | `03-09 12:34:56` |
/// | `hm` | `12:34` | `ydhm` | `03-09-18 12:34` |
/// | `yd` | `03-09-18` | `ydhms` | `03-09-18 12:34:56` |
/// | `dhm` | `03-09 12:34` | | |
///
/// Parsing checks the pattern: a value of this type writes every time, on one line of at most
/// [`MAX_TIME_FORMAT`] bytes.
///
/// ```
/// use loggerplex::format::TimeFormat;
///
/// assert_eq!("hms".parse(), Ok(TimeFormat::hms()));
/// assert!("%FT%T%.3f".parse::<TimeFormat>().is_ok());
/// assert!("HMS".parse::<TimeFormat>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct TimeFormat(Vec<Item<'static>>);

/// A text is not a [`TimeFormat`].
///
/// ```
/// use loggerplex::format::{TimeFormat, TimeFormatError};
///
/// let error = "HMS".parse::<TimeFormat>();
/// assert_eq!(error, Err(TimeFormatError::Unknown("HMS".to_owned())));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TimeFormatError {
    /// The text is neither a name nor a strftime pattern.
    #[error(
        "time format {0:?} is unknown: use yd, ydhm, ydhms, dhm, dhms, hms, hm or a strftime pattern such as %H:%M"
    )]
    Unknown(String),
    /// The pattern, or a time written with it, exceeds [`MAX_TIME_FORMAT`]; its length in bytes.
    #[error("time format of {0} bytes is too long: at most {MAX_TIME_FORMAT} are allowed")]
    TooLong(usize),
    /// Times written with the pattern contain control characters, which could break or hide a line.
    #[error("time format {0:?} writes control characters")]
    ControlCharacter(String),
}

impl TimeFormat {
    /// Returns the format `hms`: `12:34:56`.
    pub fn hms() -> Self {
        Self(StrftimeItems::new("%H:%M:%S").map(Item::to_owned).collect())
    }

    /// Writes a time, given in nanoseconds since 1970-01-01 UTC.
    pub(crate) fn write(&self, out: &mut impl Write, time_ns: i64, zone: Zone) -> fmt::Result {
        let time = DateTime::<Utc>::from_timestamp_nanos(time_ns);
        let items = self.0.iter();
        match zone {
            Zone::Utc => write!(out, "{}", time.format_with_items(items)),
            Zone::Local => write!(out, "{}", time.with_timezone(&Local).format_with_items(items)),
            Zone::Named(zone) => write!(out, "{}", time.with_timezone(&zone.tz()).format_with_items(items)),
        }
    }

    /// Writes the first and the last representable time: chrono parses some patterns that it cannot
    /// write.
    fn check(&self, pattern: &str) -> Result<(), TimeFormatError> {
        for (time_ns, zone) in [i64::MIN, 0, i64::MAX].map(|t| (t, Zone::Utc)) {
            let mut sample = String::new();
            self.write(&mut sample, time_ns, zone)
                .map_err(|_| TimeFormatError::Unknown(pattern.to_owned()))?;
            if sample.len() > MAX_TIME_FORMAT {
                return Err(TimeFormatError::TooLong(sample.len()));
            }
            if sample.chars().any(needs_escape) {
                return Err(TimeFormatError::ControlCharacter(pattern.to_owned()));
            }
        }
        Ok(())
    }
}

impl FromStr for TimeFormat {
    type Err = TimeFormatError;

    fn from_str(text: &str) -> Result<Self, TimeFormatError> {
        if text.len() > MAX_TIME_FORMAT {
            return Err(TimeFormatError::TooLong(text.len()));
        }
        let named = NAMED.iter().find(|(name, _)| *name == text);
        let pattern = named.map_or(text, |(_, pattern)| pattern);
        let unknown = || TimeFormatError::Unknown(text.to_owned());
        // A pattern without a field is most likely a misspelt name.
        if !pattern.contains('%') {
            return Err(unknown());
        }
        let items = StrftimeItems::new(pattern)
            .parse_to_owned()
            .map_err(|_| unknown())?;
        let format = Self(items);
        format.check(text)?;
        Ok(format)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2018-03-09 04:05:06.789 UTC, a Friday.
    const TIME: i64 = 1_520_568_306_789_000_000;

    fn written(format: &TimeFormat, time_ns: i64, zone: Zone) -> String {
        let mut out = String::new();
        format.write(&mut out, time_ns, zone).unwrap();
        out
    }

    #[track_caller]
    fn check(format: &str, expect: &str) {
        let format: TimeFormat = format.parse().unwrap();
        assert_eq!(written(&format, TIME, Zone::Utc), expect);
    }

    #[track_caller]
    fn refused(format: &str, why: fn(String) -> TimeFormatError) {
        assert_eq!(format.parse::<TimeFormat>(), Err(why(format.to_owned())));
    }

    #[test]
    fn each_name_has_its_pattern() {
        check("yd", "03-09-18");
        check("ydhm", "03-09-18 04:05");
        check("ydhms", "03-09-18 04:05:06");
        check("dhm", "03-09 04:05");
        check("dhms", "03-09 04:05:06");
        check("hms", "04:05:06");
        check("hm", "04:05");
        assert_eq!("hms".parse(), Ok(TimeFormat::hms()));
    }

    #[test]
    fn any_strftime_pattern_is_accepted() {
        check("%Y-%m-%dT%H:%M:%S%.3f", "2018-03-09T04:05:06.789");
        check("%a %j, 100%%", "Fri 068, 100%");
        check("%FT%T%:z %s", "2018-03-09T04:05:06+00:00 1520568306");
    }

    #[test]
    fn a_pattern_that_cannot_be_written_is_refused_when_parsed() {
        for pattern in ["", "hsm", "HMS", "12:00", "%", "%H:%", "%Q", "%!", "%#z", "%9Z"] {
            refused(pattern, TimeFormatError::Unknown);
        }
    }

    #[test]
    fn a_pattern_that_would_break_the_line_is_refused() {
        for pattern in ["%H%n%M", "%H\n", "\r%H", "%H\x1b[2J", "%t%H\0", "\u{2028}%H"] {
            refused(pattern, TimeFormatError::ControlCharacter);
        }
    }

    #[test]
    fn lengths_are_bounded() {
        let long = |n| "%c".repeat(n).parse::<TimeFormat>();
        assert!(long(4).is_ok());
        assert!(matches!(long(64), Err(TimeFormatError::TooLong(n)) if n > 1000));
        assert_eq!(long(65), Err(TimeFormatError::TooLong(130)));
    }

    #[test]
    fn every_time_can_be_written() {
        for time_ns in [i64::MIN, -1, 0, i64::MAX] {
            for zone in [Zone::Utc, Zone::Local, "Asia/Kathmandu".parse().unwrap()] {
                let out = written(&TimeFormat::hms(), time_ns, zone);
                assert_eq!(out.len(), 8, "{out}");
            }
        }
    }

    #[test]
    fn a_named_zone_has_daylight_saving_time() {
        let berlin: Zone = "Europe/Berlin".parse().unwrap();
        let format = "%F %T %:z %Z".parse().unwrap();
        let half_a_year = 182 * 86_400 * 1_000_000_000;
        assert_eq!(written(&format, TIME, berlin), "2018-03-09 05:05:06 +01:00 CET");
        assert_eq!(
            written(&format, TIME + half_a_year, berlin),
            "2018-09-07 06:05:06 +02:00 CEST"
        );
    }

    #[test]
    fn local_time_follows_the_machine() {
        let out = written(&TimeFormat::hms(), TIME, Zone::Local);
        let local = DateTime::from_timestamp_nanos(TIME).with_timezone(&Local);
        assert_eq!(out, local.time().to_string()[..8]);
    }
}
