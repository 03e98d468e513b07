//! Records of images, histograms, audio, graphs and other data that a thread encodes.
//!
//! The caller's arrays are copied and checked here, so an invalid record is a `ValueError` in its
//! caller. `tensorplex::records` encodes the copy in a thread.

use std::time::{SystemTime, UNIX_EPOCH};

use pyo3::buffer::{self, PyBuffer};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use remotecall::NotQueued;
use tensorplex::records::{
    Array, Audio, Bins, Chart, CustomScalars, Element, Embedding, Encode, EventRecord, Graph, GraphProfile,
    HParams, Histogram, Image, Mesh, ParallelHistogram, PrCurve, PrCurveRaw, Rule, ScalarTensor, Setting,
    Status, SummaryRecord, Tensor, Video,
};
use tensorplex::tfevents::Real;
use tensorplex::{RecordError, TensorplexClient};

use crate::buffer_pool::BufferPool;
use crate::client::Client;
use crate::errors;
use crate::local::{LocalWriter, enqueue};
use crate::lock::lock;
use crate::numpy_view::NumpyView;

static U8_BUFFERS: BufferPool<u8> = BufferPool::new();
static F32_BUFFERS: BufferPool<f32> = BufferPool::new();
static F64_BUFFERS: BufferPool<f64> = BufferPool::new();

/// Step and wall time of a record.
type StepAndTime = (i64, Option<f64>);

