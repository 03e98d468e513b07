//! Our bytes against those that others wrote.

use prost::Message;
use tensorplex::tfevents::messages::{Datum, Event, EventPayload, HistogramProto, Summary, Value};
use tensorplex::tfevents::{Encoder, Metadata, Point, RecordReader, append_record, bucket};

fn records(file: &[u8]) -> Vec<Event> {
    let mut reader = RecordReader::new(file);
    std::iter::from_fn(|| reader.next_record().unwrap())
        .map(|payload| Event::decode(&payload[..]).unwrap())
        .collect()
}

/// `tests/fixtures/README.md` has the calls that made it.
#[test]
fn tensorboard_rs_writes_the_same_bytes() {
    let file = include_bytes!("../../tests/fixtures/tensorboard_rs.tfevents");
    let events = records(file);
    assert_eq!(events.len(), 5);

    let mut ours = Vec::new();
    append_record(&mut ours, &events[0]).unwrap();
    let scalars = [("loss", 0.25), ("train/grün", f32::NEG_INFINITY), ("zero", 0.0)];
    let mut encoder = Encoder::default();
    for ((tag, value), event) in scalars.into_iter().zip(&events[1..]) {
        let (step, wall_time) = (event.step, event.wall_time);
        let point = Point { tag, step, wall_time };
        encoder.scalar(&mut ours, point, value).unwrap();
    }
    append_record(&mut ours, &histogram(&events[4])).unwrap();
    assert_eq!(ours, file);
}

fn histogram(like: &Event) -> Event {
    let histo = HistogramProto {
        min: -1.5,
        max: 2.0,
        num: 3.0,
        sum: 0.5,
        sum_squares: 6.25,
        bucket_limit: vec![0.0, 2.0],
        bucket: vec![1.0, 2.0],
    };
    let value = Value {
        tag: "h".into(),
        value: Some(Datum::Histo(histo)),
        ..Value::default()
    };
    Event {
        wall_time: like.wall_time,
        step: 5,
        what: Some(EventPayload::Summary(Summary { value: vec![value] })),
        ..Event::default()
    }
}

#[test]
fn histograms_are_those_of_tensorboard() {
    let cases: serde_json::Value =
        serde_json::from_str(include_str!("../../tests/fixtures/histograms.json")).unwrap();
    for case in cases.as_array().unwrap() {
        let floats = |list: &serde_json::Value| -> Vec<f64> {
            let numbers = list.as_array().unwrap().iter();
            numbers.map(|x| x.as_f64().unwrap()).collect()
        };
        let values = floats(&case["values"]);
        let got = bucket(&values);
        let want: Vec<Vec<f64>> = case["buckets"].as_array().unwrap().iter().map(floats).collect();
        for (n, (got, want)) in got.iter().zip(&want).enumerate() {
            assert_eq!(got[..], want[..], "bucket {n} of {values:?}");
        }

        let mut file = Vec::new();
        let point = Point {
            tag: "h",
            step: 1,
            wall_time: 1.0,
        };
        Encoder::default()
            .histogram(&mut file, point, &got, Metadata::Stated)
            .unwrap();
        let Some(EventPayload::Summary(summary)) = records(&file).remove(0).what else {
            panic!("no summary");
        };
        let hex: String = summary
            .encode_to_vec()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(hex, case["summary"].as_str().unwrap(), "{values:?}");
    }
}
