//! The events of a file, in the form that both of TensorBoard's readers show.
//!
//! ```text
//! first        file_version "brain.Event:2"   purge only when told to
//! second       SessionLog START               its step: from where the points of earlier files count no more
//! scalar       simple_value                   no metadata: readers make it up and ignore any that is there
//! histogram    tensor [k, 3] of f64           plugin "histograms", rows left edge, right edge, count
//! text         tensor [1] of strings          plugin "text", tag "<tag>/text_summary", as torch writes it
//! ```
//!
//! Metadata must be in a tag's first value in every file; one reader drops a tensor without it for good.

use super::histogram::histogram_tensor;
use super::messages::{
    DataClass, DataType, Datum, Dim, Event, EventPayload, PluginData, SessionLog, SessionStatus,
    SourceMetadata, SummaryMetadata, TensorProto, TensorShapeProto, Value,
};
use super::point::Point;
use super::scalar::ScalarEncoder;
use super::{Bucket, TooLong, append_record};

/// File version in the first event of a file.
pub const FILE_VERSION: &str = "brain.Event:2";
/// The writer's name, beside it.
pub const WRITER: &str = "tensorplex";
/// Suffix of the tag of a text.
pub const TEXT_SUFFIX: &str = "/text_summary";

/// Choice between a value with the metadata of its tag and one without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metadata {
    /// It does: it is the tag's first value in this file.
    Stated,
    /// An earlier value of the tag in this file carries it.
    Known,
}

/// Appends the two events that every file begins with.
///
/// # Errors
/// Never for these events; the framing could refuse longer ones.
pub fn append_start(out: &mut Vec<u8>, step: i64, wall_time: f64) -> Result<(), TooLong> {
    let version = Event {
        wall_time,
        what: Some(EventPayload::FileVersion(FILE_VERSION.to_owned())),
        source_metadata: Some(SourceMetadata {
            writer: WRITER.to_owned(),
        }),
        ..Event::default()
    };
    append_record(out, &version)?;
    let status = SessionStatus::Start.into();
    let start = Event {
        wall_time,
        step,
        what: Some(EventPayload::SessionLog(SessionLog { status })),
        ..Event::default()
    };
    append_record(out, &start)
}

/// Appends values. Keeps its buffers, so that a scalar costs no allocation.
#[derive(Debug, Default)]
pub struct Encoder {
    scalars: ScalarEncoder,
    event: ValueEvent,
}

/// An [`Event`] whose summary has exactly one value: the same bytes, and nothing to allocate on the way to the value.
#[derive(Clone, PartialEq, prost::Message)]
struct ValueEvent {
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(message, required, tag = "5")]
    summary: OneValue,
}

#[derive(Clone, PartialEq, prost::Message)]
struct OneValue {
    #[prost(message, required, tag = "1")]
    value: Value,
}

impl Encoder {
    /// Appends a scalar.
    ///
    /// # Errors
    /// When the event is too long for a record.
    pub fn scalar(&mut self, out: &mut Vec<u8>, point: Point<'_>, value: f32) -> Result<(), TooLong> {
        self.scalars.append(out, point, value)
    }

    /// Appends a histogram.
    ///
    /// # Errors
    /// When the event is too long for a record.
    pub fn histogram(
        &mut self,
        out: &mut Vec<u8>,
        point: Point<'_>,
        buckets: &[Bucket],
        metadata: Metadata,
    ) -> Result<(), TooLong> {
        let tensor = histogram_tensor(buckets);
        self.append(
            out,
            point,
            Datum::Tensor(tensor),
            describe("histograms", metadata),
        )
    }

    /// Appends a text, in Markdown. The tag must end in [`TEXT_SUFFIX`].
    ///
    /// # Errors
    /// When the event is too long for a record.
    pub fn text(
        &mut self,
        out: &mut Vec<u8>,
        point: Point<'_>,
        text: &str,
        metadata: Metadata,
    ) -> Result<(), TooLong> {
        let tensor = TensorProto {
            dtype: DataType::String.into(),
            tensor_shape: Some(shape(&[1])),
            string_val: vec![text.as_bytes().to_vec()],
            ..TensorProto::default()
        };
        self.append(out, point, Datum::Tensor(tensor), describe("text", metadata))
    }