/// Destination of records.
#[derive(FromPyObject)]
pub(crate) enum Sink<'py> {
    Server(PyRef<'py, Client>),
    Directory(PyRef<'py, LocalWriter>),
}

/// Values of a histogram, in one row.
#[derive(FromPyObject)]
pub(crate) enum Values {
    F32(PyBuffer<f32>),
    F64(PyBuffer<f64>),
}

/// Pixels or samples in C order, as bytes or as floats.
#[derive(FromPyObject)]
pub(crate) enum Samples {
    Bytes(PyBuffer<u8>),
    Floats(PyBuffer<f32>),
}

impl Samples {
    fn array(&self, py: Python<'_>) -> PyResult<Array> {
        match self {
            Self::Bytes(bytes) => Array::new(bytes.shape(), U8_BUFFERS.copy(py, bytes)?),
            Self::Floats(floats) => Array::new(floats.shape(), F32_BUFFERS.copy(py, floats)?),
        }
        .map_err(invalid_record)
    }
}

/// Argument `bins`, as `numpy.histogram` takes it.
#[derive(FromPyObject)]
pub(crate) enum BinChoice {
    Count(usize),
    Rule(String),
    Edges(Vec<f64>),
}

/// A hyperparameter. The order of the variants matters, because a Python bool is a number too.
#[derive(FromPyObject)]
pub(crate) enum HParam {
    Bool(bool),
    Number(f64),
    Text(String),
}

#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "the arguments of the Python method")]
pub(crate) fn add_histogram(
    py: Python<'_>,
    sink: Sink<'_>,
    tag: &str,
    values: Values,
    is_integer: bool,
    bins: BinChoice,
    max_bins: Option<usize>,
    at: StepAndTime,
) -> PyResult<()> {
    match (values, bins.into_bins()?) {
        (Values::F32(values), Bins::TensorBoard) => {
            add_parallel_histogram(py, &sink, tag, values, max_bins, at)
        }
        (Values::F64(values), Bins::TensorBoard) => {
            add_parallel_histogram(py, &sink, tag, values, max_bins, at)
        }
        (values, bins) => {
            let histogram = match values {
                Values::F32(values) => Histogram::new(tag, F32_BUFFERS.copy(py, &values)?, bins),
                Values::F64(values) => Histogram::doubles(tag, F64_BUFFERS.copy(py, &values)?, bins),
            };
            let mut histogram = histogram.map_err(invalid_record)?;
            if is_integer {
                histogram = histogram.whole();
            }
            if let Some(max_bins) = max_bins {
                histogram = histogram.at_most(max_bins).map_err(invalid_record)?;
            }
            add(py, &sink, histogram, at)
        }
    }
}

/// A histogram that is sorted here and in the thread for encoding at once. The array is the caller's, who may change it
/// afterwards.
fn add_parallel_histogram<T: buffer::Element + Real>(
    py: Python<'_>,
    sink: &Sink<'_>,
    tag: &str,
    array: PyBuffer<T>,
    max_bins: Option<usize>,
    at: StepAndTime,
) -> PyResult<()> {
    let (histogram, loan) = ParallelHistogram::new(tag, NumpyView::of(array)?).map_err(invalid_record)?;
    let histogram = match max_bins {
        Some(max_bins) => histogram.at_most(max_bins).map_err(invalid_record)?,
        None => histogram,
    };
    add(py, sink, histogram, at)?;
    loan.end();
    Ok(())
}

/// Records a scalar in tensor form, with a display name and a description.
#[pyfunction]
pub(crate) fn add_scalar_tensor(
    py: Python<'_>,
    sink: Sink<'_>,
    tag: &str,
    value: f64,
    name: &str,
    description: &str,
    at: StepAndTime,
) -> PyResult<()> {
    let scalar = ScalarTensor::new(tag, value, name, description).map_err(invalid_record)?;
    add(py, &sink, scalar, at)
}

/// Records a tensor. `bytes` are its elements in C order, little-endian.
#[pyfunction]
pub(crate) fn add_tensor(
    py: Python<'_>,
    sink: Sink<'_>,
    tag: &str,
    dtype: &str,
    shape: Vec<usize>,
    bytes: Vec<u8>,
    at: StepAndTime,
) -> PyResult<()> {
    let element = match dtype {
        "float32" => Element::F32,
        "float64" => Element::F64,
        "int32" => Element::I32,
        "int64" => Element::I64,
        other => {
            let why = format!("tensor of dtype {other}: expected float32, float64, int32 or int64");
            return Err(PyValueError::new_err(why));
        }
    };
    let tensor = Tensor::new(tag, element, &shape, bytes).map_err(invalid_record)?;
    add(py, &sink, tensor, at)
}

#[pyfunction]
pub(crate) fn add_image(
    py: Python<'_>,
    sink: Sink<'_>,
    tag: &str,
    pixels: Samples,
    format: &str,
    boxes: Vec<[f32; 4]>,
    at: StepAndTime,
) -> PyResult<()> {
    let image = Image::new(tag, pixels.array(py)?, format).map_err(invalid_record)?;
    add(py, &sink, image.with_boxes(&boxes), at)
}

#[pyfunction]
pub(crate) fn add_video(
    py: Python<'_>,
    sink: Sink<'_>,
    tag: &str,
    frames: Samples,
    format: &str,
    fps: f64,
    at: StepAndTime,
) -> PyResult<()> {
    let video = Video::new(tag, frames.array(py)?, format, fps).map_err(invalid_record)?;
    add(py, &sink, video, at)
}

#[pyfunction]
pub(crate) fn add_audio(
    py: Python<'_>,
    sink: Sink<'_>,
    tag: &str,
    samples: PyBuffer<f32>,
    channels: u16,
    sample_rate: u32,
    at: StepAndTime,
) -> PyResult<()> {
    let audio = Audio::new(tag, samples.to_vec(py)?, channels, sample_rate).map_err(invalid_record)?;
    add(py, &sink, audio, at)
}

#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "the arguments of the Python method")]
pub(crate) fn add_pr_curve(
    py: Python<'_>,
    sink: Sink<'_>,
    tag: &str,
    labels: PyBuffer<u8>,
    predictions: PyBuffer<f32>,
    weights: Option<PyBuffer<f32>>,
    thresholds: usize,
    at: StepAndTime,
) -> PyResult<()> {
    let labels = labels.to_vec(py)?.into_iter().map(|label| label != 0).collect();
    let weights = weights.map(|weights| weights.to_vec(py)).transpose()?;
    let predictions = predictions.to_vec(py)?;
    let curve = PrCurve::new(tag, labels, predictions, weights, thresholds).map_err(invalid_record)?;
    add(py, &sink, curve, at)
}

#[pyfunction]
pub(crate) fn add_pr_curve_raw(
    py: Python<'_>,
    sink: Sink<'_>,
    tag: &str,
    rows: [Vec<f32>; 6],
    at: StepAndTime,
) -> PyResult<()> {
    add(py, &sink, PrCurveRaw::new(tag, rows).map_err(invalid_record)?, at)
}

/// A chart: title, whether it is a margin chart, tags.
type ChartSpec = (String, bool, Vec<String>);

/// Records the layout of the custom-scalars dashboard: sections and their charts.
#[pyfunction]
pub(crate) fn add_custom_scalars(
    py: Python<'_>,
    sink: Sink<'_>,
    layout: Vec<(String, Vec<ChartSpec>)>,
) -> PyResult<()> {
    let mut record = CustomScalars::default();
    for (title, charts) in layout {
        let charts: Result<Vec<_>, _> = charts.iter().map(chart).collect();
        record = record.section(&title, charts?);
    }
    add(py, &sink, record, (0, None))
}

fn chart((title, is_margin, tags): &ChartSpec) -> PyResult<Chart> {
    let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
    if !is_margin {
        return Chart::multiline(title, &tags).map_err(invalid_record);
    }
    let [value, lower, upper] = tags.as_slice() else {
        let why = format!(
            "margin chart with {} tags: expected 3 (value, lower, upper)",
            tags.len()
        );
        return Err(PyValueError::new_err(why));
    };
    Chart::margin(title, &[[value, lower, upper]]).map_err(invalid_record)
}

#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "the arguments of the Python method")]
pub(crate) fn add_mesh(
    py: Python<'_>,
    sink: Sink<'_>,
    tag: &str,
    vertices: Vec<[f32; 3]>,
    colors: Option<Vec<[u8; 3]>>,
    faces: Option<Vec<[i32; 3]>>,
    config: Option<&str>,
    at: StepAndTime,
) -> PyResult<()> {
    let mut mesh = Mesh::new(tag, vertices).map_err(invalid_record)?;
    if let Some(colors) = colors {
        mesh = mesh.colors(colors).map_err(invalid_record)?;
    }
    if let Some(faces) = faces {
        mesh = mesh.faces(faces).map_err(invalid_record)?;
    }
    if let Some(config) = config {
        mesh = mesh.config(config);
    }
    add(py, &sink, mesh, at)
}

/// Records the hyperparameters of a session, and its end with success, as torch's `add_hparams` does.
#[pyfunction]
pub(crate) fn add_hparams(
    py: Python<'_>,
    sink: Sink<'_>,
    settings: Vec<(String, HParam)>,
    name: Option<&str>,
) -> PyResult<()> {
    let settings = settings.into_iter().map(|(name, value)| (name, value.into()));
    let mut hparams = HParams::new(settings).map_err(invalid_record)?;
    if let Some(name) = name {
        hparams = hparams.group_name(name);
    }
    add(py, &sink, hparams, (0, None))?;
    add(py, &sink, Status::Success, (0, None))
}

/// Records a graph. `profile` is a tag and a serialized `RunMetadata`.
#[pyfunction]
pub(crate) fn add_graph(
    py: Python<'_>,
    sink: Sink<'_>,
    graph_def: Vec<u8>,
    profile: Option<(String, Vec<u8>)>,
    at: StepAndTime,
) -> PyResult<()> {
    let graph = Graph::new(graph_def).map_err(invalid_record)?;
    let profile = profile.map(|(tag, bytes)| GraphProfile::new(&tag, bytes));
    let profile = profile.transpose().map_err(invalid_record)?;
    add(py, &sink, graph, at)?;
    match profile {
        Some(profile) => add(py, &sink, profile, at),
        None => Ok(()),
    }
}

/// Records a serialized `Summary`.
#[pyfunction]
pub(crate) fn add_summary(py: Python<'_>, sink: Sink<'_>, summary: &[u8], at: StepAndTime) -> PyResult<()> {
    add(
        py,
        &sink,
        SummaryRecord::new(summary).map_err(invalid_record)?,
        at,
    )
}

/// Records a serialized `Event` at its own step and wall time.
#[pyfunction]
pub(crate) fn add_event(py: Python<'_>, sink: Sink<'_>, event: &[u8]) -> PyResult<()> {
    add(
        py,
        &sink,
        EventRecord::new(event).map_err(invalid_record)?,
        (0, None),
    )
}

#[pyfunction]
pub(crate) fn add_onnx_graph(py: Python<'_>, sink: Sink<'_>, model: &[u8]) -> PyResult<()> {
    add(
        py,
        &sink,
        Graph::from_onnx(model).map_err(invalid_record)?,
        (0, None),
    )
}

/// Records an embedding. `table` has the column names, and the labels of each row.
#[pyfunction]
pub(crate) fn add_embedding(
    py: Python<'_>,
    sink: Sink<'_>,
    tag: &str,
    vectors: PyBuffer<f32>,
    table: Option<(Vec<String>, Vec<Vec<String>>)>,
    pictures: Option<(Samples, String)>,
    at: StepAndTime,
) -> PyResult<()> {
    let size = vectors.shape().last().copied().unwrap_or(0);
    let mut embedding = Embedding::new(tag, vectors.to_vec(py)?, size).map_err(invalid_record)?;
    if let Some((header, rows)) = table {
        let header: Vec<&str> = header.iter().map(String::as_str).collect();
        embedding = embedding.table(&header, &rows).map_err(invalid_record)?;
    }
    if let Some((pixels, format)) = pictures {
        embedding = embedding
            .pictures(pixels.array(py)?, &format)
            .map_err(invalid_record)?;
    }
    add(py, &sink, embedding, at)
}

fn add(
    py: Python<'_>,
    sink: &Sink<'_>,
    record: impl Encode + Send + 'static,
    (step, walltime): StepAndTime,
) -> PyResult<()> {
    let client = match sink {
        Sink::Directory(writer) => return writer.add(py, record, (step, walltime)),
        Sink::Server(client) => client,
    };
    let connection = client.current_connection(py)?;
    if connection.client.is_closed() {
        return Err(errors::not_queued(py, NotQueued::Closed));
    }
    let sender = TensorplexClient::new(client.caller(&connection).into_owned()).one_way();
    let records = connection.records().clone();
    // The time of the call, because the thread encodes the record later.
    let walltime = walltime.unwrap_or_else(now);
    let bytes = record.held_bytes();
    let job = move || {
        if let Err(error) = sender.add(record, Some(step), walltime) {
            let mut lost = lock(&records.lost);
            *lost = (lost.0 + 1, error.to_string());
        }
    };
    enqueue(py, &connection.records().encoder, bytes, job);
    Ok(())
}

fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0.0, |time| time.as_secs_f64())
}

