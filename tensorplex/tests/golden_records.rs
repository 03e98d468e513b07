//! Our records against those of TensorBoard's own builders and of tensorboardX: `tests/fixtures/capture_records.py` has the
//! same input.

mod common;

use prost::Message;
use serde_json::{Value, json};
use tensorplex::records::{
    Array, Audio, Chart, CustomScalars, Encode, HParams, Image, Mesh, PrCurve, PrCurveRaw, ScalarTensor,
    Setting,
};
use tensorplex::tfevents::messages::{self, Datum, EventPayload, TensorProto};
use tensorplex::tfevents::plugins::HParamsPluginData;

fn fixture(name: &str) -> Value {
    let all: Value = serde_json::from_str(include_str!("../../tests/fixtures/records.json")).unwrap();
    let mut all = all.as_array().unwrap().iter();
    all.find(|entry| entry["name"] == name).unwrap().clone()
}

/// The values that are written for a record, at 1000.5 seconds.
fn written(record: impl Encode) -> Vec<messages::Value> {
    let last = common::event_of(record, Some(3), Some(1000.5));
    match last.what {
        Some(EventPayload::Summary(summary)) if last.step == 3 => summary.value,
        other => panic!("{other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// As `fields` of the script has it.
fn fields(value: &messages::Value) -> Value {
    let Some(Datum::Tensor(tensor)) = &value.value else {
        panic!("{value:?}")
    };
    let metadata = value.metadata.as_ref().unwrap();
    let plugin = metadata.plugin_data.as_ref().unwrap();
    let shape = tensor.tensor_shape.as_ref().unwrap();
    json!({
        "tag": value.tag,
        "plugin": plugin.plugin_name,
        "content": hex(&plugin.content),
        "display_name": metadata.display_name,
        "description": metadata.summary_description,
        "dtype": tensor.dtype,
        "shape": shape.dim.iter().map(|dim| dim.size).collect::<Vec<_>>(),
        "items": items(tensor),
    })
}

fn items(tensor: &TensorProto) -> Vec<Value> {
    let content = &tensor.tensor_content[..];
    match tensor.dtype {
        7 => tensor.string_val.iter().map(|text| json!(hex(text))).collect(),
        1 if content.is_empty() => tensor.float_val.iter().map(|&x| json!(f64::from(x))).collect(),
        1 => content
            .as_chunks()
            .0
            .iter()
            .map(|&x| json!(f64::from(f32::from_le_bytes(x))))
            .collect(),
        3 => content
            .as_chunks()
            .0
            .iter()
            .map(|&x| json!(f64::from(i32::from_le_bytes(x))))
            .collect(),
        4 => content.iter().map(|&x| json!(f64::from(x))).collect(),
        other => panic!("type {other}"),
    }
}

#[track_caller]
fn check(name: &str, record: impl Encode) {
    let got: Vec<Value> = written(record).iter().map(fields).collect();
    assert_eq!(json!(got), fixture(name)["values"], "{name}");
}

/// Compares the picture: width, height and pixels.
#[track_caller]
fn check_pixels(name: &str, record: impl Encode) {
    let values = written(record);
    let Some(Datum::Tensor(tensor)) = &values[0].value else {
        panic!("{values:?}")
    };
    let [width, height, file] = &tensor.string_val[..] else {
        panic!("{tensor:?}")
    };
    let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    let rgb: Vec<u8> = match info.color_type {
        png::ColorType::Rgb => pixels,
        png::ColorType::Grayscale => pixels.into_iter().flat_map(|grey| [grey; 3]).collect(),
        other => panic!("{other:?}"),
    };
    let number = |digits: &[u8]| -> u32 { String::from_utf8(digits.to_vec()).unwrap().parse().unwrap() };
    assert_eq!((number(width), number(height)), (info.width, info.height));
    let got = json!({"width": info.width, "height": info.height, "rgb": hex(&rgb)});
    assert_eq!(got, fixture(name)["pixels"], "{name}");
}

#[test]
fn a_described_scalar_is_that_of_tensorboard() {
    check(
        "scalar",
        ScalarTensor::new("loss", 1.5, "", "the *loss*").unwrap(),
    );
}

#[test]
fn pr_curves_are_those_of_others() {
    let labels = vec![true, false, true, true, false, true];
    let predictions = vec![0.0, 0.25, 0.5, 0.75, 0.9, 1.0];
    let curve = |weights, thresholds| {
        PrCurve::new("pr", labels.clone(), predictions.clone(), weights, thresholds).unwrap()
    };
    check("pr_curve", curve(None, 5));
    check(
        "pr_curve_weights",
        curve(Some(vec![1.0, 2.0, 0.5, 1.0, 1.0, 3.0]), 5),
    );
    check("pr_curve_127", curve(None, 127));
    let rows = [
        vec![4.0, 1.0],
        vec![2.0, 0.0],
        vec![0.0, 2.0],
        vec![0.0, 3.0],
        vec![0.5, 1.0],
        vec![1.0, 0.25],
    ];
    check("pr_curve_raw", PrCurveRaw::new("pr", rows).unwrap());
}

#[test]
fn a_layout_is_that_of_others() {
    let charts = [
        Chart::multiline("both", &["loss/.*", "x"]).unwrap(),
        Chart::margin("within", &[["m", "lo", "hi"]]).unwrap(),
    ];
    check(
        "custom_scalars",
        CustomScalars::default().section("losses", charts),
    );
}

#[test]
fn a_mesh_is_that_of_tensorboard() {
    let vertices = vec![[0.0, 1.0, 2.0], [3.0, 4.0, 5.0], [6.0, 7.0, 8.0]];
    let colors = vec![[0, 1, 2], [3, 4, 5], [6, 7, 8]];
    let mesh = Mesh::new("m", vertices).and_then(|m| m.colors(colors)?.faces(vec![[0, 1, 2]]));
    check("mesh", mesh.unwrap().config(r#"{"a": 1}"#));
}

#[test]
fn hparams_are_those_of_tensorboard() {
    let settings = [
        ("lr", Setting::from(0.1)),
        ("layers", 3.0.into()),
        ("warm", true.into()),
        ("model", "small".into()),
    ];
    let values = written(HParams::new(settings).unwrap().group_name("group"));
    let content = |hex: &str| {
        let bytes = (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap());
        HParamsPluginData::decode(&bytes.collect::<Vec<u8>>()[..]).unwrap()
    };
    // The order of a map is its writer's affair.
    let mut got = fields(&values[0]);
    let mut want = fixture("hparams")["values"][0].clone();
    let [got_data, want_data] =
        [&mut got, &mut want].map(|fields| content(fields["content"].take().as_str().unwrap()));
    assert_eq!(got_data, want_data);
    assert_eq!(got, want);
}

#[test]
fn images_have_the_pixels_of_others() {
    let bytes: Vec<u8> = (0..4 * 6 * 3).map(|n| n * 3).collect();
    check_pixels(
        "image",
        Image::new("img", Array::new(&[4, 6, 3], bytes).unwrap(), "HWC").unwrap(),
    );
    let count = 3 * 4 * 5;
    let floats: Vec<f32> = (0..count)
        .map(|n| (f64::from(n) * (1.0 / f64::from(count - 1))) as f32)
        .collect();
    check_pixels(
        "image_floats",
        Image::new("img", Array::new(&[3, 4, 5], floats).unwrap(), "CHW").unwrap(),
    );
    let grid: Vec<u8> = (0..60).collect();
    check_pixels(
        "image_grid",
        Image::new("img", Array::new(&[10, 1, 2, 3], grid).unwrap(), "NCHW").unwrap(),
    );
}

#[test]
fn sound_is_that_of_tensorboardx() {
    let samples = vec![0.0, 0.5, -0.5, 1.0, -1.0, 0.25];
    let mut got = fields(&written(Audio::new("snd", samples, 1, 8000).unwrap())[0]);
    // Theirs came in the old form, and the reader that converts it says so and fills in the name.
    assert_eq!(got["content"].take(), json!("100b"));
    got["content"] = json!("100b1801");
    got["display_name"] = json!("snd");
    // Theirs has an empty label, which one reader takes for another clip.
    assert_eq!(got["shape"].take(), json!([1]));
    got["shape"] = json!([1, 2]);
    got["items"].as_array_mut().unwrap().push(json!(""));
    assert_eq!(got, fixture("audio")["values"][0]);
}
