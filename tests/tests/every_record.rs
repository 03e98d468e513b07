//! Every kind of record, written locally and through a server: both readers of TensorBoard and the
//! backends of its dashboards show the same.

use std::path::Path;

use prost::Message;
use serde_json::{Value, json};
use tensorplex::Writer;
use tensorplex::local::RunWriter;
use tensorplex::records::{
    Array, Audio, Chart, CustomScalars, Embedding, Encode, Graph, GraphProfile, HParams, Image, Mesh,
    PrCurve, PrCurveRaw, Record, ScalarTensor, Setting, Status, SummaryRecord, Video,
};
use tensorplex::tfevents::messages::{Datum, Event, EventPayload, HistogramProto, Summary};
use tensorplex::tfevents::messages::{ImageProto, Value as SummaryValue};
use tensorplex_tests::{Broker, DEADLINE, Follower, TestServer, dump, plugins};

const TIME: f64 = 1_700_000_000.25;

fn bytes(count: usize) -> Vec<u8> {
    let mut state = 88_172_645_463_325_252u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    std::iter::repeat_with(next).take(count).collect()
}

fn array(shape: &[usize]) -> Array {
    Array::new(shape, bytes(shape.iter().product())).unwrap()
}

fn summary(tag: &str, value: Datum) -> SummaryRecord {
    let value = SummaryValue {
        tag: tag.to_owned(),
        metadata: None,
        value: Some(value),
    };
    let summary = Summary { value: vec![value] };
    SummaryRecord::new(&summary.encode_to_vec()).unwrap()
}

/// One encoded record of each kind.
fn every_record() -> Vec<Record> {
    let encoded = |record: &dyn Fn() -> Result<Record, tensorplex::RecordError>| record().unwrap();
    let labels = vec![true, false, true, true];
    let predictions = vec![0.9, 0.2, 0.7, 0.4];
    let vertices = vec![[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.5]];
    let rows = [0.5, 1.0, 2.0, 3.0, 0.25, 0.75].map(|x| vec![x; 4]);
    vec![
        encoded(&|| ScalarTensor::new("described", 0.5, "name", "words")?.encode(TIME)),
        encoded(&|| Image::new("image", array(&[3, 8, 12]), "CHW")?.encode(TIME)),
        encoded(&|| Image::new("grid", array(&[9, 8, 12, 1]), "NHWC")?.encode(TIME)),
        encoded(&|| {
            let boxes = [[1.0, 2.0, 9.0, 12.0]];
            Image::new("boxes", array(&[16, 16]), "HW")?
                .with_boxes(&boxes)
                .encode(TIME)
        }),
        encoded(&|| Video::new("video", array(&[2, 3, 3, 8, 8]), "NTCHW", 4.0)?.encode(TIME)),
        encoded(&|| Audio::new("audio", vec![0.5; 800], 2, 8000)?.encode(TIME)),
        encoded(&|| PrCurve::new("curve", labels.clone(), predictions.clone(), None, 5)?.encode(TIME)),
        encoded(&|| PrCurveRaw::new("raw curve", rows.clone())?.encode(TIME)),
        encoded(&|| {
            let mesh = Mesh::new("mesh", vertices.clone())?.faces(vec![[0, 1, 2]])?;
            mesh.colors(vec![[255, 0, 0]; 3])?.encode(TIME)
        }),
        encoded(&|| Mesh::new("cloud", vertices.clone())?.encode(TIME)),
        encoded(&|| {
            let charts = [
                Chart::multiline("all", &["desc.*"])?,
                Chart::margin("m", &[["a", "b", "c"]])?,
            ];
            CustomScalars::default().section("charts", charts).encode(TIME)
        }),
        encoded(&|| HParams::new([("lr", Setting::from(0.5)), ("warm", true.into())])?.encode(TIME)),
        encoded(&|| Status::Success.encode(TIME)),
        encoded(&|| Graph::new(graph_def())?.encode(TIME)),
        encoded(&|| GraphProfile::new("step 1", bytes(100))?.encode(TIME)),
        encoded(&|| {
            let embedding = Embedding::new("points/3d", vec![0.5, -1.0, 1e-9, 2.0, 0.0, 1e30], 2)?;
            let table = embedding.table(&["name", "size"], &[["a", "1"], ["b\tb", "2"], ["c\n", "3"]])?;
            table.pictures(array(&[3, 4, 4]), "NHW")?.encode(TIME)
        }),
        encoded(&|| {
            Embedding::new("plain", vec![2.0, 2.0, 0.0, 3.0], 2)?
                .labels(&["x", "y"])?
                .encode(TIME)
        }),
        encoded(&|| summary("ready scalar", Datum::SimpleValue(0.25)).encode(TIME)),
        encoded(&|| {
            let image = ImageProto {
                height: 1,
                width: 2,
                colorspace: 3,
                encoded_image_string: bytes(50),
            };
            summary("ready image", Datum::Image(image)).encode(TIME)
        }),
        encoded(&|| {
            let histogram = HistogramProto {
                min: 0.0,
                max: 2.0,
                num: 3.0,
                sum: 3.0,
                sum_squares: 5.0,
                bucket_limit: vec![1.0, 2.0],
                bucket: vec![1.0, 2.0],
            };
            summary("ready histogram", Datum::Histo(histogram)).encode(TIME)
        }),
    ]
}

