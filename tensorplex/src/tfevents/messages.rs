//! The messages inside an event file, as far as we use them.
//!
//! Numbers and types are those of TensorFlow's `event.proto`, `summary.proto`, `histogram.proto`, `tensor.proto` and
//! `tensor_shape.proto`. Fields that are not declared here are skipped on reading.

/// One record.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Event {
    /// Seconds since 1970. Must be finite: TensorBoard's data server gives a file up at a NaN.
    #[prost(double, tag = "1")]
    pub wall_time: f64,
    /// The global step.
    #[prost(int64, tag = "2")]
    pub step: i64,
    /// Content of the event.
    #[prost(oneof = "EventPayload", tags = "3, 4, 5, 7, 8")]
    pub what: Option<EventPayload>,
    /// Writer of the file.
    #[prost(message, optional, tag = "10")]
    pub source_metadata: Option<SourceMetadata>,
}

/// Content of an event.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum EventPayload {
    /// A file starts.
    #[prost(string, tag = "3")]
    FileVersion(String),
    /// A serialized `GraphDef`.
    #[prost(bytes, tag = "4")]
    GraphDef(Vec<u8>),
    /// Values.
    #[prost(message, tag = "5")]
    Summary(Summary),
    /// A training session starts or ends.
    #[prost(message, tag = "7")]
    SessionLog(SessionLog),
    /// Time and memory used by one execution of a graph.
    #[prost(message, tag = "8")]
    TaggedRunMetadata(TaggedRunMetadata),
}

/// Time and memory used by one execution of a graph.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TaggedRunMetadata {
    /// Its name in the graph dashboard.
    #[prost(string, tag = "1")]
    pub tag: String,
    /// A serialized `RunMetadata`.
    #[prost(bytes = "vec", tag = "2")]
    pub run_metadata: Vec<u8>,
}

/// Writer of the file.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SourceMetadata {
    /// The writer's name.
    #[prost(string, tag = "1")]
    pub writer: String,
}

/// A training session starts or ends.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SessionLog {
    /// Kind of the event.
    #[prost(enumeration = "SessionStatus", tag = "1")]
    pub status: i32,
}

/// Status of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum SessionStatus {
    /// Not said.
    Unspecified = 0,
    /// It starts; in the second and later files of a run it purges steps from its own on.
    Start = 1,
    /// It ends.
    Stop = 2,
    /// It wrote a checkpoint.
    Checkpoint = 3,
}

/// Values of one step.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Summary {
    /// The values.
    #[prost(message, repeated, tag = "1")]
    pub value: Vec<Value>,
}

/// One value of one tag.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Value {
    /// The name of the series.
    #[prost(string, tag = "1")]
    pub tag: String,
    /// Metadata of the series. Readers look at the first value of a tag only.
    #[prost(message, optional, tag = "9")]
    pub metadata: Option<SummaryMetadata>,
    /// The value.
    #[prost(oneof = "Datum", tags = "2, 4, 5, 6, 8")]
    pub value: Option<Datum>,
}

/// The value of a [`Value`].
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Datum {
    /// A scalar.
    #[prost(float, tag = "2")]
    SimpleValue(f32),
    /// An image in the old form.
    #[prost(message, tag = "4")]
    Image(ImageProto),
    /// A histogram in the old form.
    #[prost(message, tag = "5")]
    Histo(HistogramProto),
    /// Sound in the old form.
    #[prost(message, tag = "6")]
    Audio(AudioProto),
    /// Everything else.
    #[prost(message, tag = "8")]
    Tensor(TensorProto),
}

/// Metadata of the series of a tag.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SummaryMetadata {
    /// The dashboard that shows it.
    #[prost(message, optional, tag = "1")]
    pub plugin_data: Option<PluginData>,
    /// Shown instead of the tag.
    #[prost(string, tag = "2")]
    pub display_name: String,
    /// Shown beside it, as Markdown.
    #[prost(string, tag = "3")]
    pub summary_description: String,
    /// Storage class in readers.
    #[prost(enumeration = "DataClass", tag = "4")]
    pub data_class: i32,
}

/// A dashboard and what it wants to know.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PluginData {
    /// Its name.
    #[prost(string, tag = "1")]
    pub plugin_name: String,
    /// A message of its own.
    #[prost(bytes = "vec", tag = "2")]
    pub content: Vec<u8>,
}

/// Storage class of a series in readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum DataClass {
    /// Derived from the plugin's name, for those that the reader knows.
    Unknown = 0,
    /// One number a step.
    Scalar = 1,
    /// One tensor a step.
    Tensor = 2,
    /// A list of files a step.
    BlobSequence = 3,
}

