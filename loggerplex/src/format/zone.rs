//! Time zones of lines.

use std::fmt;
use std::str::FromStr;

use chrono_tz::Tz;

/// Time zone of the times in lines: `local`, `UTC`, or an IANA name such as `Europe/Berlin`.
///
/// ```
/// use loggerplex::format::Zone;
///
/// assert_eq!("utc".parse(), Ok(Zone::Utc));
/// assert!(matches!("Europe/Berlin".parse(), Ok(Zone::Named(_))));
/// assert!("Berlin".parse::<Zone>().is_err());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Zone {
    /// The machine's zone. A replay writes the same bytes only in the same zone.
    #[default]
    Local,
    /// Coordinated universal time.
    Utc,
    /// A zone by its IANA name. Its rules are compiled in, so every machine writes the same bytes.
    Named(NamedZone),
}

/// Zone with an IANA name; parsing a [`Zone`] makes one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct NamedZone(Tz);

/// Output of [`Tz`]: the server stores the `Debug` text of its format beside the journal, so it
/// must not change.
impl fmt::Debug for NamedZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl NamedZone {
    /// Returns the IANA name.
    ///
    /// ```
    /// use loggerplex::format::Zone;
    ///
    /// let Zone::Named(zone) = "Europe/Berlin".parse()? else { unreachable!() };
    /// assert_eq!(zone.name(), "Europe/Berlin");
    /// # Ok::<(), loggerplex::format::ZoneError>(())
    /// ```
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    pub(crate) fn tz(self) -> Tz {
        self.0
    }
}

/// A text is not a [`Zone`].
///
/// ```
/// use loggerplex::format::{Zone, ZoneError};
///
/// let error: ZoneError = "Berlin".parse::<Zone>().unwrap_err();
/// assert!(error.to_string().contains("is not a time zone"));
/// ```
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
        let zone = text.parse().map(|tz| Self::Named(NamedZone(tz)));
        zone.map_err(|_| ZoneError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_parsed_from_their_names() {
        assert_eq!("local".parse(), Ok(Zone::Local));
        assert_eq!("utc".parse(), Ok(Zone::Utc));
        let berlin = Zone::Named(NamedZone(Tz::Europe__Berlin));
        assert_eq!("Europe/Berlin".parse(), Ok(berlin));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "Berlin", "+01:00", "Europe/Berlin "] {
            assert_eq!(text.parse::<Zone>(), Err(ZoneError(text.to_owned())));
        }
    }
}