/// Serialized graph of one node: field 1, a node with a name and an operation.
fn graph_def() -> Vec<u8> {
    [&[0x0a, 10, 0x0a, 1][..], b"x", &[0x12, 5], b"Const"].concat()
}

/// Kind, plugin and number of points, by tag.
fn outline(run: &Value) -> Value {
    let series = run.as_object().unwrap().iter();
    let outlines = series.map(|(tag, series)| {
        let count = series["points"].as_array().unwrap().len();
        let (kind, plugin) = (
            series["kind"].as_str().unwrap(),
            series["plugin"].as_str().unwrap(),
        );
        (tag.clone(), json!(format!("{plugin} {kind} {count}")))
    });
    Value::Object(outlines.collect())
}

#[test]
fn every_record_is_shown_by_both_readers() {
    let mut server = TestServer::start(&Broker::Embedded);
    let log = Writer::connect(server.address(), "served").unwrap();
    let mut writer = RunWriter::create(server.logdir().join("local")).unwrap();
    for step in [1, 2] {
        for record in every_record() {
            writer.add(record.clone(), Some(step), Some(TIME)).unwrap();
            // A record has the time of its call. Both writers get the same time here.
            log.client()
                .expect("a remote writer")
                .add(record, Some(step), TIME)
                .unwrap();
        }
        if step == 1 {
            log.flush(DEADLINE).unwrap();
            server.kill_and_restart();
        }
    }
    log.flush(DEADLINE).unwrap();
    drop(writer);
    let seen = dump(server.logdir());
    for reader in ["rust", "python"] {
        let runs = &seen[reader];
        assert_eq!(runs["served"], runs["local"], "{reader} reader");
        let mut outline = outline(&runs["served"]);
        // One reader keeps only the newest graph and profile.
        let graphs = outline.as_object_mut().unwrap();
        for tag in ["__run_graph__", "step 1"] {
            assert!(graphs.remove(tag).unwrap().as_str().unwrap().contains(" blob "));
        }
        assert_eq!(
            outline,
            json!({
                "described": "scalars scalar 2",
                "image": "images blob 2",
                "grid": "images blob 2",
                "boxes": "images blob 2",
                "video": "images blob 2",
                "audio": "audio blob 2",
                "curve": "pr_curves tensor 2",
                "raw curve": "pr_curves tensor 2",
                "mesh_VERTEX": "mesh tensor 2",
                "mesh_FACE": "mesh tensor 2",
                "mesh_COLOR": "mesh tensor 2",
                "cloud_VERTEX": "mesh tensor 2",
                "custom_scalars__config__": "custom_scalars tensor 2",
                "_hparams_/session_start_info": "hparams tensor 2",
                "_hparams_/session_end_info": "hparams tensor 2",
                "ready scalar": "scalars scalar 2",
                "ready image": "images blob 2",
                "ready histogram": "histograms tensor 2",
            }),
            "{reader} reader"
        );
        let file = &runs["served"]["ready image"]["points"][0][1];
        assert_eq!(file[2]["bytes"], 50, "{file}");
    }
    check_dashboards(server.logdir());
}

