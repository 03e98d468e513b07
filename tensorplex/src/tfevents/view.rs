//! Events of any writer, looked at in place.
//!
//! [`messages`](super::messages) decodes into structs, for what we wrote or are about to write. Here nothing is copied:
//! a file of any size and of any content costs the memory of one record.

use super::messages::{DataType, SessionStatus};
use super::wire::{Field, Fields, Wire, WireError, text};

/// One event.
#[derive(Clone, Debug)]
pub struct EventView<'a> {
    /// Seconds since 1970; here it may be anything.
    pub wall_time: f64,
    /// The global step.
    pub step: i64,
    /// Content of the event.
    pub content: PayloadView<'a>,
}

/// Content of an event.
#[derive(Clone, Debug)]
pub enum PayloadView<'a> {
    /// Nothing.
    Nothing,
    /// A file starts.
    FileVersion(&'a str),
    /// A graph, serialized.
    Graph(&'a [u8]),
    /// Values.
    Summary(SummaryView<'a>),
    /// A session starts or ends.
    Session(SessionStatus),
    /// Time and memory used by one execution of a graph: tag and serialized metadata.
    RunMetadata(&'a str, &'a [u8]),
    /// Anything else: the number of its field.
    Other(u32),
}

/// The values of an event.
#[derive(Clone, Debug)]
pub struct SummaryView<'a>(&'a [u8]);

/// One value of one tag.
#[derive(Clone, Debug)]
pub struct ValueView<'a> {
    /// The name of the series.
    pub tag: &'a str,
    /// Metadata of the series, if stated.
    pub metadata: Option<MetadataView<'a>>,
    /// The value.
    pub datum: Option<DatumView<'a>>,
    /// The whole value, as it is stored.
    pub bytes: &'a [u8],
}

/// Metadata of the series of a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetadataView<'a> {
    /// The dashboard that shows it.
    pub plugin: &'a str,
    /// Storage class in readers: the number of a [`DataClass`](super::messages::DataClass).
    pub data_class: i32,
    /// True if it has a display name or a description.
    pub has_words: bool,
}

/// A value.
#[derive(Clone, Copy, Debug)]
pub enum DatumView<'a> {
    /// A scalar.
    Simple(f32),
    /// An image in the old form.
    Image,
    /// A histogram in the old form.
    Histo,
    /// Sound in the old form.
    Audio,
    /// Everything else.
    Tensor(TensorView<'a>),
}

/// A tensor.
#[derive(Clone, Copy, Debug)]
pub struct TensorView<'a> {
    /// Type of the elements: the number of a [`DataType`].
    pub dtype: i32,
    shape: Option<&'a [u8]>,
    bytes: &'a [u8],
}

/// A number as exact as its writer stored it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// In 32 bits.
    Single(f32),
    /// In 64 bits.
    Double(f64),
}

impl<'a> EventView<'a> {
    /// Looks at the payload of a record.
    ///
    /// # Errors
    /// When it is no event. Its values are checked when they are looked at.
    pub fn parse(payload: &'a [u8]) -> Result<Self, WireError> {
        let mut event = Self {
            wall_time: 0.0,
            step: 0,
            content: PayloadView::Nothing,
        };
        for field in Fields::of(payload) {
            let field = field?;
            match (field.number, field.value) {
                (1, Wire::Fixed64(time)) => event.wall_time = f64::from_le_bytes(time),
                (2, Wire::Varint(step)) => event.step = step as i64,
                (3, Wire::Bytes(version)) => event.content = PayloadView::FileVersion(text(version)?),
                (4, Wire::Bytes(graph)) => event.content = PayloadView::Graph(graph),
                (5, Wire::Bytes(summary)) => event.content = PayloadView::Summary(SummaryView(summary)),
                (7, Wire::Bytes(session)) => event.content = session_status(session)?,
                (8, Wire::Bytes(metadata)) => event.content = run_metadata(metadata)?,
                (number @ (6 | 9), _) => event.content = PayloadView::Other(number),
                _ => {}
            }
        }
        Ok(event)
    }
}