fn invalid_record(error: RecordError) -> PyErr {
    PyValueError::new_err(error.to_string())
}

impl BinChoice {
    fn into_bins(self) -> PyResult<Bins> {
        Ok(match self {
            Self::Count(count) => Bins::Count(count),
            Self::Edges(edges) => Bins::Edges(edges),
            Self::Rule(name) => match name.as_str() {
                "tensorflow" => Bins::TensorBoard,
                "auto" => Bins::Rule(Rule::Auto),
                "fd" => Bins::Rule(Rule::Fd),
                "doane" => Bins::Rule(Rule::Doane),
                "scott" => Bins::Rule(Rule::Scott),
                "rice" => Bins::Rule(Rule::Rice),
                "sturges" => Bins::Rule(Rule::Sturges),
                "sqrt" => Bins::Rule(Rule::Sqrt),
                "stone" => Bins::Rule(Rule::Stone),
                _ => {
                    let why = format!(
                        "bins is {name:?}: expected tensorflow, auto, fd, doane, scott, rice, sturges, sqrt or stone, a number, or edges"
                    );
                    return Err(PyValueError::new_err(why));
                }
            },
        })
    }
}

impl From<HParam> for Setting {
    fn from(value: HParam) -> Self {
        match value {
            HParam::Bool(value) => Self::Bool(value),
            HParam::Number(value) => Self::Number(value),
            HParam::Text(value) => Self::Text(value),
        }
    }
}
