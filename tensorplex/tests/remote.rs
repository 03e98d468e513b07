//! The methods as clients in any language call them.

mod common;

use std::collections::BTreeMap;

use common::{Disk, at, id, values};
use remotecall::{Args, CallError, Durable, Remote, rmp_serde};
use serde_json::{Value, json};
use tensorplex::tfevents::messages::Datum;
use tensorplex::{Tensorplex, TensorplexClient};

/// Calls a method with positional and named arguments.
fn call(plex: &mut Tensorplex, method: &str, positional: &Value, named: &Value) -> Result<(), CallError> {
    let mut bytes = rmp_serde::to_vec(positional).unwrap();
    let named: BTreeMap<String, Value> = serde_json::from_value(named.clone()).unwrap();
    bytes.extend(rmp_serde::to_vec(&named).unwrap());
    let args = Args::parse(&bytes, true).unwrap();
    let number = plex.method(method).unwrap();
    plex.call(&at(&id("a")), number, &args, &mut Vec::new())
}

#[test]
fn methods_and_arguments_are_called_as_in_torch() {
    let list = TensorplexClient::<remotecall::Returning>::METHODS.iter();
    let list: Vec<String> = list
        .map(|m| format!("{}({})", m.name, m.args.join(", ")))
        .collect();
    assert_eq!(
        list,
        [
            "add_scalar(tag, scalar_value, global_step, walltime)",
            "add_scalars(tag_scalar_dict, global_step, walltime)",
            "add_histogram(tag, values, global_step, walltime)",
            "add_histogram_buckets(tag, buckets, global_step, walltime)",
            "add_text(tag, text_string, global_step, walltime)",
            "add_summary(summary, global_step, walltime)",
            "add_event(event)",
            "add_embedding(files)",
            "add_piece(value, index, count, is_embedding, bytes)",
            "rewind(step)",
            "resume()",
        ]
    );
}

#[test]
fn whole_numbers_are_numbers_and_what_is_optional_can_be_left_out() {
    let disk = Disk::new();
    let mut plex = disk.plex();
    for (method, positional, named) in [
        ("add_scalar", json!(["x", 3]), json!({})),
        (
            "add_scalar",
            json!([]),
            json!({"scalar_value": 3.0, "tag": "x", "global_step": null}),
        ),
        (
            "add_scalars",
            json!([{"z": 1, "y": 2.5}, 7]),
            json!({"walltime": 1}),
        ),
        ("add_histogram", json!(["h", [1, 2.5]]), json!({"global_step": 7})),
        ("add_histogram_buckets", json!(["h", [[0, 1, 2]]]), json!({})),
        ("add_text", json!(["t", "hello"]), json!({})),
    ] {
        call(&mut plex, method, &positional, &named).unwrap();
    }
    plex.commit().unwrap();
    let values = values(&disk.file("a"));
    let tags: Vec<(&str, i64)> = values.iter().map(|(e, v)| (v.tag.as_str(), e.step)).collect();
    let expect = [
        ("x", 0),
        ("x", 0),
        ("y", 7),
        ("z", 7),
        ("h", 7),
        ("h", 0),
        ("t/text_summary", 0),
    ];
    assert_eq!(tags, expect, "JSON objects of the test are sorted by key");
    assert_eq!(values[0].1.value, Some(Datum::SimpleValue(3.0)));
}

#[test]
fn a_refusal_reaches_the_caller() {
    let disk = Disk::new();
    let mut plex = disk.plex();
    let error = call(&mut plex, "add_scalar", &json!(["", 1.0]), &json!({})).unwrap_err();
    assert_eq!(error.to_string(), "RecordError: the tag is empty");
    let error = call(&mut plex, "add_scalar", &json!(["x", "high"]), &json!({})).unwrap_err();
    assert!(
        matches!(error, CallError::BadArgument { ref name, .. } if name == "scalar_value"),
        "{error}"
    );
}

#[test]
fn operating_the_object_is_not_offered() {
    let disk = Disk::new();
    let plex = disk.plex();
    for name in [
        "group",
        "commit",
        "checkpoint",
        "restore",
        "counts",
        "pending_bytes",
        "open",
    ] {
        assert_eq!(plex.method(name), None, "{name}");
    }
}
