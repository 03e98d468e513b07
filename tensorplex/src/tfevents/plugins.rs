//! The messages that dashboards of TensorBoard want beside or inside their values.
//!
//! Numbers and types are those of `plugin_data.proto` of the image, audio, PR curve, mesh and hparams plugins, of the
//! custom scalars plugin's `layout.proto`, and of `google.protobuf.Value`. Maps are sorted: the same input gives the same bytes.

use std::collections::BTreeMap;

/// Metadata of the plugin `images`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ImagePluginData {
    /// 0.
    #[prost(int32, tag = "1")]
    pub version: i32,
}

/// Metadata of the plugin `audio`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct AudioPluginData {
    /// 0.
    #[prost(int32, tag = "1")]
    pub version: i32,
    /// [`WAV`].
    #[prost(int32, tag = "2")]
    pub encoding: i32,
}

/// The one encoding of sound there is.
pub const WAV: i32 = 11;

/// Metadata of the plugin `pr_curves`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PrCurvePluginData {
    /// 0.
    #[prost(int32, tag = "1")]
    pub version: i32,
    /// Number of points of a curve.
    #[prost(uint32, tag = "2")]
    pub num_thresholds: u32,
}

/// Metadata of the plugin `mesh`, stated in each part of a mesh.
#[derive(Clone, PartialEq, prost::Message)]
pub struct MeshPluginData {
    /// 0.
    #[prost(int32, tag = "1")]
    pub version: i32,
    /// The mesh's name: what its parts have in common.
    #[prost(string, tag = "2")]
    pub name: String,
    /// Which part this is.
    #[prost(enumeration = "MeshPart", tag = "3")]
    pub content_type: i32,
    /// Settings of three.js, as JSON.
    #[prost(string, tag = "5")]
    pub json_config: String,
    /// Shape of the part's tensor.
    #[prost(int32, repeated, tag = "6")]
    pub shape: Vec<i32>,
    /// Which parts there are: bit `n` is set when part `n` is there.
    #[prost(uint32, tag = "7")]
    pub components: u32,
}

/// A part of a mesh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum MeshPart {
    /// Not said.
    Undefined = 0,
    /// Points.
    Vertex = 1,
    /// Triangles.
    Face = 2,
    /// Colours of the points.
    Color = 3,
}

/// The value of `custom_scalars__config__`: which charts the custom scalars dashboard shows.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Layout {
    /// 0.
    #[prost(int32, tag = "1")]
    pub version: i32,
    /// Sections.
    #[prost(message, repeated, tag = "2")]
    pub category: Vec<Category>,
}

/// A section of charts.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Category {
    /// Its title.
    #[prost(string, tag = "1")]
    pub title: String,
    /// Its charts.
    #[prost(message, repeated, tag = "2")]
    pub chart: Vec<Chart>,
    /// True if it is collapsed at first.
    #[prost(bool, tag = "3")]
    pub closed: bool,
}

/// A chart.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Chart {
    /// Its title.
    #[prost(string, tag = "1")]
    pub title: String,
    /// Content of the chart.
    #[prost(oneof = "ChartContent", tags = "2, 3")]
    pub content: Option<ChartContent>,
}

/// Content of a chart.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum ChartContent {
    /// Several series.
    #[prost(message, tag = "2")]
    Multiline(Multiline),
    /// Series within margins.
    #[prost(message, tag = "3")]
    Margin(Margin),
}

/// Several series in one chart.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Multiline {
    /// Regular expressions, matched from the start of a tag.
    #[prost(string, repeated, tag = "1")]
    pub tag: Vec<String>,
}

/// Series within margins.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Margin {
    /// The series.
    #[prost(message, repeated, tag = "1")]
    pub series: Vec<MarginSeries>,
}

/// A series between two others. Each is a tag, not an expression.
#[derive(Clone, PartialEq, prost::Message)]
pub struct MarginSeries {
    /// The series.
    #[prost(string, tag = "1")]
    pub value: String,
    /// The one below it.
    #[prost(string, tag = "2")]
    pub lower: String,
    /// The one above it.
    #[prost(string, tag = "3")]
    pub upper: String,
}

/// Metadata of the plugin `hparams`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct HParamsPluginData {
    /// 0.
    #[prost(int32, tag = "1")]
    pub version: i32,
    /// Kind of the event.
    #[prost(oneof = "HParamsData", tags = "3, 4")]
    pub data: Option<HParamsData>,
}

/// Hyperparameters and status of a session.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum HParamsData {
    /// It starts.
    #[prost(message, tag = "3")]
    Start(SessionStartInfo),
    /// It is over.
    #[prost(message, tag = "4")]
    End(SessionEndInfo),
}

/// A session starts.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SessionStartInfo {
    /// Its settings.
    #[prost(btree_map = "string, message", tag = "1")]
    pub hparams: BTreeMap<String, HParamProto>,
    /// Joins repeated trials.
    #[prost(string, tag = "4")]
    pub group_name: String,
    /// Seconds since 1970.
    #[prost(double, tag = "5")]
    pub start_time_secs: f64,
}

/// A session is over.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SessionEndInfo {
    /// Final status.
    #[prost(enumeration = "SessionEnd", tag = "1")]
    pub status: i32,
    /// Seconds since 1970.
    #[prost(double, tag = "2")]
    pub end_time_secs: f64,
}

/// Final status of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum SessionEnd {
    /// Not said.
    Unknown = 0,
    /// Well.
    Success = 1,
    /// Not well.
    Failure = 2,
    /// Not at all.
    Running = 3,
}

/// A setting: `google.protobuf.Value` without lists and structures.
#[derive(Clone, PartialEq, prost::Message)]
pub struct HParamProto {
    /// The value.
    #[prost(oneof = "HParamKind", tags = "2, 3, 4")]
    pub kind: Option<HParamKind>,
}

/// The value of a setting.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum HParamKind {
    /// A number.
    #[prost(double, tag = "2")]
    Number(f64),
    /// A text.
    #[prost(string, tag = "3")]
    Text(String),
    /// A truth value.
    #[prost(bool, tag = "4")]
    Bool(bool),
}
