//! Records beyond numbers and texts: made from plain arrays, checked when they are made, encoded later.
//!
//! ```text
//! Image::new(…)?        the caller's thread: checks shapes, takes the data over
//!     .encode(time)     any thread: PNG, GIF, WAV, sorting, text
//! Record                an event, or the files of an embedding: what travels and what is written
//! ```

mod array;
mod audio;
mod boxes;
mod custom_scalars;
mod embedding;
mod graph;
mod histogram;
mod hparams;
mod image;
mod mesh;
mod normalize;
mod onnx;
mod parallel_histogram;
mod pixels;
mod pr_curve;
mod scalar;
mod tensor;
mod video;

pub use crate::value::RecordKind;
pub use array::{Array, MAX_SAMPLES, Samples};
pub use audio::{Audio, MAX_CLIP};
pub use custom_scalars::{Chart, CustomScalars, LAYOUT_TAG};
pub use embedding::{Embedding, EmbeddingFiles, MAX_EMBEDDING_TAG, MAX_LABELS, MAX_SPRITE, MAX_VECTORS};
pub use graph::{Graph, GraphProfile, MAX_GRAPH};
pub use histogram::{Bins, Histogram, Rule};
pub use hparams::{HPARAMS, HParams, MAX_SETTINGS, Setting, Status};
pub use image::Image;
pub use mesh::{MAX_MESH, Mesh};
pub use normalize::{EventRecord, SummaryRecord};
pub(crate) use normalize::{kind_of_plugin, normalize};
pub use parallel_histogram::{Numbers, NumbersGuard, ParallelHistogram};
pub use pixels::MAX_EDGE;
pub use pr_curve::{MAX_THRESHOLDS, PrCurve, PrCurveRaw};
pub use scalar::ScalarTensor;
pub use tensor::{Element, Tensor};
pub use video::Video;

use std::panic::{AssertUnwindSafe, catch_unwind};

use prost::Message as _;

use crate::tfevents::messages::{
    DataClass, Datum, Dim, EventPayload, PluginData, Summary, SummaryMetadata, TensorProto, TensorShapeProto,
    Value,
};
use crate::value::{RecordError, check_tag};

/// Something that can be recorded. It was checked when it was made, so that what is wrong is told to its caller.
pub trait Encode {
    /// Encodes it. This is the slow part; it needs nothing of the caller any more.
    ///
    /// # Errors
    /// When the result is longer than a record may be.
    fn encode(self, wall_time: f64) -> Result<Record, RecordError>;

    /// Bytes of data that it holds until then, about: so much of the room for records that wait is taken.
    fn held_bytes(&self) -> usize;
}

/// [`Encode::encode`], where nobody is there to catch a panic: the record is lost then, and counted like others that cannot be
/// encoded.
pub(crate) fn encode_or_refuse(record: impl Encode, wall_time: f64) -> Result<Record, RecordError> {
    catch_unwind(AssertUnwindSafe(|| record.encode(wall_time)))
        .unwrap_or_else(|_| Err(RecordError::Encoding("its encoder panicked".to_owned())))
}

/// A record, ready to be sent or written.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub(crate) content: RecordContent,
    /// Instead of those that the caller gives.
    pub(crate) at: Option<(i64, f64)>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum RecordContent {
    Event(EventPayload),
    Embedding(EmbeddingFiles),
}

impl Record {
    fn event(what: EventPayload) -> Self {
        Self {
            content: RecordContent::Event(what),
            at: None,
        }
    }

    fn values(value: Vec<Value>) -> Self {
        Self::event(EventPayload::Summary(Summary { value }))
    }
}

impl Encode for Record {
    fn encode(self, _: f64) -> Result<Record, RecordError> {
        Ok(self)
    }

    fn held_bytes(&self) -> usize {
        match &self.content {
            RecordContent::Event(what) => what.encoded_len(),
            RecordContent::Embedding(files) => files.encoded_len(),
        }
    }
}

fn owned_tag(tag: &str) -> Result<String, RecordError> {
    check_tag(tag).map(str::to_owned)
}

/// A value that states its metadata.
fn value(
    tag: String,
    (plugin, content): (&str, &impl prost::Message),
    class: DataClass,
    tensor: TensorProto,
) -> Value {
    let metadata = SummaryMetadata {
        plugin_data: Some(PluginData {
            plugin_name: plugin.to_owned(),
            content: content.encode_to_vec(),
        }),
        data_class: class.into(),
        ..SummaryMetadata::default()
    };
    Value {
        tag,
        metadata: Some(metadata),
        value: Some(Datum::Tensor(tensor)),
    }
}

fn shape(sizes: &[usize]) -> Option<TensorShapeProto> {
    let dim = sizes.iter().map(|&size| Dim { size: size as i64 });
    Some(TensorShapeProto { dim: dim.collect() })
}

/// An error about a shape.
fn bad_shape(what: &'static str, seen: impl Into<String>, wanted: impl Into<String>) -> RecordError {
    RecordError::Shape {
        what,
        seen: seen.into(),
        wanted: wanted.into(),
    }
}
