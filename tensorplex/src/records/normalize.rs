//! Ready-made values of others, brought into the form that both readers show.
//!
//! ```text
//! simple_value                       stays; with a description it becomes a tensor, or one reader loses it
//! histo                              stays, if its lists are equally long
//! image, audio                       become tensors
//! tensor of plugin scalars           one 32-bit float, whatever number it was
//! tensor of images or audio          gets the shape that one reader insists on
//! tensor without a data class        gets that of its plugin; a plugin that nobody knows: tensor
//! tensor without metadata            for a tag that is known
//! hparams without a value            get one that says nothing, as readers would give them
//! ```

use prost::Message as _;

use super::audio::audio_value;
use super::hparams::nothing;
use super::image::image_value;
use super::scalar::scalar_value;
use super::{Encode, Record, shape};
use crate::tfevents::messages::{
    DataClass, DataType, Datum, Event, EventPayload, Summary, SummaryMetadata, TensorProto, Value,
};
use crate::value::{RecordError, RecordKind, check_tag};

/// A serialized `tensorflow.Summary`, as other libraries make it.
#[derive(Clone, Debug, PartialEq)]
pub struct SummaryRecord(Summary);

/// A serialized `tensorflow.Event`, as other libraries make it: a summary, a graph or a profile with its own step and time.
#[derive(Clone, Debug, PartialEq)]
pub struct EventRecord(Event);

impl SummaryRecord {
    /// Reads and checks it.
    ///
    /// # Errors
    /// When the bytes are no summary, it has no values, or one of them is nothing that readers show.
    pub fn new(summary: &[u8]) -> Result<Self, RecordError> {
        let summary = Summary::decode(summary).map_err(|why| RecordError::NoMessage(why.to_string()))?;
        check_values(&summary)?;
        Ok(Self(summary))
    }
}

impl EventRecord {
    /// Reads and checks it.
    ///
    /// # Errors
    /// When the bytes are no event, or it says nothing that belongs to a run.
    pub fn new(event: &[u8]) -> Result<Self, RecordError> {
        let event = Event::decode(event).map_err(|why| RecordError::NoMessage(why.to_string()))?;
        match &event.what {
            Some(EventPayload::Summary(summary)) => check_values(summary)?,
            Some(EventPayload::GraphDef(_) | EventPayload::TaggedRunMetadata(_)) => {}
            Some(EventPayload::FileVersion(_) | EventPayload::SessionLog(_)) | None => {
                return Err(RecordError::NoRecord);
            }
        }
        Ok(Self(event))
    }
}

fn check_values(summary: &Summary) -> Result<(), RecordError> {
    if summary.value.is_empty() {
        return Err(RecordError::NoRecord);
    }
    summary.value.iter().try_for_each(|value| {
        check_tag(&value.tag)?;
        normalize(value.clone()).map(|_| ())
    })
}

impl Encode for SummaryRecord {
    fn encode(self, _: f64) -> Result<Record, RecordError> {
        Ok(Record::event(EventPayload::Summary(self.0)))
    }

    fn held_bytes(&self) -> usize {
        self.0.encoded_len()
    }
}

impl Encode for EventRecord {
    fn encode(self, _: f64) -> Result<Record, RecordError> {
        let Self(event) = self;
        let mut record = Record::event(event.what.ok_or(RecordError::NoRecord)?);
        record.at = Some((event.step, event.wall_time));
        Ok(record)
    }

    fn held_bytes(&self) -> usize {
        self.0.encoded_len()
    }
}

/// Kind of the series of a value; `None` when only earlier values of the tag tell.
fn kind_of(value: &Value) -> Option<RecordKind> {
    match value.value.as_ref()? {
        Datum::SimpleValue(_) => Some(RecordKind::Scalar),
        Datum::Histo(_) => Some(RecordKind::Histogram),
        Datum::Image(_) => Some(RecordKind::Image),
        Datum::Audio(_) => Some(RecordKind::Audio),
        Datum::Tensor(_) => Some(kind_of_plugin(plugin_of(value.metadata.as_ref()?))),
    }
}

/// Kind of the series that a dashboard shows.
pub(crate) fn kind_of_plugin(plugin: &str) -> RecordKind {
    match plugin {
        "scalars" => RecordKind::Scalar,
        "histograms" => RecordKind::Histogram,
        "text" => RecordKind::Text,
        "images" => RecordKind::Image,
        "audio" => RecordKind::Audio,
        "pr_curves" => RecordKind::PrCurve,
        "mesh" => RecordKind::Mesh,
        "hparams" => RecordKind::HParams,
        "custom_scalars" => RecordKind::Layout,
        _ => RecordKind::Tensor,
    }
}

