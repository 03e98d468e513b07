//! In which zone times are written.

use std::str::FromStr;

use chrono_tz::Tz;

/// In which zone times are written: `local`, `UTC`, or the name of a zone such as `Europe/Berlin`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Zone {
    /// Where the program runs. A replay must run with the same time zone, or it writes other bytes.
    #[default]
    Local,
    /// The same everywhere.
    Utc,
    /// That of a place. Its rules come with the program, not from the machine.
    Named(Tz),
}

/// The text is not a zone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a time zone: use local, UTC, or a name such as Europe/Berlin")]
pub struct ZoneError(String);

impl FromStr for Zone {
    type Err = ZoneError;

    fn from_str(text: &str) -> Result<Self, ZoneError> {
        if text.eq_ignore_ascii_case("local") {
            return Ok(Self::Local);
        }
        if text.eq_ignore_ascii_case("utc") {
            return Ok(Self::Utc);
        }
        let zone = text.parse().map(Self::Named);
        zone.map_err(|_| ZoneError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_have_names() {
        assert_eq!("local".parse(), Ok(Zone::Local));
        assert_eq!("utc".parse(), Ok(Zone::Utc));
        assert_eq!("Europe/Berlin".parse(), Ok(Zone::Named(Tz::Europe__Berlin)));
    }

    #[test]
    fn other_words_are_not_zones() {
        for text in ["", "Berlin", "+01:00", "Europe/Berlin "] {
            assert_eq!(text.parse::<Zone>(), Err(ZoneError(text.to_owned())));
        }
    }
}
