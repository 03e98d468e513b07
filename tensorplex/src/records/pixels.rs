//! Pixels in one order, whatever order they came in.
//!
//! A format names the axes of an array, one letter each: `N` pictures, `T` frames, `C` channels, `H` rows, `W` columns. An
//! axis that is not named has size 1. One channel is grey, two are grey and opacity, three are red, green and blue, four
//! have opacity too.

use super::{Array, bad_shape};
use crate::value::RecordError;

/// Most pixels along an edge: what readers and GIF take.
pub const MAX_EDGE: usize = 65_535;

/// A picture: rows of pixels of `channels` bytes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pixels {
    pub width: usize,
    pub height: usize,
    pub channels: usize,
    pub bytes: Vec<u8>,
}

/// An array whose axes are known.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Axes {
    array: Array,
    /// Size and stride of N, T, C, H, W.
    axes: [(usize, usize); 5],
}

const LETTERS: [char; 5] = ['N', 'T', 'C', 'H', 'W'];

impl Axes {
    /// Reads `format`, in which `needed` must occur and nothing but `allowed`.
    pub fn new(
        what: &'static str,
        array: Array,
        format: &str,
        needed: &str,
        allowed: &str,
    ) -> Result<Self, RecordError> {
        let once = |letter| format.matches(letter).count() == 1;
        let fits = format
            .chars()
            .all(|letter| allowed.contains(letter) && once(letter))
            && needed.chars().all(once)
            && format.len() == array.shape().len();
        if !fits {
            let seen = format!("shape {:?} with format {format:?}", array.shape());
            let wanted = format!("one letter per axis, {needed} and at most {allowed}");
            return Err(bad_shape(what, seen, wanted));
        }
        let mut axes = [(1, 0); 5];
        let mut stride = 1;
        for (letter, &size) in format.chars().rev().zip(array.shape().iter().rev()) {
            if let Some(at) = LETTERS.iter().position(|&known| known == letter) {
                axes[at] = (size, stride);
            }
            stride *= size;
        }
        let this = Self { array, axes };
        let [_, _, channels, height, width] = this.sizes();
        if !(1..=4).contains(&channels) {
            return Err(bad_shape(what, format!("{channels} channels"), "1 to 4"));
        }
        if height > MAX_EDGE || width > MAX_EDGE {
            return Err(bad_shape(
                what,
                format!("{height} rows of {width} pixels"),
                format!("at most {MAX_EDGE} of each"),
            ));
        }
        Ok(this)
    }

    /// Sizes of N, T, C, H and W.
    pub fn sizes(&self) -> [usize; 5] {
        self.axes.map(|(size, _)| size)
    }

    /// Bytes of its samples.
    pub fn held_bytes(&self) -> usize {
        self.array.held_bytes()
    }

    /// Lays picture `n` of frame `t` for each `n` into a grid with `columns` columns; what is left over stays black.
    pub fn grid(&self, t: usize, rows: usize, columns: usize) -> Pixels {
        let [count, _, channels, height, width] = self.sizes();
        let line = columns * width * channels;
        let mut bytes = vec![0; rows * height * line];
        for n in 0..count.min(rows * columns) {
            let (row, column) = (n / columns, n % columns);
            for y in 0..height {
                let start = (row * height + y) * line + column * width * channels;
                let out = &mut bytes[start..start + width * channels];
                for (x, pixel) in out.chunks_exact_mut(channels).enumerate() {
                    for (c, byte) in pixel.iter_mut().enumerate() {
                        *byte = self.array.byte(self.offset([n, t, c, y, x]));
                    }
                }
            }
        }
        Pixels {
            width: columns * width,
            height: rows * height,
            channels,
            bytes,
        }
    }

    fn offset(&self, index: [usize; 5]) -> usize {
        index
            .iter()
            .zip(&self.axes)
            .map(|(at, (_, stride))| at * stride)
            .sum()
    }
}

impl Pixels {
    /// The picture in red, green and blue.
    pub fn into_rgb(self) -> Self {
        let channels = self.channels;
        if channels == 3 {
            return self;
        }
        let colour = |pixel: &[u8]| match *pixel {
            [red, green, blue, _] => [red, green, blue],
            [grey, ..] => [grey; 3],
            [] => [0; 3],
        };
        Self {
            channels: 3,
            bytes: self.bytes.chunks_exact(channels).flat_map(colour).collect(),
            ..self
        }
    }
}