fn plugin_of(metadata: &SummaryMetadata) -> &str {
    metadata
        .plugin_data
        .as_ref()
        .map_or("", |plugin| &plugin.plugin_name)
}

/// Brings a value into its form.
pub(crate) fn normalize(mut value: Value) -> Result<(Option<RecordKind>, Value), RecordError> {
    if value.value.is_none() && value.metadata.as_ref().is_some_and(|m| plugin_of(m) == "hparams") {
        value.value = Some(Datum::Tensor(nothing()));
    }
    let kind = kind_of(&value);
    let odd = |why: &str| RecordError::OddValue {
        tag: value.tag.clone(),
        why: why.to_owned(),
    };
    let Value {
        tag,
        metadata,
        value: datum,
    } = value.clone();
    let words = metadata
        .as_ref()
        .map(|m| (m.display_name.clone(), m.summary_description.clone()));
    let has_words = words
        .as_ref()
        .is_some_and(|(name, text)| !name.is_empty() || !text.is_empty());
    let mut made = match datum.ok_or_else(|| odd("it has no value"))? {
        Datum::SimpleValue(number) if has_words => scalar_value(tag, number),
        datum @ Datum::SimpleValue(_) => return Ok((kind, bare(tag, datum))),
        Datum::Histo(histo) if histo.bucket.len() != histo.bucket_limit.len() => {
            return Err(odd("a histogram needs as many limits as buckets"));
        }
        datum @ Datum::Histo(_) => return Ok((kind, bare(tag, datum))),
        Datum::Image(image) => {
            let edge = |pixels: i32| usize::try_from(pixels).map_err(|_| odd("an image's edge is negative"));
            image_value(
                tag,
                (edge(image.width)?, edge(image.height)?),
                image.encoded_image_string,
            )
        }
        Datum::Audio(audio) => audio_value(tag, audio.encoded_audio_string),
        Datum::Tensor(tensor) if kind == Some(RecordKind::Scalar) => {
            let number = one_number(&tensor).ok_or_else(|| odd("a scalar is one number"))?;
            scalar_value(tag, number)
        }
        Datum::Tensor(mut tensor) => {
            let is_blob = matches!(kind, Some(RecordKind::Image | RecordKind::Audio));
            if is_blob && tensor.tensor_shape.is_none() {
                tensor.tensor_shape = shape(&[tensor.string_val.len()]);
            }
            let mut metadata = metadata;
            if let Some(stated) = &mut metadata {
                stated.data_class = class_of(stated).into();
            }
            let value = Some(Datum::Tensor(tensor));
            return Ok((kind, Value { tag, metadata, value }));
        }
    };
    if let (Some(stated), Some((name, text))) = (&mut made.metadata, words) {
        (stated.display_name, stated.summary_description) = (name, text);
    }
    Ok((kind, made))
}

/// A value in an old form: readers make its metadata up.
fn bare(tag: String, datum: Datum) -> Value {
    Value {
        tag,
        metadata: None,
        value: Some(datum),
    }
}

fn class_of(metadata: &SummaryMetadata) -> DataClass {
    match (metadata.data_class(), plugin_of(metadata)) {
        (
            DataClass::Unknown,
            "images" | "audio" | "graph_run_metadata" | "graph_run_metadata_graph" | "graph_keras_model",
        ) => DataClass::BlobSequence,
        (DataClass::Unknown, _) => DataClass::Tensor,
        (stated, _) => stated,
    }
}

/// The only element of a tensor of numbers.
fn one_number(tensor: &TensorProto) -> Option<f32> {
    let sizes = tensor.tensor_shape.as_ref().map_or(&[][..], |shape| &shape.dim);
    if sizes.iter().any(|dim| dim.size != 1) {
        return None;
    }
    let content = &tensor.tensor_content[..];
    let number = match DataType::try_from(tensor.dtype).ok()? {
        DataType::Float if content.is_empty() => f64::from(*tensor.float_val.first()?),
        DataType::Float => f64::from(f32::from_le_bytes(content.try_into().ok()?)),
        DataType::Double if content.is_empty() => *tensor.double_val.first()?,
        DataType::Double => f64::from_le_bytes(content.try_into().ok()?),
        DataType::Int32 if content.is_empty() => f64::from(*tensor.int_val.first()?),
        DataType::Int32 => f64::from(i32::from_le_bytes(content.try_into().ok()?)),
        DataType::Int64 if content.is_empty() => *tensor.int64_val.first()? as f64,
        DataType::Int64 => i64::from_le_bytes(content.try_into().ok()?) as f64,
        _ => return None,
    };
    Some(number as f32)
}