/// An image in the old form.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ImageProto {
    /// Height in pixels.
    #[prost(int32, tag = "1")]
    pub height: i32,
    /// Width in pixels.
    #[prost(int32, tag = "2")]
    pub width: i32,
    /// Number of channels.
    #[prost(int32, tag = "3")]
    pub colorspace: i32,
    /// The file: PNG, JPEG or GIF.
    #[prost(bytes = "vec", tag = "4")]
    pub encoded_image_string: Vec<u8>,
}

/// Sound in the old form.
#[derive(Clone, PartialEq, prost::Message)]
pub struct AudioProto {
    /// Frames a second.
    #[prost(float, tag = "1")]
    pub sample_rate: f32,
    /// Number of channels.
    #[prost(int64, tag = "2")]
    pub num_channels: i64,
    /// Number of frames.
    #[prost(int64, tag = "3")]
    pub length_frames: i64,
    /// The file: WAV.
    #[prost(bytes = "vec", tag = "4")]
    pub encoded_audio_string: Vec<u8>,
    /// Its media type.
    #[prost(string, tag = "5")]
    pub content_type: String,
}

/// A histogram in the old form.
#[derive(Clone, PartialEq, prost::Message)]
pub struct HistogramProto {
    /// Smallest value.
    #[prost(double, tag = "1")]
    pub min: f64,
    /// Largest value.
    #[prost(double, tag = "2")]
    pub max: f64,
    /// Number of values.
    #[prost(double, tag = "3")]
    pub num: f64,
    /// Their sum.
    #[prost(double, tag = "4")]
    pub sum: f64,
    /// The sum of their squares.
    #[prost(double, tag = "5")]
    pub sum_squares: f64,
    /// Right edges.
    #[prost(double, repeated, tag = "6")]
    pub bucket_limit: Vec<f64>,
    /// Counts, as many as edges.
    #[prost(double, repeated, tag = "7")]
    pub bucket: Vec<f64>,
}

/// A tensor.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TensorProto {
    /// Type of the elements.
    #[prost(enumeration = "DataType", tag = "1")]
    pub dtype: i32,
    /// Its shape.
    #[prost(message, optional, tag = "2")]
    pub tensor_shape: Option<TensorShapeProto>,
    /// The elements as they lie in memory, little endian; or one of the lists below.
    #[prost(bytes = "vec", tag = "4")]
    pub tensor_content: Vec<u8>,
    /// Elements of [`DataType::Float`].
    #[prost(float, repeated, tag = "5")]
    pub float_val: Vec<f32>,
    /// Elements of [`DataType::Double`].
    #[prost(double, repeated, tag = "6")]
    pub double_val: Vec<f64>,
    /// Elements of [`DataType::Int32`] and all smaller integers.
    #[prost(int32, repeated, tag = "7")]
    pub int_val: Vec<i32>,
    /// Elements of [`DataType::String`].
    #[prost(bytes = "vec", repeated, tag = "8")]
    pub string_val: Vec<Vec<u8>>,
    /// Elements of [`DataType::Int64`].
    #[prost(int64, repeated, tag = "10")]
    pub int64_val: Vec<i64>,
    /// Elements of [`DataType::Bool`].
    #[prost(bool, repeated, tag = "11")]
    pub bool_val: Vec<bool>,
    /// Bits of 16-bit floating point elements.
    #[prost(int32, repeated, tag = "13")]
    pub half_val: Vec<i32>,
    /// Unsigned 32-bit elements.
    #[prost(uint32, repeated, tag = "16")]
    pub uint32_val: Vec<u32>,
    /// Unsigned 64-bit elements.
    #[prost(uint64, repeated, tag = "17")]
    pub uint64_val: Vec<u64>,
}

/// Type of a tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum DataType {
    /// Not said.
    Invalid = 0,
    /// 32-bit floating point.
    Float = 1,
    /// 64-bit floating point.
    Double = 2,
    /// 32-bit integers.
    Int32 = 3,
    /// Bytes.
    UInt8 = 4,
    /// Byte strings.
    String = 7,
    /// 64-bit integers.
    Int64 = 9,
    /// Truth values.
    Bool = 10,
}

/// Shape of a tensor.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TensorShapeProto {
    /// One entry per dimension.
    #[prost(message, repeated, tag = "2")]
    pub dim: Vec<Dim>,
}

/// One dimension.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Dim {
    /// Its size.
    #[prost(int64, tag = "1")]
    pub size: i64,
}
