//! Records beyond numbers and texts: the Python class hands arrays over, `tensorplex::records` checks and encodes them.
//!
//! What is wrong with a record is a `ValueError` in its caller. Encoding runs detached, so other Python threads go on.

use std::time::{SystemTime, UNIX_EPOCH};

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use remotecall::NotQueued;
use tensorplex::records::{
    Array, Audio, Bins, Chart, CustomScalars, Embedding, Encode, Graph, HParams, Histogram, Image, Mesh,
    PrCurve, PrCurveRaw, Rule, Setting, Status, Video,
};
use tensorplex::{RecordError, TensorplexClient};

use crate::client::Client;
use crate::errors;

/// Step and wall time of a record.
type At = (i64, Option<f64>);

/// Samples in C order, as bytes or as floats.
#[derive(FromPyObject)]
pub(crate) enum Samples {
    Bytes(PyBuffer<u8>),
    Floats(PyBuffer<f32>),
}

impl Samples {
    fn array(&self, py: Python<'_>) -> PyResult<Array> {
        match self {
            Self::Bytes(bytes) => Array::new(bytes.shape(), bytes.to_vec(py)?),
            Self::Floats(floats) => Array::new(floats.shape(), floats.to_vec(py)?),
        }
        .map_err(refused)
    }
}

/// A choice of bins, as `numpy.histogram` takes it.
#[derive(FromPyObject)]
pub(crate) enum BinChoice {
    Count(usize),
    Rule(String),
    Edges(Vec<f64>),
}

/// A hyperparameter. The order matters: what is a bool in Python is a number too.
#[derive(FromPyObject)]
pub(crate) enum HParam {
    Bool(bool),
    Number(f64),
    Text(String),
}

#[pyfunction]
pub(crate) fn add_histogram(
    py: Python<'_>,
    client: &Client,
    tag: &str,
    values: PyBuffer<f64>,
    bins: BinChoice,
    at: At,
) -> PyResult<()> {
    let histogram = Histogram::doubles(tag, values.to_vec(py)?, bins.into_bins()?);
    add(py, client, histogram.map_err(refused)?, at)
}

#[pyfunction]
pub(crate) fn add_image(
    py: Python<'_>,
    client: &Client,
    tag: &str,
    pixels: Samples,
    format: &str,
    boxes: Vec<[f32; 4]>,
    at: At,
) -> PyResult<()> {
    let image = Image::new(tag, pixels.array(py)?, format).map_err(refused)?;
    add(py, client, image.with_boxes(&boxes), at)
}

#[pyfunction]
pub(crate) fn add_video(
    py: Python<'_>,
    client: &Client,
    tag: &str,
    frames: Samples,
    format: &str,
    fps: f64,
    at: At,
) -> PyResult<()> {
    let video = Video::new(tag, frames.array(py)?, format, fps).map_err(refused)?;
    add(py, client, video, at)
}

#[pyfunction]
pub(crate) fn add_audio(
    py: Python<'_>,
    client: &Client,
    tag: &str,
    samples: PyBuffer<f32>,
    channels: u16,
    sample_rate: u32,
    at: At,
) -> PyResult<()> {
    let audio = Audio::new(tag, samples.to_vec(py)?, channels, sample_rate).map_err(refused)?;
    add(py, client, audio, at)
}

#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "those of the method in Python")]
pub(crate) fn add_pr_curve(
    py: Python<'_>,
    client: &Client,
    tag: &str,
    labels: Vec<bool>,
    predictions: PyBuffer<f32>,
    weights: Option<Vec<f32>>,
    thresholds: usize,
    at: At,
) -> PyResult<()> {
    let predictions = predictions.to_vec(py)?;
    let curve = PrCurve::new(tag, labels, predictions, weights, thresholds).map_err(refused)?;
    add(py, client, curve, at)
}

#[pyfunction]
pub(crate) fn add_pr_curve_raw(
    py: Python<'_>,
    client: &Client,
    tag: &str,
    rows: [Vec<f32>; 6],
    at: At,
) -> PyResult<()> {
    add(py, client, PrCurveRaw::new(tag, rows).map_err(refused)?, at)
}

/// Title, whether it is a margin chart, tags.
type ChartParts = (String, bool, Vec<String>);