fn session_status(bytes: &[u8]) -> Result<PayloadView<'_>, WireError> {
    let mut status = SessionStatus::Unspecified;
    for field in Fields::of(bytes) {
        if let (1, Wire::Varint(number)) = field.map(|field| (field.number, field.value))? {
            let known = i32::try_from(number).ok().map(SessionStatus::try_from);
            status = known.and_then(Result::ok).unwrap_or(SessionStatus::Unspecified);
        }
    }
    Ok(PayloadView::Session(status))
}

fn run_metadata(bytes: &[u8]) -> Result<PayloadView<'_>, WireError> {
    let (mut tag, mut metadata) = ("", &[][..]);
    for field in Fields::of(bytes) {
        match field.map(|field| (field.number, field.value))? {
            (1, Wire::Bytes(bytes)) => tag = text(bytes)?,
            (2, Wire::Bytes(bytes)) => metadata = bytes,
            _ => {}
        }
    }
    Ok(PayloadView::RunMetadata(tag, metadata))
}

impl<'a> SummaryView<'a> {
    /// The values, in their order.
    pub fn values(&self) -> impl Iterator<Item = Result<ValueView<'a>, WireError>> + use<'a> {
        Fields::of(self.0).filter_map(|field| match field {
            Ok(field) => match (field.number, field.value) {
                (1, Wire::Bytes(value)) => Some(ValueView::parse(value)),
                _ => None,
            },
            Err(error) => Some(Err(error)),
        })
    }
}

impl<'a> ValueView<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, WireError> {
        let mut value = Self {
            tag: "",
            metadata: None,
            datum: None,
            bytes,
        };
        for field in Fields::of(bytes) {
            match field.map(|field| (field.number, field.value))? {
                (1, Wire::Bytes(tag)) => value.tag = text(tag)?,
                (2, Wire::Fixed32(number)) => {
                    value.datum = Some(DatumView::Simple(f32::from_le_bytes(number)));
                }
                (4, Wire::Bytes(_)) => value.datum = Some(DatumView::Image),
                (5, Wire::Bytes(_)) => value.datum = Some(DatumView::Histo),
                (6, Wire::Bytes(_)) => value.datum = Some(DatumView::Audio),
                (8, Wire::Bytes(tensor)) => {
                    value.datum = Some(DatumView::Tensor(TensorView::parse(tensor)?));
                }
                (9, Wire::Bytes(metadata)) => value.metadata = Some(MetadataView::parse(metadata)?),
                _ => {}
            }
        }
        Ok(value)
    }
}

impl<'a> MetadataView<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, WireError> {
        let mut metadata = Self {
            plugin: "",
            data_class: 0,
            has_words: false,
        };
        for field in Fields::of(bytes) {
            match field.map(|field| (field.number, field.value))? {
                (1, Wire::Bytes(plugin)) => {
                    for field in Fields::of(plugin) {
                        if let (1, Wire::Bytes(name)) = field.map(|field| (field.number, field.value))? {
                            metadata.plugin = text(name)?;
                        }
                    }
                }
                (2 | 3, Wire::Bytes(words)) => metadata.has_words |= !words.is_empty(),
                (4, Wire::Varint(class)) => metadata.data_class = class as i32,
                _ => {}
            }
        }
        Ok(metadata)
    }
}

