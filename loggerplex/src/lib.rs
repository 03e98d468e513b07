//! Text logs of many workers, one file per worker.
//!
//! A worker logs through a [`Logger`]. Its lines travel through a broker (Redis, Valkey, or the one
//! inside
//! `tensorplex-server`) to a [`Loggerplex`], which appends them to `<folder>/<client id>.log`:
//!
//! ```text
//! 12:34:56 INFO> message
//! 12:34:57 ERROR> message of
//!     | two lines
//! ```
//!
//! # Quick start
//!
//! A server is usually a process of its own: `tensorplex-server --logdir runs/`. Here it runs in
//! the same process.
//!
//! ```
//! use std::time::Duration;
//!
//! use loggerplex::{Logger, Loggerplex, words};
//! use remotecall::embedded::{BrokerOptions, EmbeddedBroker};
//!
//! let runs = tempfile::tempdir()?;
//! let broker = EmbeddedBroker::start(BrokerOptions::new(([127, 0, 0, 1], 0).into()))?;
//! let address = broker.address().to_string();
//! let logs = Loggerplex::open(&runs.path().join("logs"), &runs.path().join("private"))?;
//! let server = logs.serve(&address)?;
//!
//! let log = Logger::connect(&address, "agent/17")?;
//! log.info("started");
//! log.info3(words!["loss", 0.25]);
//! log.warning_fmt("{:.1%} of {what} lost", words![0.012, what = "frames"]);
//! log.flush(Duration::from_secs(10))?;
//!
//! let text = std::fs::read_to_string(runs.path().join("logs/agent/17.log"))?;
//! assert!(text.contains("INFO3> loss 0.25\n"));
//! server.stop()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Guarantees
//!
//! - A logging call never blocks on the network and never fails. The connection counts what it
//!   cannot deliver.
//! - [`Logger::flush`] succeeds only after all earlier lines are on the server's disk.
//! - An acknowledged line is written once, in order per client, across crashes of worker, broker
//!   and server.
//! - One message is one entry: continuation lines are marked, and control characters are escaped.
//! - Replaying the journal with the same options writes the same bytes.
//!
//! # Modules
//!
//! - [`format`](mod@format): text or JSON lines, time formats, zones, preambles
//! - [`level`]: levels and their names
//! - [`message`]: texts, values and templates, printed as Python prints them
//! - [`server`]: the server object, rotation, and the replies to remote readers
//! - [`reading`]: log files for tools: recent entries, and new ones as they are written
//!
//! The feature `tracing` adds `LogLayer`, for programs that log with `tracing`.

mod echo;
mod files;
pub mod format;
pub mod level;
mod logger;
pub mod message;
pub mod reading;
pub mod server;
#[cfg(feature = "tracing")]
mod tracing_layer;

pub use echo::Echo;
pub use level::Level;
pub use logger::{Logger, Section};
pub use message::Words;
pub use server::{Loggerplex, LoggerplexClient, QUEUE};
#[cfg(feature = "tracing")]
pub use tracing_layer::LogLayer;