    fn append(
        &mut self,
        out: &mut Vec<u8>,
        point: Point<'_>,
        datum: Datum,
        metadata: Option<SummaryMetadata>,
    ) -> Result<(), TooLong> {
        let event = &mut self.event;
        event.wall_time = point.wall_time;
        event.step = point.step;
        let value = &mut event.summary.value;
        value.tag.clear();
        value.tag.push_str(point.tag);
        value.value = Some(datum);
        value.metadata = metadata;
        append_record(out, event)
    }
}

fn shape(sizes: &[usize]) -> TensorShapeProto {
    let dim = sizes.iter().map(|&size| Dim { size: size as i64 });
    TensorShapeProto { dim: dim.collect() }
}

/// The metadata of a tensor. Its content is the plugin's message with version 0, which is empty.
fn describe(plugin: &str, metadata: Metadata) -> Option<SummaryMetadata> {
    if metadata == Metadata::Known {
        return None;
    }
    Some(SummaryMetadata {
        plugin_data: Some(PluginData {
            plugin_name: plugin.to_owned(),
            content: Vec::new(),
        }),
        data_class: DataClass::Tensor.into(),
        ..SummaryMetadata::default()
    })
}

#[cfg(test)]
mod tests {
    use super::super::RecordReader;
    use super::*;
    use crate::tfevents::messages::Summary;
    use proptest::prelude::*;
    use prost::Message;

    /// The one event in `file`, which must be the encoding of the general message too.
    fn decoded(file: &[u8]) -> Event {
        let mut reader = RecordReader::new(file);
        let payload = reader.next_record().unwrap().unwrap();
        assert!(reader.next_record().unwrap().is_none());
        let event = Event::decode(&payload[..]).unwrap();
        assert_eq!(event.encode_to_vec(), payload);
        event
    }

    fn event(point: Point<'_>, metadata: Option<SummaryMetadata>, datum: Datum) -> Event {
        let value = Value {
            tag: point.tag.to_owned(),
            metadata,
            value: Some(datum),
        };
        Event {
            wall_time: point.wall_time,
            step: point.step,
            what: Some(EventPayload::Summary(Summary { value: vec![value] })),
            source_metadata: None,
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(
            tag in ".{1,40}",
            step: i64,
            wall_time in -1e12..1e12,
            number in -1e30f32..1e30,
            text: String,
            buckets in prop::collection::vec([-1e9..1e9, -1e9..1e9, 0.0..1e9], 0..40),
        ) {
            let point = Point { tag: &tag, step, wall_time };
            let mut encoder = Encoder::default();
            let mut file = Vec::new();
            encoder.scalar(&mut file, point, number).unwrap();
            prop_assert_eq!(decoded(&file), event(point, None, Datum::SimpleValue(number)));

            file.clear();
            encoder.text(&mut file, point, &text, Metadata::Stated).unwrap();
            let tensor = TensorProto {
                dtype: 7,
                tensor_shape: Some(shape(&[1])),
                string_val: vec![text.clone().into_bytes()],
                ..TensorProto::default()
            };
            let metadata = describe("text", Metadata::Stated);
            prop_assert_eq!(decoded(&file), event(point, metadata, Datum::Tensor(tensor)));

            file.clear();
            encoder.histogram(&mut file, point, &buckets, Metadata::Known).unwrap();
            let tensor = TensorProto {
                dtype: 2,
                tensor_shape: Some(shape(&[buckets.len(), 3])),
                tensor_content: buckets.concat().iter().flat_map(|x| x.to_le_bytes()).collect(),
                ..TensorProto::default()
            };
            prop_assert_eq!(decoded(&file), event(point, None, Datum::Tensor(tensor)));

            file.clear();
            encoder.scalar(&mut file, point, number).unwrap();
            prop_assert_eq!(decoded(&file), event(point, None, Datum::SimpleValue(number)));
        }
    }
}
