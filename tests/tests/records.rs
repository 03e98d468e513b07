//! Kinds of records, from a worker to both readers of TensorBoard.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tensorplex::tfevents::bucket;
use tensorplex::{TensorplexClient, Writer};
use tensorplex_tests::{Broker, DEADLINE, TestServer, dump};

const RUN: &str = "agent/17";
const WEIGHTS: [f64; 4] = [-1.0, 0.5, 2.0, 2.0];

/// Records at `step` and the three steps after it.
fn record(log: &Writer, step: i64) {
    for (value, step) in [0.5, f64::NAN, f64::INFINITY, f64::NEG_INFINITY]
        .into_iter()
        .zip(step..)
    {
        log.scalar("loss", value, step);
    }
    log.histogram("weights", &WEIGHTS, step);
    log.text("note", "**two** lines\nand ümläut", step);
    log.flush(DEADLINE).unwrap();
}

fn scalars(steps: &[i64]) -> Value {
    let values = ["NaN", "Infinity", "-Infinity"].map(Value::from);
    let points = steps.iter().flat_map(|&step| {
        let values = std::iter::once(json!(0.5)).chain(values.clone());
        values.zip(step..).map(|(value, step)| json!([step, value]))
    });
    json!({"kind": "scalar", "plugin": "scalars", "points": points.collect::<Value>()})
}

fn series(plugin: &str, value: &Value, steps: &[i64]) -> Value {
    let points = steps.iter().map(|step| json!([step, value]));
    json!({"kind": "tensor", "plugin": plugin, "points": points.collect::<Value>()})
}

/// Checks that both readers show the records of [`record`] at each of `steps`, and `more`.
#[track_caller]
fn check(server: &TestServer, steps: &[i64], more: Option<(&str, Value)>) {
    let mut expected = json!({
        "loss": scalars(steps),
        "weights": series("histograms", &json!(bucket(&WEIGHTS)), steps),
        "note/text_summary": series("text", &json!(["**two** lines\nand ümläut"]), steps),
    });
    if let Some((tag, series)) = more {
        expected[tag] = series;
    }
    let seen = dump(server.logdir());
    for reader in ["rust", "python"] {
        assert_eq!(
            without_times(&seen[reader]),
            json!({RUN: expected}),
            "{reader} reader"
        );
    }
}

/// Removes the wall times, each of which must lie within the last hour.
fn without_times(runs: &Value) -> Value {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs_f64();
    let mut runs = runs.clone();
    for tags in runs.as_object_mut().unwrap().values_mut() {
        for series in tags.as_object_mut().unwrap().values_mut() {
            for point in series["points"].as_array_mut().unwrap() {
                let time = point.as_array_mut().unwrap().remove(2).as_f64().unwrap();
                assert!((now - 3600.0..=now).contains(&time), "{point} at {time}");
            }
        }
    }
    runs
}

fn every_kind_of_record_arrives_unchanged(broker: &Broker) {
    let mut server = TestServer::start(broker);
    let log = Writer::connect(server.address(), RUN).unwrap();
    record(&log, 0);
    check(&server, &[0], None);

    server.kill_and_restart();
    record(&log, 10);
    check(&server, &[0, 10], None);

    // A tag keeps its kind over the crash.
    let client = TensorplexClient::connect(server.address(), tensorplex::QUEUE, RUN).unwrap();
    let changed = client.add_scalar("weights", 1.0, Some(20), None);
    let also = client.add_histogram("loss", &WEIGHTS, Some(20), None);
    log.scalar("other", 0.25, 20);
    log.flush(DEADLINE).unwrap();
    for (call, was, now) in [(changed, "histogram", "scalar"), (also, "scalar", "histogram")] {
        let error = call.get_timeout(DEADLINE).unwrap_err().to_string();
        assert!(error.contains(&format!("is a {was}, not a {now}")), "{error}");
    }
    let other = json!({"kind": "scalar", "plugin": "scalars", "points": [[20, 0.25]]});
    server.wait_for_log(&["INFO", " refused=2"]);
    assert_eq!(server.log().matches("cause=\"error of the object\"").count(), 1);
    server.stop();
    check(&server, &[0, 10], Some(("other", other)));
}

#[test]
fn every_kind_of_record_arrives_unchanged_through_redis() {
    every_kind_of_record_arrives_unchanged(&Broker::redis());
}

#[test]
fn every_kind_of_record_arrives_unchanged_through_the_embedded_broker() {
    every_kind_of_record_arrives_unchanged(&Broker::Embedded);
}
