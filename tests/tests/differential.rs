//! Differential test: random sequences of records with odd tags and values, from several clients,
//! with rewinds and restarts. Both readers of TensorBoard, and a plain parser of the file format,
//! find the points that were logged.
//!
//! Steps of a tag increase between rewinds, because the readers differ otherwise: one shows only
//! the last point of a step.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use prost::Message;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use tensorplex::Writer;
use tensorplex::records::{Array, Audio, Encode, Image, PrCurve, ScalarTensor, SummaryRecord};
use tensorplex::tfevents::messages::{
    Datum, Event, EventPayload, SessionStatus, Summary, TensorProto, Value,
};
use tensorplex::tfevents::{RecordReader, bucket};
use tensorplex_tests::{Broker, DEADLINE, Rng, TestServer, dump};

const CLIENTS: [&str; 4] = ["a", "a/b", "x.y_z-1/0", "learner/rank/17"];
const RECORDS: u64 = 600;
const RESTARTS: u64 = 4;
const TIME: f64 = 1_700_000_000.25;

/// Expected points by run and tag. For pictures and sounds only the agreement of the readers is
/// checked.
type Model = BTreeMap<String, BTreeMap<String, Vec<(i64, Option<Json>)>>>;

/// Next operation of a caller.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Scalar,
    Described,
    Ready,
    Histogram,
    Text,
    Image,
    Audio,
    Curve,
}

const KINDS: [Kind; 8] = [
    Kind::Scalar,
    Kind::Described,
    Kind::Ready,
    Kind::Histogram,
    Kind::Text,
    Kind::Image,
    Kind::Audio,
    Kind::Curve,
];

fn is_unservable(c: char) -> bool {
    c < ' ' || c == '"' || c == '\\'
}

impl Kind {
    /// Kind of the tag: the server refuses records of another kind under it.
    fn family(self) -> Kind {
        match self {
            Kind::Described | Kind::Ready => Kind::Scalar,
            other => other,
        }
    }

    fn written_tag(self, tag: &str) -> String {
        match self {
            Kind::Text => format!("{tag}/text_summary"),
            // The data server cannot serve pictures and sounds under such tags.
            Kind::Image | Kind::Audio if tag.contains(is_unservable) => {
                let name_hash = remotecall::name_hash(tag);
                format!("{}-{name_hash}", tag.replace(is_unservable, "_"))
            }
            _ => tag.to_owned(),
        }
    }
}

fn tag(rng: &mut Rng) -> String {
    let odd = [
        "loss",
        "loss/train",
        "../../up",
        "/",
        "a//b",
        "ümläut 🦀",
        "line\nfeed",
        "nul\0",
        "\u{202e}back",
        "<b>",
        "\"quoted\\\"",
        " ",
    ];
    match rng.below(8) {
        0 => "x".repeat(1 + rng.below(900) as usize),
        _ => rng.pick(&odd).to_owned(),
    }
}

fn number(rng: &mut Rng) -> f64 {
    let odd = [
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        -0.0,
        1e300,
        -1e300,
        5e-324,
        1e-40,
        f64::from(f32::MAX),
        16_777_217.0,
    ];
    match rng.below(3) {
        0 => rng.pick(&odd),
        _ => rng.below(1 << 40) as f64 / 1e6 - 1e5,
    }
}

fn json_number(value: f64) -> Json {
    match value {
        value if value.is_nan() => json!("NaN"),
        f64::INFINITY => json!("Infinity"),
        f64::NEG_INFINITY => json!("-Infinity"),
        value => json!(value),
    }
}

struct Caller {
    log: Writer,
    run: String,
    kinds: BTreeMap<String, Kind>,
    last: BTreeMap<String, i64>,
}

impl Caller {
    fn connect(server: &TestServer, run: &str) -> Self {
        Self {
            log: Writer::connect(server.address(), run).unwrap(),
            run: run.to_owned(),
            kinds: BTreeMap::new(),
            last: BTreeMap::new(),
        }
    }

    fn record(&mut self, rng: &mut Rng, model: &mut Model) {
        let (tag, kind) = (tag(rng), rng.pick(&KINDS));
        let written = kind.written_tag(&tag);
        let step = self.next_step(rng, &written);
        let value = self.send(kind, &tag, step, rng);
        let is_taken = *self.kinds.entry(written.clone()).or_insert(kind.family()) == kind.family();
        if is_taken {
            self.last.insert(written.clone(), step);
            let series = model.entry(self.run.clone()).or_default();
            series.entry(written).or_default().push((step, value));
        }
    }

    fn next_step(&self, rng: &mut Rng, written: &str) -> i64 {
        match self.last.get(written) {
            None => rng.pick(&[0, 0, 1, -7, i64::MIN, 1 << 40]),
            // No step follows the largest one.
            Some(&last) => last.saturating_add(1 + rng.below(1000) as i64),
        }
    }

