//! Graphs: a serialized `GraphDef` beside the values of a run, and what running it cost.

use prost::Message as _;

use super::onnx::graph_def;
use super::{Encode, Record, bad_shape, owned_tag};
use crate::tfevents::messages::{EventPayload, TaggedRunMetadata};
use crate::value::RecordError;

/// Longest graph or profile, in bytes: 60 MiB.
pub const MAX_GRAPH: usize = 60 << 20;

/// A graph. A run has one: readers show the newest.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph(Vec<u8>);

/// Time and memory used by one execution of a graph.
#[derive(Clone, Debug, PartialEq)]
pub struct GraphProfile(TaggedRunMetadata);

impl Graph {
    /// A serialized `tensorflow.GraphDef`.
    ///
    /// # Errors
    /// When there are no bytes, or more than [`MAX_GRAPH`].
    pub fn new(graph_def: Vec<u8>) -> Result<Self, RecordError> {
        check_length("graph", &graph_def)?;
        Ok(Self(graph_def))
    }
}

impl Graph {
    /// The graph of an ONNX model: the bytes of a `.onnx` file. Its weights are left out.
    ///
    /// # Errors
    /// When the bytes are no model, it has no nodes, or its graph is longer than [`MAX_GRAPH`].
    pub fn from_onnx(model: &[u8]) -> Result<Self, RecordError> {
        Self::new(graph_def(model)?)
    }
}

impl GraphProfile {
    /// A serialized `tensorflow.RunMetadata`; `tag` is its name in the graph dashboard.
    ///
    /// # Errors
    /// When the tag cannot be used, there are no bytes, or more than [`MAX_GRAPH`].
    pub fn new(tag: &str, run_metadata: Vec<u8>) -> Result<Self, RecordError> {
        check_length("graph profile", &run_metadata)?;
        Ok(Self(TaggedRunMetadata {
            tag: owned_tag(tag)?,
            run_metadata,
        }))
    }
}

fn check_length(what: &'static str, bytes: &[u8]) -> Result<(), RecordError> {
    match bytes.len() {
        1..=MAX_GRAPH => Ok(()),
        odd => Err(bad_shape(
            what,
            format!("{odd} bytes"),
            format!("1 to {MAX_GRAPH}"),
        )),
    }
}

impl Encode for Graph {
    fn encode(self, _: f64) -> Result<Record, RecordError> {
        Ok(Record::event(EventPayload::GraphDef(self.0)))
    }

    fn held_bytes(&self) -> usize {
        self.0.len()
    }
}

impl Encode for GraphProfile {
    fn encode(self, _: f64) -> Result<Record, RecordError> {
        Ok(Record::event(EventPayload::TaggedRunMetadata(self.0)))
    }

    fn held_bytes(&self) -> usize {
        self.0.encoded_len()
    }
}
