//! Event files, as bytes: framing, messages and the values that dashboards show.
//!
//! ```text
//! file     record, record, …             events.rs says which come first
//! record   length | crc | payload | crc  record.rs
//! payload  Event                         messages.rs as structs, view.rs in place
//! ```
//!
//! Nothing here knows of clients, threads or clocks: every byte is a function of the arguments.

mod buckets;
mod counting;
mod crc;
mod events;
mod extent;
mod histogram;
pub mod messages;
pub mod plugins;
mod point;
mod reader;
mod real;
mod record;
mod scalar;
mod scale;
mod view;
mod wire;

pub use buckets::bucket;
pub(crate) use buckets::finite;
pub use crc::MaskedCrc;
pub use events::{Encoder, FILE_VERSION, Metadata, TEXT_SUFFIX, WRITER, append_start};
pub(crate) use extent::Extent;
pub(crate) use histogram::histogram_tensor;
pub use point::Point;
pub use reader::{ReadError, RecordReader};
pub use real::Real;
pub use record::{FOOTER, HEADER, MAX_PAYLOAD, TooLong, append_payload, append_record};
pub use scale::{BUCKETS, Bucket};
pub use view::{DatumView, EventView, MetadataView, Number, PayloadView, SummaryView, TensorView, ValueView};
pub use wire::{Field, Fields, Wire, WireError};
