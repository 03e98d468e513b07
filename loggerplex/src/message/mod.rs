//! Message texts: what a line says after its time and level.
//!
//! ```text
//! text         message text; accepts any bytes
//! value        Python-like printing of values
//! words        several values as one message
//! str_format   templates, as in Python's str.format
//! layout       sections and tracebacks
//! escape       line breaks and control characters
//! ```
//!
//! A line looks the same whether a Rust or a Python worker logged it, so values and templates
//! follow Python.
//!
//! ```
//! use loggerplex::message::{Text, Value};
//! use loggerplex::words;
//!
//! let message: Text = words!["loss", 0.25, None::<i64>].into();
//! assert_eq!(message.as_str(), "loss 0.25 None");
//! assert_eq!(Value::from(vec![1.0, 1e-7]).to_string(), "[1.0, 1e-07]");
//! ```

pub(crate) mod escape;
pub(crate) mod layout;
mod str_format;
mod text;
mod value;
mod words;

pub use escape::MAX_MESSAGE;
pub use layout::MAX_BAR;
pub use str_format::{FormatError, MAX_WIDTH};
pub use text::Text;
pub use value::Value;
pub use words::Words;
