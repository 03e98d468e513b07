//! One record for every dashboard. Run with cargo run --example gallery.

use std::error::Error;
use std::time::Duration;

use tensorplex::records::{
    Array, Audio, Chart, CustomScalars, Embedding, Graph, HParams, Image, Mesh, PrCurve, ScalarTensor,
    Status, Video,
};
use tensorplex::{Tensorplex, Writer};
use tensorplex_examples::{LocalServer, logdir, private};

fn main() -> Result<(), Box<dyn Error>> {
    let logdir = logdir("gallery");
    let server = LocalServer::start(
        &logdir,
        Tensorplex::open(&logdir, &private(&logdir, "tensorplex"))?,
    )?;
    let log = Writer::connect(&server.address(), "gallery")?;
    let wave = |count: usize| (0..count).map(|n| (n as f32 * 0.05).sin());

    log.add(
        HParams::new([
            ("lr", 0.1.into()),
            ("warm", true.into()),
            ("model", "small".into()),
        ])?,
        0,
    );
    let charts = [
        Chart::multiline("both", &["curve/.*"])?,
        Chart::margin("within", &[["curve/mean", "low", "high"]])?,
    ];
    log.add(CustomScalars::default().section("charts", charts), 0);
    for step in 0..50 {
        let x = step as f64 / 10.0;
        log.scalar("curve/mean", x.sin(), step);
        log.scalar("curve/other", x.cos(), step);
        log.scalar("low", x.sin() - 0.5, step);
        log.scalar("high", x.sin() + 0.5, step);
        log.add(
            ScalarTensor::new("described", x.exp(), "growth", "how it **grows**")?,
            step,
        );
        log.histogram("weights", &wave(100 + step as usize).collect::<Vec<_>>(), step);
    }
    log.text("note", "a *gallery*", 0);
    let ramp = |shape: &[usize]| {
        Array::new(
            shape,
            wave(shape.iter().product()).map(f32::abs).collect::<Vec<_>>(),
        )
    };
    log.add(Image::new("image", ramp(&[64, 64, 3])?, "HWC")?, 0);
    log.add(
        Image::new("boxes", ramp(&[64, 64])?, "HW")?.with_boxes(&[[8.0, 8.0, 40.0, 56.0]]),
        0,
    );
    log.add(Image::new("grid", ramp(&[10, 3, 16, 16])?, "NCHW")?, 0);
    log.add(Video::new("video", ramp(&[1, 8, 3, 32, 32])?, "NTCHW", 4.0)?, 0);
    log.add(Audio::new("tone", wave(16_000).collect(), 1, 16_000)?, 0);
    let (labels, predictions) = (
        (0..100).map(|n| n % 3 == 0).collect(),
        wave(100).map(f32::abs).collect(),
    );
    log.add(PrCurve::new("curve", labels, predictions, None, 127)?, 0);
    let corners = vec![[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    let mesh = Mesh::new("mesh", corners)?.faces(vec![[0, 1, 2], [0, 1, 3], [0, 2, 3], [1, 2, 3]])?;
    log.add(
        mesh.colors(vec![[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0]])?,
        0,
    );
    let nodes = [
        node("input", "Placeholder", &[]),
        node("dense/weights", "VariableV2", &[]),
        node("dense/product", "MatMul", &["input", "dense/weights"]),
        node("dense/output", "Relu", &["dense/product"]),
        node("loss", "Mean", &["dense/output"]),
    ];
    log.add(Graph::new(nodes.concat())?, 0);
    let labels: Vec<String> = (0..10).map(|n| format!("point {n}")).collect();
    let points = Embedding::new("points", wave(50).collect(), 5)?.labels(&labels)?;
    log.add(points.pictures(ramp(&[10, 8, 8])?, "NHW")?, 0);
    log.add(Status::Success, 50);
    log.flush(Duration::from_secs(10))?;

    server.stop()?;
    println!("tensorboard --logdir {}", logdir.display());
    Ok(())
}

/// Node of a `GraphDef`, as protobuf: fields of TensorFlow's `node_def.proto`, each shorter than
/// 128 bytes.
fn node(name: &str, operation: &str, inputs: &[&str]) -> Vec<u8> {
    let field = |key: u8, bytes: &[u8]| [&[key, bytes.len() as u8], bytes].concat();
    let mut fields = [field(0x0a, name.as_bytes()), field(0x12, operation.as_bytes())].concat();
    for input in inputs {
        fields.extend(field(0x1a, input.as_bytes()));
    }
    field(0x0a, &fields)
}
