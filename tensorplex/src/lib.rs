//! Records of many training workers into TensorBoard event files.
//!
//! [`Tensorplex`] is the object behind a server: clients call its methods, and every client's records go into the run that
//! its id names. A worker uses a [`Recorder`], or the generated [`TensorplexClient`] beneath it. [`SummaryWriter`]
//! writes one run from this process, without any server; a [`LocalRecorder`] does so for many threads. What is neither a
//! number nor a text is in [`records`]. [`logdir`] reads log directories of any writer, [`doctor`] finds and mends their
//! faults; [`tfevents`] knows the bytes.

mod chunks;
mod client;
pub mod doctor;
mod encode_queue;
mod file_name;
mod group;
mod local_recorder;
pub mod logdir;
mod recorder;
pub mod records;
mod routing;
mod runs;
mod scalars;
mod summary_writer;
mod tensorplex;
pub mod tfevents;
mod value;

pub use client::CHUNK_SIZE;
pub use encode_queue::{EncodeQueue, MAX_QUEUED_BYTES};
pub use group::{BinName, Group, GroupError, TryBinName};
pub use local_recorder::{LocalRecorder, LostRecords};
pub use recorder::{QUEUE, Recorder};
pub use routing::{LOGS, PRIVATE, RoutingError};
pub use runs::MAX_NAMES;
pub use scalars::Scalars;
pub use summary_writer::{SummaryWriter, WriteError};
pub use tensorplex::{Counts, Tensorplex, TensorplexClient};
pub use value::{MAX_BUCKETS, MAX_TAG, MAX_TEXT, RecordError, RecordKind};
