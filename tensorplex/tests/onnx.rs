//! The graph of an ONNX model against that of tensorboardX.

mod common;

use prost::Message;
use tensorplex::RecordError;
use tensorplex::records::Graph;
use tensorplex::tfevents::messages::EventPayload;

/// Parts of TensorFlow's graph that are compared.
#[derive(Clone, PartialEq, Message)]
struct GraphDef {
    #[prost(message, repeated, tag = "1")]
    node: Vec<Node>,
}

#[derive(Clone, PartialEq, Message)]
struct Node {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    op: String,
    #[prost(string, repeated, tag = "3")]
    input: Vec<String>,
}

fn nodes(graph: Graph) -> Vec<(String, String, Vec<String>)> {
    let Some(EventPayload::GraphDef(graph)) = common::event_of(graph, None, None).what else {
        panic!("no graph")
    };
    let graph = GraphDef::decode(&graph[..]).unwrap();
    graph
        .node
        .into_iter()
        .map(|node| (node.name, node.op, node.input))
        .collect()
}

#[test]
fn a_model_has_the_nodes_that_others_show() {
    let fixture: serde_json::Value =
        serde_json::from_str(include_str!("../../tests/fixtures/onnx.json")).unwrap();
    let hex = fixture["model"].as_str().unwrap();
    let model = (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap());
    let model: Vec<u8> = model.collect();
    let expected: Vec<(String, String, Vec<String>)> =
        serde_json::from_value(fixture["nodes"].clone()).unwrap();
    assert_eq!(nodes(Graph::from_onnx(&model).unwrap()), expected);
    // A model that ends too early is none, or has no nodes.
    for length in 0..model.len() {
        match Graph::from_onnx(&model[..length]) {
            Ok(_) | Err(RecordError::NoMessage(_) | RecordError::NoRecord) => {}
            Err(other) => panic!("{length} bytes: {other}"),
        }
    }
}
