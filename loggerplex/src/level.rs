//! Levels of lines.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Level of a line: a number from 0 to 255. Some numbers have names; a higher number is more
/// important.
///
/// ```text
/// 10 DEBUG    11–19 DEBUG1–DEBUG9
/// 20 INFO     21–29 INFO1–INFO9
/// 30 WARNING  40 ERROR  50 CRITICAL
/// ```
///
/// Any other number prints as `Level 37`.
///
/// ```
/// use loggerplex::Level;
///
/// assert_eq!("info3".parse(), Ok(Level(23)));
/// assert_eq!(Level(37).to_string(), "Level 37");
/// assert!(Level::WARNING > Level::INFO);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Level(pub u8);

/// A text is not a [`Level`].
///
/// ```
/// use loggerplex::level::{Level, LevelError};
///
/// let error: LevelError = "loud".parse::<Level>().unwrap_err();
/// assert!(error.to_string().starts_with("\"loud\" is not a level"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a level: use debug, debug1 to debug9, info, info1 to info9, warning or warn, error, critical or a number up to 255"
)]
pub struct LevelError(String);

impl Level {
    /// Level DEBUG.
    pub const DEBUG: Self = Self(10);
    /// Level INFO.
    pub const INFO: Self = Self(20);
    /// Level WARNING.
    pub const WARNING: Self = Self(30);
    /// Level ERROR.
    pub const ERROR: Self = Self(40);
    /// Level CRITICAL.
    pub const CRITICAL: Self = Self(50);
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            10 => f.write_str("DEBUG"),
            n @ 11..=19 => write!(f, "DEBUG{}", n - 10),
            20 => f.write_str("INFO"),
            n @ 21..=29 => write!(f, "INFO{}", n - 20),
            30 => f.write_str("WARNING"),
            40 => f.write_str("ERROR"),
            50 => f.write_str("CRITICAL"),
            n => write!(f, "Level {n}"),
        }
    }
}

impl FromStr for Level {
    type Err = LevelError;

    /// Parses a name in upper or lower case, or a number.
    fn from_str(text: &str) -> Result<Self, LevelError> {
        // The short names of Python's `logging` and of syslog.
        let text = match text.to_ascii_lowercase().as_str() {
            "warn" => "warning",
            "fatal" | "crit" => "critical",
            "err" => "error",
            _ => text,
        };
        let named = (0..=u8::MAX)
            .map(Self)
            .find(|level| level.to_string().eq_ignore_ascii_case(text));
        let rotation_number = || text.parse().ok().map(Self);
        named
            .or_else(rotation_number)
            .ok_or_else(|| LevelError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(number: u8, name: &str) {
        assert_eq!(Level(number).to_string(), name);
        assert_eq!(name.parse(), Ok(Level(number)));
        assert_eq!(name.to_lowercase().parse(), Ok(Level(number)));
        assert_eq!(number.to_string().parse(), Ok(Level(number)));
    }

    #[test]
    fn short_names_are_levels() {
        for (short, long) in [
            ("warn", "warning"),
            ("WARN", "warning"),
            ("fatal", "critical"),
            ("err", "error"),
        ] {
            assert_eq!(short.parse::<Level>(), long.parse(), "{short}");
        }
    }

    #[test]
    fn numbers_have_names() {
        check(10, "DEBUG");
        check(11, "DEBUG1");
        check(19, "DEBUG9");
        check(20, "INFO");
        check(21, "INFO1");
        check(29, "INFO9");
        check(30, "WARNING");
        check(40, "ERROR");
        check(50, "CRITICAL");
        check(0, "Level 0");
        check(37, "Level 37");
        check(255, "Level 255");
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "debug0", "debug10", "info 1", "256", "-1", "20.0"] {
            assert_eq!(text.parse::<Level>(), Err(LevelError(text.to_owned())));
        }
    }
}