fn check_dashboards(logdir: &Path) {
    let answers = plugins(logdir);
    for reader in ["rust", "python"] {
        let answer = &answers[reader];
        for run in ["served", "local"] {
            let mut embeddings = answer["projector"][run].clone();
            let embeddings = embeddings.as_array_mut().unwrap();
            assert_eq!(embeddings.len(), 4, "{embeddings:?}");
            let tensor = json!([0.5, -1.0, 1e-9f32, 2.0, 0.0, 1e30f32]);
            assert_eq!(
                embeddings[0],
                json!({"name": "points/3d:00001", "shape": [3, 2], "tensor": tensor, "sprite": [4, 4],
                    "signature": "iVBORw0KGgo=", "metadata": ["name\tsize", "a\t1", "b b\t2", "c \t3"]})
            );
            let plain = json!({"name": "plain:00002", "shape": [2, 2], "tensor": [2.0, 2.0, 0.0, 3.0],
                "metadata": ["x", "y"]});
            assert_eq!(embeddings[3], plain);
            let part = |part, rows| json!({"part": part, "components": 14, "shape": [1, rows, 3]});
            let mesh = answer["meshes"][run]["mesh"].as_array().unwrap();
            for part in [part(1, 3), part(2, 1), part(3, 3)] {
                assert_eq!(mesh.iter().filter(|&p| *p == part).count(), 2, "{mesh:?}");
            }
            let curve = &answer["pr_curves"][run]["curve"][1];
            assert_eq!(curve["step"], 2);
            assert_eq!(curve["precision"][2], 1.0, "{curve}");
            assert_eq!(answer["graphs"][run], graph_def().len());
        }
        let layout = &answer["custom_scalars"]["layout"]["category"][0];
        assert_eq!(layout["title"], "charts");
        assert_eq!(layout["chart"][0]["multiline"]["tag"], json!(["desc.*"]));
        assert_eq!(layout["chart"][1]["margin"]["series"][0]["lower"], "b");
        assert_eq!(
            answer["custom_scalars"]["lines"]["desc.*"]["described"],
            json!([0.5, 0.5])
        );
    }
}

#[test]
fn sessions_with_different_settings_have_their_columns() {
    let server = TestServer::start(&Broker::Embedded);
    let session = Writer::connect(server.address(), "first").unwrap();
    session.add(
        HParams::new([("lr", Setting::from(0.5)), ("warm", true.into())]).unwrap(),
        0,
    );
    session.scalar("loss", 0.25, 1);
    session.add(Status::Success, 2);
    let worker = session.with_client_id("first/worker0").unwrap();
    worker.scalar("reward", 7.0, 1);
    let other = session.with_client_id("second").unwrap();
    other.add(
        HParams::new([("bs", Setting::from(16.0)), ("warm", false.into())]).unwrap(),
        0,
    );
    other.scalar("accuracy", 0.75, 1);
    session.flush(DEADLINE).unwrap();
    let answers = plugins(server.logdir());
    for reader in ["rust", "python"] {
        assert_eq!(
            answers[reader]["hparams"],
            json!([
                {"name": "first", "status": "STATUS_SUCCESS", "hparams": {"lr": 0.5, "warm": true},
                    "metrics": {":loss": 0.25, "worker0:reward": 7.0}},
                {"name": "second", "status": "STATUS_UNKNOWN", "hparams": {"bs": 16.0, "warm": false},
                    "metrics": {":accuracy": 0.75}},
            ]),
            "{reader} reader"
        );
    }
}