impl<'a> TensorView<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, WireError> {
        let mut tensor = Self {
            dtype: 0,
            shape: None,
            bytes,
        };
        for field in Fields::of(bytes) {
            match field.map(|field| (field.number, field.value))? {
                (1, Wire::Varint(dtype)) => tensor.dtype = dtype as i32,
                (2, Wire::Bytes(shape)) => tensor.shape = Some(shape),
                _ => {}
            }
        }
        Ok(tensor)
    }

    /// The sizes of its dimensions; `None` when it has no shape.
    pub fn shape(&self) -> Option<impl Iterator<Item = i64> + use<'a>> {
        let dims = Fields::of(self.shape?).filter_map(|field| match field.ok()? {
            Field {
                number: 2,
                value: Wire::Bytes(dim),
            } => Some(size_of_dim(dim)),
            _ => None,
        });
        Some(dims)
    }

    /// Its only element, when it is one number.
    pub fn number(&self) -> Option<Number> {
        if self.shape().is_some_and(|mut sizes| sizes.any(|size| size != 1)) {
            return None;
        }
        let dtype = DataType::try_from(self.dtype).ok()?;
        Fields::of(self.bytes).find_map(|field| number_in(dtype, field.ok()?))
    }

    /// Its first element, when it is of strings.
    pub fn first_string(&self) -> Option<&'a [u8]> {
        Fields::of(self.bytes).find_map(|field| match field.ok()? {
            Field {
                number: 8,
                value: Wire::Bytes(string),
            } => Some(string),
            _ => None,
        })
    }
}

fn size_of_dim(dim: &[u8]) -> i64 {
    let size = Fields::of(dim).find_map(|field| match field.ok()? {
        Field {
            number: 1,
            value: Wire::Varint(size),
        } => Some(size as i64),
        _ => None,
    });
    size.unwrap_or(0)
}

/// The first number in a field that holds elements of type `dtype`.
fn number_in(dtype: DataType, field: Field<'_>) -> Option<Number> {
    let single = |bytes: &[u8]| Some(Number::Single(f32::from_le_bytes(*bytes.first_chunk()?)));
    let double = |bytes: &[u8]| Some(Number::Double(f64::from_le_bytes(*bytes.first_chunk()?)));
    let integer = |number: u64| Some(Number::Double(number as i64 as f64));
    match (dtype, field.number, field.value) {
        (DataType::Float, 4 | 5, Wire::Bytes(bytes)) => single(bytes),
        (DataType::Float, 5, Wire::Fixed32(bytes)) => single(&bytes),
        (DataType::Double, 4 | 6, Wire::Bytes(bytes)) => double(bytes),
        (DataType::Double, 6, Wire::Fixed64(bytes)) => double(&bytes),
        (DataType::Int32, 4, Wire::Bytes(bytes)) => {
            Some(Number::Double(i32::from_le_bytes(*bytes.first_chunk()?).into()))
        }
        (DataType::Int64, 4, Wire::Bytes(bytes)) => integer(u64::from_le_bytes(*bytes.first_chunk()?)),
        (DataType::Int32, 7, Wire::Varint(number)) | (DataType::Int64, 10, Wire::Varint(number)) => {
            integer(number)
        }
        (DataType::Int32, 7, Wire::Bytes(packed)) | (DataType::Int64, 10, Wire::Bytes(packed)) => {
            integer(Fields::of(packed).varint().ok()?)
        }
        _ => None,
    }
}

impl Number {
    /// As a double.
    pub fn as_f64(self) -> f64 {
        match self {
            Self::Single(number) => number.into(),
            Self::Double(number) => number,
        }
    }
}

