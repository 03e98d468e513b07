//! Images: PNG in the tensor form.
//!
//! ```text
//! plugin   images, content ImagePluginData
//! tensor   [3] of strings: width and height in decimal digits, the file
//! ```
//!
//! Source: `tensorboard/plugins/image/summary_v2.py`. The shape is stated and the strings are in `string_val`: TensorBoard's
//! data server drops what is otherwise.

use super::boxes::draw;
use super::pixels::{Axes, Pixels};
use super::{Array, Encode, Record, owned_tag, shape, value};
use crate::tfevents::messages::{DataClass, DataType, TensorProto, Value};
use crate::tfevents::plugins::ImagePluginData;
use crate::value::RecordError;

/// Most columns of a grid.
const COLUMNS: usize = 8;

/// An image, or a grid of images.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    tag: String,
    axes: Axes,
    boxes: Vec<[f32; 4]>,
}

impl Image {
    /// Pixels whose axes `format` names: `CHW`, `HWC`, `HW`, or any other order of `H`, `W`, perhaps `C` and perhaps `N`. With
    /// an `N` the images are laid into a grid of up to eight columns.
    ///
    /// ```
    /// use tensorplex::records::{Array, Image};
    ///
    /// let black = Array::new(&[3, 32, 64], vec![0u8; 3 * 32 * 64])?;
    /// let image = Image::new("sample", black, "CHW")?;
    /// # Ok::<(), tensorplex::RecordError>(())
    /// ```
    ///
    /// # Errors
    /// When the tag cannot be used, or the format does not fit the shape.
    pub fn new(tag: &str, pixels: Array, format: &str) -> Result<Self, RecordError> {
        let axes = Axes::new("image", pixels, format, "HW", "NCHW")?;
        Ok(Self {
            tag: owned_tag(tag)?,
            axes,
            boxes: Vec::new(),
        })
    }

    /// Draws red frames on it, each given by its left, upper, right and lower edge in pixels. What lies outside is cut off.
    #[must_use]
    pub fn with_boxes(mut self, boxes: &[[f32; 4]]) -> Self {
        self.boxes = boxes.to_vec();
        self
    }
}

impl Encode for Image {
    fn encode(self, _: f64) -> Result<Record, RecordError> {
        let [count, ..] = self.axes.sizes();
        let columns = count.min(COLUMNS);
        let mut pixels = self.axes.grid(0, count.div_ceil(columns), columns);
        if !self.boxes.is_empty() {
            pixels = draw(pixels.into_rgb(), &self.boxes);
        }
        let file = png(&pixels)?;
        Ok(Record::values(vec![image_value(
            self.tag,
            (pixels.width, pixels.height),
            file,
        )]))
    }

    fn held_bytes(&self) -> usize {
        self.axes.held_bytes() + size_of_val(self.boxes.as_slice())
    }
}

/// A value of the images dashboard; `file` may be whatever browsers show.
pub(super) fn image_value(tag: String, (width, height): (usize, usize), file: Vec<u8>) -> Value {
    let tensor = TensorProto {
        dtype: DataType::String.into(),
        tensor_shape: shape(&[3]),
        string_val: vec![
            width.to_string().into_bytes(),
            height.to_string().into_bytes(),
            file,
        ],
        ..TensorProto::default()
    };
    value(
        tag,
        ("images", &ImagePluginData::default()),
        DataClass::BlobSequence,
        tensor,
    )
}

pub(super) fn png(pixels: &Pixels) -> Result<Vec<u8>, RecordError> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, pixels.width as u32, pixels.height as u32);
    encoder.set_color(match pixels.channels {
        1 => png::ColorType::Grayscale,
        2 => png::ColorType::GrayscaleAlpha,
        3 => png::ColorType::Rgb,
        _ => png::ColorType::Rgba,
    });
    let written = encoder.write_header().and_then(|mut writer| {
        writer
            .write_image_data(&pixels.bytes)
            .and_then(|()| writer.finish())
    });
    written.map_err(|why| RecordError::Encoding(why.to_string()))?;
    Ok(file)
}
