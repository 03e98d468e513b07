//! How the time of a line is written.

use std::fmt::{self, Write};
use std::str::FromStr;

use chrono::format::{Item, StrftimeItems};
use chrono::{DateTime, Local, Utc};

use crate::Zone;

/// Longest strftime pattern, and longest text it may give for a time, in bytes.
pub const MAX_TIME_FORMAT: usize = 128;

/// Short names of the patterns that are used most.
const NAMED: [(&str, &str); 7] = [
    ("yd", "%m-%d-%y"),
    ("ydhm", "%m-%d-%y %H:%M"),
    ("ydhms", "%m-%d-%y %H:%M:%S"),
    ("dhm", "%m-%d %H:%M"),
    ("dhms", "%m-%d %H:%M:%S"),
    ("hms", "%H:%M:%S"),
    ("hm", "%H:%M"),
];

/// How the time of a line is written: `hms` for `12:34:56`, one of `yd`, `ydhm`, `ydhms`, `dhm`, `dhms`,
/// `hm`, or any strftime pattern.
///
/// A value of this type can format every time, into one line of at most [`MAX_TIME_FORMAT`] bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct TimeFormat(Vec<Item<'static>>);

/// The text is not a time format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeFormatError {
    /// Neither a name nor a strftime pattern.
    #[error(
        "time format {0:?} is neither yd, ydhm, ydhms, dhm, dhms, hms or hm nor a strftime pattern such as %H:%M"
    )]
    Unknown(String),
    /// The pattern, or the time written in it, is too long.
    #[error("time format of {0} bytes is too long: at most {MAX_TIME_FORMAT} are allowed")]
    TooLong(usize),
    /// The time would break the line, or hide a part of it.
    #[error("time format {0:?} gives control characters")]
    ControlCharacter(String),
}

impl TimeFormat {
    /// `12:34:56`
    pub fn hms() -> Self {
        Self(StrftimeItems::new("%H:%M:%S").map(Item::to_owned).collect())
    }

    /// Writes the time `time_ns`, in nanoseconds since 1970-01-01 UTC.
    pub(crate) fn write(&self, out: &mut impl Write, time_ns: i64, zone: Zone) -> fmt::Result {
        let time = DateTime::<Utc>::from_timestamp_nanos(time_ns);
        let items = self.0.iter();
        match zone {
            Zone::Utc => write!(out, "{}", time.format_with_items(items)),
            Zone::Local => write!(out, "{}", time.with_timezone(&Local).format_with_items(items)),
            Zone::Named(zone) => write!(out, "{}", time.with_timezone(&zone).format_with_items(items)),
        }
    }

    /// Writes the first and the last time there is: some patterns can be read but not written.
    fn check(&self, pattern: &str) -> Result<(), TimeFormatError> {
        for (time_ns, zone) in [i64::MIN, 0, i64::MAX].map(|t| (t, Zone::Utc)) {
            let mut sample = String::new();
            self.write(&mut sample, time_ns, zone)
                .map_err(|_| TimeFormatError::Unknown(pattern.to_owned()))?;
            if sample.len() > MAX_TIME_FORMAT {
                return Err(TimeFormatError::TooLong(sample.len()));
            }
            if sample.chars().any(super::line::is_hostile) {
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
        // Without a field it would be a constant: a name misspelt.
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
    fn names_give_the_formats_of_the_original() {
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
    fn any_strftime_pattern_will_do() {
        check("%Y-%m-%dT%H:%M:%S%.3f", "2018-03-09T04:05:06.789");
        check("%a %j, 100%%", "Fri 068, 100%");
        check("%FT%T%:z %s", "2018-03-09T04:05:06+00:00 1520568306");
    }

    #[test]
    fn what_cannot_be_written_is_refused_at_once() {
        for pattern in ["", "hsm", "HMS", "12:00", "%", "%H:%", "%Q", "%!", "%#z", "%9Z"] {
            refused(pattern, TimeFormatError::Unknown);
        }
    }

    #[test]
    fn a_time_is_part_of_one_line() {
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
    fn a_zone_by_name_has_its_summer_and_winter() {
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
    fn local_time_is_that_of_the_machine() {
        let out = written(&TimeFormat::hms(), TIME, Zone::Local);
        let local = DateTime::from_timestamp_nanos(TIME).with_timezone(&Local);
        assert_eq!(out, local.time().to_string()[..8]);
    }
}