/// `layout`: sections of charts, each chart with its title, whether it is a margin chart, and its tags.
#[pyfunction]
pub(crate) fn add_custom_scalars(
    py: Python<'_>,
    client: &Client,
    layout: Vec<(String, Vec<ChartParts>)>,
) -> PyResult<()> {
    let mut record = CustomScalars::default();
    for (title, charts) in layout {
        let charts: Result<Vec<_>, _> = charts.iter().map(chart).collect();
        record = record.section(&title, charts?);
    }
    add(py, client, record, (0, None))
}

fn chart((title, is_margin, tags): &ChartParts) -> PyResult<Chart> {
    let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
    if !is_margin {
        return Chart::multiline(title, &tags).map_err(refused);
    }
    let [value, lower, upper] = tags.as_slice() else {
        let why = format!(
            "margin chart of {} tags: 3 are needed: value, lower, upper",
            tags.len()
        );
        return Err(PyValueError::new_err(why));
    };
    Chart::margin(title, &[[value, lower, upper]]).map_err(refused)
}

#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "those of the method in Python")]
pub(crate) fn add_mesh(
    py: Python<'_>,
    client: &Client,
    tag: &str,
    vertices: Vec<[f32; 3]>,
    colors: Option<Vec<[u8; 3]>>,
    faces: Option<Vec<[i32; 3]>>,
    config: Option<&str>,
    at: At,
) -> PyResult<()> {
    let mut mesh = Mesh::new(tag, vertices).map_err(refused)?;
    if let Some(colors) = colors {
        mesh = mesh.colors(colors).map_err(refused)?;
    }
    if let Some(faces) = faces {
        mesh = mesh.faces(faces).map_err(refused)?;
    }
    if let Some(config) = config {
        mesh = mesh.config(config);
    }
    add(py, client, mesh, at)
}

/// The settings of a session, and that it has ended well: what `add_hparams` of torch says.
#[pyfunction]
pub(crate) fn add_hparams(
    py: Python<'_>,
    client: &Client,
    settings: Vec<(String, HParam)>,
    name: Option<&str>,
) -> PyResult<()> {
    let settings = settings.into_iter().map(|(name, value)| (name, value.into()));
    let mut hparams = HParams::new(settings).map_err(refused)?;
    if let Some(name) = name {
        hparams = hparams.group_name(name);
    }
    add(py, client, hparams, (0, None))?;
    add(py, client, Status::Success, (0, None))
}

#[pyfunction]
pub(crate) fn add_graph(py: Python<'_>, client: &Client, graph_def: Vec<u8>) -> PyResult<()> {
    add(py, client, Graph::new(graph_def).map_err(refused)?, (0, None))
}

#[pyfunction]
pub(crate) fn add_onnx_graph(py: Python<'_>, client: &Client, model: &[u8]) -> PyResult<()> {
    add(py, client, Graph::from_onnx(model).map_err(refused)?, (0, None))
}

/// `table`: the names of the columns, and the labels of each row.
#[pyfunction]
pub(crate) fn add_embedding(
    py: Python<'_>,
    client: &Client,
    tag: &str,
    vectors: PyBuffer<f32>,
    table: Option<(Vec<String>, Vec<Vec<String>>)>,
    pictures: Option<(Samples, String)>,
    at: At,
) -> PyResult<()> {
    let size = vectors.shape().last().copied().unwrap_or(0);
    let mut embedding = Embedding::new(tag, vectors.to_vec(py)?, size).map_err(refused)?;
    if let Some((header, rows)) = table {
        let header: Vec<&str> = header.iter().map(String::as_str).collect();
        embedding = embedding.table(&header, &rows).map_err(refused)?;
    }
    if let Some((pixels, format)) = pictures {
        embedding = embedding.pictures(pixels.array(py)?, &format).map_err(refused)?;
    }
    add(py, client, embedding, at)
}

fn add(py: Python<'_>, client: &Client, record: impl Encode + Send, (step, walltime): At) -> PyResult<()> {
    let connection = client.here(py)?;
    if connection.0.is_closed() {
        return Err(errors::not_queued(py, NotQueued::Closed));
    }
    let sender = TensorplexClient::new(connection.0.clone()).one_way();
    let walltime = walltime.unwrap_or_else(now);
    py.detach(|| sender.add(record, Some(step), walltime))
        .map_err(refused)
}

fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0.0, |time| time.as_secs_f64())
}

fn refused(error: RecordError) -> PyErr {
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
                _ => {
                    let why = format!(
                        "bins of {name:?}: tensorflow, auto, fd, doane, scott, rice, sturges or sqrt is wanted, or a number, or edges"
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
