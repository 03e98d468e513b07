//! From an ONNX model to the graph that TensorBoard shows.
//!
//! ```text
//! input of the graph        node "Variable" with its type and shape
//! node                      node named after its first output; another output is "<first>:<n>"
//! attributes of the node    text in the attribute "parameters"
//! initializers              left out: they are the weights
//! ```
//!
//! Numbers and types are those of `onnx.proto` and of TensorFlow's `graph.proto`, `node_def.proto` and `attr_value.proto`; the
//! form is that of torch's `add_onnx_graph`. Unlike there, an output of the graph is no node beside the one that makes it:
//! two nodes would have the same name. Types are translated: the two lists of types are numbered differently.

use std::collections::{BTreeMap, HashMap, HashSet};

use prost::Message as _;

use crate::tfevents::messages::{Dim, TensorShapeProto};
use crate::value::RecordError;

#[derive(Clone, PartialEq, prost::Message)]
struct Model {
    #[prost(message, optional, tag = "7")]
    graph: Option<Onnx>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Onnx {
    #[prost(message, repeated, tag = "1")]
    node: Vec<OnnxNode>,
    #[prost(message, repeated, tag = "5")]
    initializer: Vec<Initializer>,
    #[prost(message, repeated, tag = "11")]
    input: Vec<Input>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct OnnxNode {
    #[prost(string, repeated, tag = "1")]
    input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    output: Vec<String>,
    #[prost(string, tag = "3")]
    name: String,
    #[prost(string, tag = "4")]
    op_type: String,
    #[prost(message, repeated, tag = "5")]
    attribute: Vec<OnnxAttribute>,
}

/// Weight of a model; only its name is read.
#[derive(Clone, PartialEq, prost::Message)]
struct Initializer {
    #[prost(string, tag = "8")]
    name: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct OnnxAttribute {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(float, optional, tag = "2")]
    f: Option<f32>,
    #[prost(int64, optional, tag = "3")]
    i: Option<i64>,
    #[prost(bytes = "vec", optional, tag = "4")]
    s: Option<Vec<u8>>,
    #[prost(float, repeated, tag = "7")]
    floats: Vec<f32>,
    #[prost(int64, repeated, tag = "8")]
    ints: Vec<i64>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Input {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    r#type: Option<InputType>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct InputType {
    #[prost(message, optional, tag = "1")]
    tensor: Option<TensorType>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct TensorType {
    #[prost(int32, tag = "1")]
    elem_type: i32,
    #[prost(message, optional, tag = "2")]
    shape: Option<OnnxShape>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct OnnxShape {
    #[prost(message, repeated, tag = "1")]
    dim: Vec<OnnxDim>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct OnnxDim {
    #[prost(int64, optional, tag = "1")]
    size: Option<i64>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct GraphDef {
    #[prost(message, repeated, tag = "1")]
    node: Vec<NodeDef>,
    #[prost(message, optional, tag = "4")]
    versions: Option<Versions>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Versions {
    #[prost(int32, tag = "1")]
    producer: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct NodeDef {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    op: String,
    #[prost(string, repeated, tag = "3")]
    input: Vec<String>,
    #[prost(btree_map = "string, message", tag = "5")]
    attr: BTreeMap<String, Attr>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Attr {
    #[prost(oneof = "AttrValue", tags = "2, 6, 7")]
    value: Option<AttrValue>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum AttrValue {
    #[prost(bytes, tag = "2")]
    Text(Vec<u8>),
    #[prost(int32, tag = "6")]
    Type(i32),
    #[prost(message, tag = "7")]
    Shape(TensorShapeProto),
}

/// The version of TensorFlow's graphs that torch writes.
const PRODUCER: i32 = 22;
/// An axis whose size is not known.
const UNKNOWN: i64 = -1;

/// The serialized `GraphDef` of a serialized `ModelProto`.
pub(super) fn graph_def(model: &[u8]) -> Result<Vec<u8>, RecordError> {
    let model = Model::decode(model).map_err(|why| RecordError::NoMessage(why.to_string()))?;
    let graph = model.graph.ok_or(RecordError::NoRecord)?;
    let weights: HashSet<&str> = graph
        .initializer
        .iter()
        .map(|weight| weight.name.as_str())
        .collect();
    let names = names(&graph.node);
    let inputs = graph
        .input
        .iter()
        .filter(|input| !weights.contains(input.name.as_str()));
    let mut node: Vec<NodeDef> = inputs.map(variable).collect();
    node.extend(graph.node.iter().map(|node| operation(node, &names)));
    if node.is_empty() {
        return Err(RecordError::NoRecord);
    }
    let versions = Some(Versions { producer: PRODUCER });
    Ok(GraphDef { node, versions }.encode_to_vec())
}

/// Names in the graph of those node outputs that are not called by their own name.
fn names(nodes: &[OnnxNode]) -> HashMap<&str, String> {
    let named = nodes.iter().flat_map(|node| {
        let later = node.output.iter().enumerate().skip(1);
        later.map(|(n, output)| (output.as_str(), format!("{}:{n}", name_of(node))))
    });
    named.collect()
}

fn name_of(node: &OnnxNode) -> &str {
    node.output
        .iter()
        .map(String::as_str)
        .find(|name| !name.is_empty())
        .unwrap_or(&node.name)
}

fn variable(input: &Input) -> NodeDef {
    let tensor = input
        .r#type
        .as_ref()
        .and_then(|of| of.tensor.clone())
        .unwrap_or_default();
    let dims = tensor.shape.unwrap_or_default().dim.into_iter();
    let shape = TensorShapeProto {
        dim: dims
            .map(|dim| Dim {
                size: dim.size.unwrap_or(UNKNOWN),
            })
            .collect(),
    };
    let attr = [
        ("dtype", AttrValue::Type(tensorflow_type(tensor.elem_type))),
        ("shape", AttrValue::Shape(shape)),
    ];
    NodeDef {
        name: input.name.clone(),
        op: "Variable".to_owned(),
        input: Vec::new(),
        attr: attr
            .map(|(name, value)| (name.to_owned(), Attr { value: Some(value) }))
            .into(),
    }
}

fn operation(node: &OnnxNode, names: &HashMap<&str, String>) -> NodeDef {
    let inputs = node.input.iter().filter(|input| !input.is_empty());
    let words: Vec<String> = node.attribute.iter().map(OnnxAttribute::words).collect();
    let value = Some(AttrValue::Text(words.join(", ").into_bytes()));
    NodeDef {
        name: name_of(node).to_owned(),
        op: node.op_type.clone(),
        input: inputs
            .map(|input| names.get(input.as_str()).unwrap_or(input).clone())
            .collect(),
        attr: [("parameters".to_owned(), Attr { value })].into(),
    }
}

impl OnnxAttribute {
    fn words(&self) -> String {
        let value = match self {
            Self { f: Some(number), .. } => number.to_string(),
            Self { i: Some(number), .. } => number.to_string(),
            Self { s: Some(text), .. } => String::from_utf8_lossy(text).into_owned(),
            Self { floats, .. } if !floats.is_empty() => format!("{floats:?}"),
            Self { ints, .. } if !ints.is_empty() => format!("{ints:?}"),
            _ => "…".to_owned(),
        };
        format!("{} = {value}", self.name)
    }
}

/// TensorFlow's number of a type of ONNX; 0, which is no type, for those that it has not.
fn tensorflow_type(onnx: i32) -> i32 {
    const FROM_ONNX: [i32; 17] = [0, 1, 4, 6, 17, 5, 3, 9, 7, 10, 19, 2, 22, 23, 8, 18, 14];
    usize::try_from(onnx)
        .ok()
        .and_then(|at| FROM_ONNX.get(at))
        .copied()
        .unwrap_or(0)
}