/// The fewest digits that read back as the same number: `0.1`, `1e30`, `NaN`, `Infinity`, `-Infinity`.
impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.as_f64() {
            f64::INFINITY => f.write_str("Infinity"),
            f64::NEG_INFINITY => f.write_str("-Infinity"),
            _ => match self {
                Self::Single(number) => write!(f, "{number:?}"),
                Self::Double(number) => write!(f, "{number:?}"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::messages::{
        DataClass, Datum, Dim, Event, EventPayload, PluginData, Summary, SummaryMetadata, TensorProto,
        TensorShapeProto, Value,
    };
    use super::*;
    use prost::Message;

    fn tensor(dtype: DataType) -> TensorProto {
        TensorProto {
            dtype: dtype.into(),
            ..TensorProto::default()
        }
    }

    #[track_caller]
    fn check(tensor: &TensorProto, expect: Option<f64>) {
        let bytes = tensor.encode_to_vec();
        let number = TensorView::parse(&bytes).unwrap().number();
        assert_eq!(number.map(Number::as_f64), expect);
    }

    #[test]
    fn every_way_to_store_one_number_is_read() {
        check(
            &TensorProto {
                float_val: vec![0.5],
                ..tensor(DataType::Float)
            },
            Some(0.5),
        );
        check(
            &TensorProto {
                double_val: vec![0.1],
                ..tensor(DataType::Double)
            },
            Some(0.1),
        );
        check(
            &TensorProto {
                int_val: vec![-3],
                ..tensor(DataType::Int32)
            },
            Some(-3.0),
        );
        check(
            &TensorProto {
                int64_val: vec![-4],
                ..tensor(DataType::Int64)
            },
            Some(-4.0),
        );
        let content = |dtype, bytes: &[u8]| TensorProto {
            tensor_content: bytes.to_vec(),
            ..tensor(dtype)
        };
        check(&content(DataType::Float, &0.5f32.to_le_bytes()), Some(0.5));
        check(&content(DataType::Double, &0.1f64.to_le_bytes()), Some(0.1));
        check(&content(DataType::Int32, &(-3i32).to_le_bytes()), Some(-3.0));
        check(&content(DataType::Int64, &(-4i64).to_le_bytes()), Some(-4.0));
        check(&content(DataType::Float, &[1, 2, 3]), None);
        check(
            &TensorProto {
                string_val: vec![vec![1]],
                ..tensor(DataType::String)
            },
            None,
        );
    }

    #[test]
    fn more_than_one_element_is_no_number() {
        let shaped = |sizes: &[i64]| TensorProto {
            tensor_shape: Some(TensorShapeProto {
                dim: sizes.iter().map(|&size| Dim { size }).collect(),
            }),
            float_val: vec![0.5, 0.6],
            ..tensor(DataType::Float)
        };
        check(&shaped(&[]), Some(0.5));
        check(&shaped(&[1, 1]), Some(0.5));
        check(&shaped(&[2]), None);
        check(&shaped(&[0]), None);
    }

    #[test]
    fn an_event_is_seen_as_it_was_written() {
        let value = Value {
            tag: "loss".to_owned(),
            metadata: Some(SummaryMetadata {
                plugin_data: Some(PluginData {
                    plugin_name: "scalars".to_owned(),
                    content: vec![],
                }),
                data_class: DataClass::Scalar.into(),
                ..SummaryMetadata::default()
            }),
            value: Some(Datum::SimpleValue(0.1)),
        };
        let event = Event {
            wall_time: 1.5,
            step: -7,
            what: Some(EventPayload::Summary(Summary { value: vec![value] })),
            source_metadata: None,
        };
        let bytes = event.encode_to_vec();
        let view = EventView::parse(&bytes).unwrap();
        assert_eq!((view.wall_time, view.step), (1.5, -7));
        let PayloadView::Summary(summary) = view.content else {
            panic!("{view:?}")
        };
        let value = summary.values().next().unwrap().unwrap();
        assert_eq!((value.tag, value.metadata.unwrap().plugin), ("loss", "scalars"));
        assert!(matches!(value.datum, Some(DatumView::Simple(0.1))));
    }

    #[test]
    fn numbers_are_written_with_the_fewest_digits() {
        assert_eq!(Number::Single(0.1).to_string(), "0.1");
        assert_eq!(
            Number::Double(f64::from(0.1f32)).to_string(),
            "0.10000000149011612"
        );
        assert_eq!(Number::Single(1e30).to_string(), "1e30");
        assert_eq!(Number::Single(f32::NAN).to_string(), "NaN");
        assert_eq!(Number::Double(f64::NEG_INFINITY).to_string(), "-Infinity");
    }
}