#[test]
fn a_long_value_arrives_whole_through_a_crash() {
    let broker = Broker::redis();
    let mut server = TestServer::start(&broker);
    let log = Writer::connect(server.address(), "a").unwrap();
    let graph = bytes(20 << 20);
    log.add(Graph::new(graph.clone()).unwrap(), 1);
    server.kill_and_restart();
    log.scalar("x", 1.0, 1);
    log.flush(DEADLINE).unwrap();
    server.kill_and_restart();
    let file = std::fs::read_dir(server.logdir().join("a"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let file = std::fs::read(file).unwrap();
    let mut reader = tensorplex::tfevents::RecordReader::new(&file[..]);
    let events = std::iter::from_fn(|| reader.next_record().unwrap()).map(|p| Event::decode(&p[..]).unwrap());
    let graphs: Vec<Event> = events
        .filter(|event| matches!(event.what, Some(EventPayload::GraphDef(_))))
        .collect();
    let [
        Event {
            step: 1,
            what: Some(EventPayload::GraphDef(found)),
            ..
        },
    ] = &graphs[..]
    else {
        panic!("{} graphs", graphs.len());
    };
    assert!(*found == graph);
}

/// Steps and values of run `a`, by tag.
fn points(logdir: &Path, reader: &str) -> Value {
    let seen = dump(logdir);
    let tags = seen[reader]["a"].as_object().unwrap().iter();
    let tags = tags.map(|(tag, series)| {
        let mut points: Vec<Value> = Vec::new();
        for point in series["points"].as_array().unwrap() {
            let point = json!([point[0], point[1]]);
            // One reader shows the restated point twice.
            if points.last() != Some(&point) {
                points.push(point);
            }
        }
        (tag.clone(), Value::Array(points))
    });
    Value::Object(tags.collect())
}

#[test]
fn a_rewound_run_shows_one_curve() {
    let mut server = TestServer::start(&Broker::Embedded);
    let log = Writer::connect(server.address(), "a").unwrap();
    let mut follower = Follower::start(server.logdir());
    for step in 0..10 {
        log.scalar("loss", step as f64, step);
        log.scalar("other", 0.5, step);
        log.add(Image::new("image", array(&[2, 2]), "HW").unwrap(), step);
    }
    log.flush(DEADLINE).unwrap();
    follower.wait_for(20);
    log.rewind(6);
    log.flush(DEADLINE).unwrap();
    server.kill_and_restart();
    for step in 6..8 {
        log.scalar("loss", 100.0, step);
    }
    log.flush(DEADLINE).unwrap();
    log.rewind(4);
    log.scalar("loss", 200.0, 4);
    log.flush(DEADLINE).unwrap();
    let old = |to: i64, value: &dyn Fn(i64) -> f64| -> Vec<Value> {
        (0..to).map(|n| json!([n, value(n)])).collect()
    };
    let mut loss = old(4, &|n| n as f64);
    loss.push(json!([4, 200.0]));
    let image: Vec<Value> = vec![];
    for reader in ["rust", "python"] {
        let mut shown = points(server.logdir(), reader);
        let pictures = shown["image"].take();
        let steps: Vec<i64> = pictures
            .as_array()
            .unwrap()
            .iter()
            .map(|p| p[0].as_i64().unwrap())
            .collect();
        assert_eq!(steps, [0, 1, 2, 3], "{reader} reader");
        shown["image"] = json!(image);
        assert_eq!(
            shown,
            json!({"loss": loss, "other": old(4, &|_| 0.5), "image": image}),
            "{reader} reader"
        );
    }
    // Readers that follow the whole time show the same.
    let live = follower.wait_for(9);
    for (reader, runs) in [("rust", &live.rust), ("python", &live.python)] {
        assert_eq!(runs["a"]["loss"].last, Some(4), "{reader} reader");
        assert_eq!(runs["a"]["other"].last, Some(3), "{reader} reader");
    }
    server.stop();
}

#[test]
fn an_earlier_local_run_is_purged() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("a");
    for (first, value) in [(0, 1.0), (5, 2.0)] {
        let mut writer = RunWriter::create(&run).unwrap();
        if first > 0 {
            writer.rewind(first).unwrap();
        }
        for step in first..first + 8 {
            writer.add_scalar("loss", value, Some(step), None).unwrap();
            if first == 0 {
                writer.add_scalar("gone", value, Some(step), None).unwrap();
            }
        }
    }
    let old = || (0..5).map(|n| json!([n, 1.0]));
    let loss: Vec<Value> = old().chain((5..13).map(|n| json!([n, 2.0]))).collect();
    let gone: Vec<Value> = old().collect();
    for reader in ["rust", "python"] {
        let shown = points(dir.path(), reader);
        assert_eq!(shown, json!({"loss": loss, "gone": gone}), "{reader} reader");
    }
}