    /// Makes the call; returns the point that a reader should show.
    fn send(&self, kind: Kind, tag: &str, step: i64, rng: &mut Rng) -> Option<Json> {
        let client = self.log.client().expect("a remote writer");
        let ready = |record: &dyn Fn() -> Result<tensorplex::records::Record, tensorplex::RecordError>| {
            client.add(record().unwrap(), Some(step), TIME).unwrap();
        };
        let size = 1 + rng.below(40) as usize;
        let single = |value: f64| Some(json_number(f64::from(value as f32)));
        match kind {
            Kind::Scalar => {
                let value = number(rng);
                self.log.scalar(tag, value, step);
                single(value)
            }
            Kind::Described => {
                let value = number(rng);
                ready(&|| ScalarTensor::new(tag, value, "name", "words")?.encode(TIME));
                single(value)
            }
            Kind::Ready => {
                let value = number(rng) as f32;
                let summary = Summary {
                    value: vec![Value {
                        tag: tag.to_owned(),
                        metadata: None,
                        value: Some(Datum::SimpleValue(value)),
                    }],
                };
                ready(&|| SummaryRecord::new(&summary.encode_to_vec())?.encode(TIME));
                single(f64::from(value))
            }
            Kind::Histogram => {
                let values: Vec<f64> = (0..size - 1).map(|_| rng.below(1 << 20) as f64 - 1e5).collect();
                self.log.histogram(tag, &values, step);
                Some(json!(bucket(&values)))
            }
            Kind::Text => {
                let text: String = (0..size)
                    .map(|_| rng.pick(&['a', '\n', 'ü', '🦀', '\0', '<', '|']))
                    .collect();
                self.log.text(tag, &text, step);
                Some(json!([text]))
            }
            Kind::Image => {
                let pixels: Vec<u8> = (0..size * 3).map(|_| rng.any() as u8).collect();
                let array = Array::new(&[1, size, 3], pixels).unwrap();
                ready(&|| Image::new(tag, array.clone(), "HWC")?.encode(TIME));
                None
            }
            Kind::Audio => {
                let samples: Vec<f32> = (0..size).map(|_| rng.below(3) as f32 - 1.5).collect();
                ready(&|| Audio::new(tag, samples.clone(), 1, 8000)?.encode(TIME));
                None
            }
            Kind::Curve => {
                let labels: Vec<bool> = (0..size).map(|_| rng.below(2) == 0).collect();
                let predictions: Vec<f32> = (0..size).map(|_| rng.below(1000) as f32 / 1000.0).collect();
                ready(&|| PrCurve::new(tag, labels.clone(), predictions.clone(), None, 5)?.encode(TIME));
                None
            }
        }
    }

    /// Rewinds to a step after the first one of every tag: a running reader keeps a tag without an
    /// earlier point.
    fn rewind(&mut self, rng: &mut Rng, model: &mut Model) {
        let Some(series) = model.get_mut(&self.run) else {
            return;
        };
        let first = series.values().map(|points| points[0].0).max().unwrap();
        let last = series
            .values()
            .map(|points| points[points.len() - 1].0)
            .max()
            .unwrap();
        let Some(span) = last.checked_sub(first).filter(|&span| span > 0) else {
            return;
        };
        let step = first + 1 + rng.below(span as u64) as i64;
        self.log.rewind(step);
        for (tag, points) in series {
            points.retain(|&(at, _)| at < step);
            self.last.insert(tag.clone(), points[points.len() - 1].0);
        }
    }
}

/// Steps and values by run and tag. One reader shows a point twice that a rewind restated.
fn by_tag(runs: &Json) -> BTreeMap<String, BTreeMap<String, Vec<(i64, Json)>>> {
    let mut found: BTreeMap<String, BTreeMap<String, Vec<(i64, Json)>>> = BTreeMap::new();
    for (run, tags) in runs.as_object().unwrap() {
        for (tag, series) in tags.as_object().unwrap() {
            let points = found
                .entry(run.clone())
                .or_default()
                .entry(tag.clone())
                .or_default();
            for point in series["points"].as_array().unwrap() {
                push_once(points, (point[0].as_i64().unwrap(), point[1].clone()));
            }
        }
    }
    found
}

fn push_once(points: &mut Vec<(i64, Json)>, point: (i64, Json)) {
    if points.last() != Some(&point) {
        points.push(point);
    }
}

/// The same, parsed from the files: records, protobuf, and a START that discards later steps.
fn from_files(logdir: &Path) -> BTreeMap<String, BTreeMap<String, Vec<(i64, Json)>>> {
    let mut found: BTreeMap<String, BTreeMap<String, Vec<(i64, Json)>>> = BTreeMap::new();
    for file in event_files(logdir) {
        let run = file
            .parent()
            .unwrap()
            .strip_prefix(logdir)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        let tags = found.entry(run).or_default();
        let bytes = std::fs::read(&file).unwrap();
        let mut reader = RecordReader::new(&bytes[..]);
        while let Some(payload) = reader.next_record().unwrap() {
            let event = Event::decode(&payload[..]).unwrap();
            match event.what {
                Some(EventPayload::SessionLog(log)) if log.status == SessionStatus::Start as i32 => {
                    tags.values_mut()
                        .for_each(|points| points.retain(|&(step, _)| step < event.step));
                }
                Some(EventPayload::Summary(summary)) => {
                    for value in summary.value {
                        let plain = plain(value.value.unwrap());
                        push_once(tags.entry(value.tag).or_default(), (event.step, plain));
                    }
                }
                _ => {}
            }
        }
    }
    found
}

