//! Text logs of many workers, one file each.
//!
//! [`Loggerplex`] is the object on the server; it is run by `remotecall`, keeps `<folder>/<client id>.log`
//! per client, and can be replayed. [`Logger`] is what a worker logs with; [`LoggerplexClient`] is the
//! generated client beneath it. With the feature `tracing` there is a layer for programs that log with `tracing`.
//! [`reading`] reads the files, for tools.
//!
//! ```text
//! 12:34:56 INFO> message
//! 12:34:57 ERROR> message of
//!     | two lines
//! ```

mod echo;
mod format;
mod json;
mod level;
mod line;
mod listing;
mod logger;
mod preamble;
pub mod reading;
mod rotation;
mod server;
mod str_format;
mod text;
mod time_format;
#[cfg(feature = "tracing")]
mod tracing_layer;
mod value;
mod words;
mod zone;

pub use echo::Echo;
pub use format::{LineFormat, TextFormat};
pub use level::{Level, LevelError};
pub use line::{MAX_BAR, MAX_MESSAGE};
pub use listing::{ListedLog, LogListing, LogState, MAX_PART};
pub use logger::sections::Section;
pub use logger::{Logger, QUEUE};
pub use preamble::{MAX_PREAMBLE, Preamble, PreambleError};
pub use rotation::Rotation;
pub use server::{LogError, Loggerplex, LoggerplexClient};
pub use str_format::{FormatError, MAX_WIDTH};
pub use text::Text;
pub use time_format::{MAX_TIME_FORMAT, TimeFormat, TimeFormatError};
#[cfg(feature = "tracing")]
pub use tracing_layer::LogLayer;
pub use value::Value;
pub use words::Words;
pub use zone::{Zone, ZoneError};
