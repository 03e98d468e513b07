//! Records of many training workers in TensorBoard event files.
//!
//! # Quick start
//!
//! A [`Writer`] logs. It sends to a server over a broker, or writes a directory of this machine:
//!
//! ```
//! use std::time::Duration;
//! use tensorplex::Writer;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # let log_dir = dir.path().join("runs/first");
//! // `Writer::connect("localhost:6379", "agent/17")?` sends to a server instead.
//! let writer = Writer::create(&log_dir)?;
//! for step in 0..100 {
//!     writer.scalar("loss", 1.0 / (step + 1) as f64, step);
//! }
//! writer.flush(Duration::from_secs(10))?;
//! # Ok(())
//! # }
//! ```
//!
//! # Guarantees of a remote writer
//!
//! - A call neither waits for the network nor fails because of it. Undelivered records are bounded and counted.
//! - A record whose flush returned `Ok` is on the server's disk and visible to TensorBoard.
//! - An acknowledged record appears exactly once, in the order of its writer, whichever process was killed.
//!
//! # Modules
//!
//! | module | contents |
//! | --- | --- |
//! | [`records`] | images, audio, histograms, embeddings and the other records of [`Writer::add`] |
//! | [`routing`] | groups: which run and tag a client id writes to |
//! | [`local`] | the synchronous writers behind [`Writer::create`] |
//! | [`logdir`] | readers of log directories, and the export of scalars |
//! | [`doctor`] | faults of log directories, found and repaired |
//! | [`tfevents`] | event files as bytes |
//! | [`encode_queue`] | the thread that encodes records |
//! | [`layout`], [`limits`] | reserved names and limits |
//!
//! [`Tensorplex`] is the server's object; a [`TensorplexClient`] calls its methods with every argument.

mod chunks;
mod client;
mod clock;
pub mod doctor;
pub mod encode_queue;
mod file_name;
pub mod layout;
pub mod limits;
pub mod local;
pub mod logdir;
pub mod records;
pub mod routing;
mod runs;
mod scalars;
mod tensorplex;
pub mod tfevents;
mod value;
mod writer;

pub use routing::Group;
pub use scalars::Scalars;
pub use tensorplex::{Counts, QUEUE, Tensorplex, TensorplexClient};
pub use value::RecordError;
pub use writer::{FlushError, Writer, WriterStats};