fn event_files(dir: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let is_hidden = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with('.');
    let nested = paths.into_iter().filter(|path| !is_hidden(path));
    nested
        .flat_map(|path| {
            if path.is_dir() {
                event_files(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

fn plain(datum: Datum) -> Json {
    match datum {
        Datum::SimpleValue(value) => json_number(f64::from(value)),
        Datum::Tensor(tensor) => plain_tensor(tensor),
        other => panic!("nobody asked for {other:?}"),
    }
}

fn plain_tensor(tensor: TensorProto) -> Json {
    const FLOAT: i32 = 1;
    const DOUBLE: i32 = 2;
    const STRING: i32 = 7;
    let shape: Vec<usize> = tensor
        .tensor_shape
        .unwrap()
        .dim
        .iter()
        .map(|dim| dim.size as usize)
        .collect();
    let floats = tensor.float_val.into_iter().map(f64::from);
    let numbers: Vec<f64> = match tensor.dtype {
        FLOAT => {
            let packed = tensor.tensor_content.chunks_exact(4);
            packed
                .map(|four| f64::from(f32::from_le_bytes(four.try_into().unwrap())))
                .chain(floats)
                .collect()
        }
        DOUBLE => {
            let packed = tensor.tensor_content.chunks_exact(8);
            packed
                .map(|eight| f64::from_le_bytes(eight.try_into().unwrap()))
                .chain(tensor.double_val)
                .collect()
        }
        STRING => {
            return match tensor
                .string_val
                .iter()
                .map(|text| std::str::from_utf8(text))
                .collect::<Result<Vec<_>, _>>()
            {
                // Pictures and sounds begin with bytes that are not UTF-8.
                Ok(texts) => json!(texts),
                Err(_) => tensor.string_val.iter().map(|bytes| blob(bytes)).collect(),
            };
        }
        other => panic!("type {other}"),
    };
    nested(&numbers, &shape)
}

fn nested(numbers: &[f64], shape: &[usize]) -> Json {
    match shape {
        [] => json_number(numbers[0]),
        [0, ..] => json!([]),
        [rows, inner @ ..] => numbers
            .chunks((numbers.len() / rows).max(1))
            .map(|row| nested(row, inner))
            .collect(),
    }
}

fn blob(bytes: &[u8]) -> Json {
    let hex: String = Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    json!({"bytes": bytes.len(), "sha256": hex})
}

fn three_readers_agree(broker: &Broker) {
    let mut rng = Rng::new(Rng::seed());
    let mut server = TestServer::start(broker);
    let mut callers = CLIENTS.map(|run| Caller::connect(&server, run));
    let mut model = Model::new();
    for n in 1..=RECORDS {
        let caller = &mut callers[rng.below(CLIENTS.len() as u64) as usize];
        match rng.below(60) {
            0 => caller.rewind(&mut rng, &mut model),
            _ => caller.record(&mut rng, &mut model),
        }
        if n % (RECORDS / (RESTARTS + 1)) == 0 {
            server.kill_and_restart();
        }
    }
    for caller in &callers {
        // Some of the records are refused on purpose.
        if let Err(error) = caller.log.flush(DEADLINE) {
            assert_eq!((error.outstanding, error.dropped), (0, 0));
        }
    }
    let seen = dump(server.logdir());
    let (rust, python) = (by_tag(&seen["rust"]), by_tag(&seen["python"]));
    let plain = from_files(server.logdir());
    for (run, tags) in &model {
        assert_eq!(rust[run].len(), tags.len(), "tags of run {run}");
        for (tag, points) in tags {
            assert_eq!(
                rust[run][tag], python[run][tag],
                "run {run}, tag {tag:?}: rust, python"
            );
            assert_eq!(
                rust[run][tag], plain[run][tag],
                "run {run}, tag {tag:?}: rust, plain"
            );
            let found = &rust[run][tag];
            assert_eq!(
                found.len(),
                points.len(),
                "run {run}, tag {tag:?}: {found:?}, not {points:?}"
            );
            for (found, (step, value)) in found.iter().zip(points) {
                let value = value.as_ref().unwrap_or(&found.1);
                assert_eq!(found, &(*step, value.clone()), "run {run}, tag {tag:?}");
            }
        }
    }
    assert_eq!(rust.len(), model.len(), "runs");
}

#[test]
fn three_readers_agree_through_redis() {
    three_readers_agree(&Broker::redis());
}

#[test]
fn three_readers_agree_through_the_embedded_broker() {
    three_readers_agree(&Broker::Embedded);
}
