//! Line formats: text for people, or JSON lines for programs.
//!
//! [`TextFormat`] chooses time, zone, preamble and level of text lines; [`LineFormat`] is either
//! such a format or JSON. The server and [`Echo`](crate::Echo) both take a [`LineFormat`].
//!
//! ```
//! use loggerplex::Level;
//! use loggerplex::format::{LineFormat, TextFormat, Zone};
//!
//! let format = LineFormat::from(TextFormat::default().time("%FT%T".parse().ok()).zone(Zone::Utc));
//! let line = format.line("agent/17", 1_520_598_896_000_000_000, Level::INFO, "two\nlines");
//! assert_eq!(line, "2018-03-09T12:34:56 INFO> two\n    | lines\n");
//! ```

mod json;
mod line_format;
mod preamble;
mod time_format;
mod zone;

pub(crate) use line_format::Message;
pub use line_format::{LineFormat, TextFormat};
pub use preamble::{MAX_PREAMBLE, Preamble, PreambleError};
pub use time_format::{MAX_TIME_FORMAT, TimeFormat, TimeFormatError};
pub use zone::{NamedZone, Zone, ZoneError};
