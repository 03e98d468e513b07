//! Videos: GIF in the images dashboard.
//!
//! Several videos play side by side in one picture: their number is filled up to a power of two with black, as torch does it.

use gif::{Encoder, Frame, Repeat};

use super::image::image_value;
use super::pixels::{Axes, MAX_EDGE, Pixels};
use super::{Array, Encode, Record, bad_shape, owned_tag};
use crate::value::RecordError;

/// Quality of the palette that is found per frame, from 1, the best, to 30, the quickest.
const SPEED: i32 = 10;

/// A video, or several at once.
#[derive(Clone, Debug, PartialEq)]
pub struct Video {
    tag: String,
    axes: Axes,
    /// Hundredths of a second.
    delay: u16,
}

impl Video {
    /// Frames whose axes `format` names: `NTCHW` as in torch, or any other order of `T`, `H`, `W`, perhaps `C` and `N`. Plays
    /// `fps` frames a second, over and over.
    ///
    /// # Errors
    /// When the tag cannot be used, the format does not fit the shape, or `fps` is not between 0.002 and 100: a frame lasts
    /// whole hundredths of a second.
    pub fn new(tag: &str, frames: Array, format: &str, fps: f64) -> Result<Self, RecordError> {
        let axes = Axes::new("video", frames, format, "THW", "NTCHW")?;
        let delay = (100.0 / fps).round();
        if !(1.0..=f64::from(u16::MAX)).contains(&delay) {
            return Err(bad_shape(
                "video",
                format!("{fps} frames a second"),
                "0.002 to 100",
            ));
        }
        let [count, _, _, height, width] = axes.sizes();
        let (rows, columns) = tiles(count);
        if rows * height > MAX_EDGE || columns * width > MAX_EDGE {
            let seen = format!("{count} videos of {height} rows of {width} pixels side by side");
            return Err(bad_shape(
                "video",
                seen,
                format!("at most {MAX_EDGE} pixels in each direction"),
            ));
        }
        Ok(Self {
            tag: owned_tag(tag)?,
            axes,
            delay: delay as u16,
        })
    }
}

/// Rows and columns of `count` videos side by side.
fn tiles(count: usize) -> (usize, usize) {
    let rows = 1 << (count.ilog2() / 2);
    (rows, count.next_power_of_two() / rows)
}

impl Encode for Video {
    fn encode(self, _: f64) -> Result<Record, RecordError> {
        let [count, frames, _, height, width] = self.axes.sizes();
        let (rows, columns) = tiles(count);
        let size = (columns * width, rows * height);
        let mut file = Vec::new();
        self.write(
            &mut file,
            size,
            (0..frames).map(|t| self.axes.grid(t, rows, columns)),
        )
        .map_err(|why| RecordError::Encoding(why.to_string()))?;
        Ok(Record::values(vec![image_value(self.tag, size, file)]))
    }

    fn held_bytes(&self) -> usize {
        self.axes.held_bytes()
    }
}

impl Video {
    fn write(
        &self,
        file: &mut Vec<u8>,
        (width, height): (usize, usize),
        frames: impl Iterator<Item = Pixels>,
    ) -> Result<(), gif::EncodingError> {
        let mut encoder = Encoder::new(file, width as u16, height as u16, &[])?;
        encoder.set_repeat(Repeat::Infinite)?;
        for pixels in frames {
            let mut frame = frame(pixels, (width as u16, height as u16));
            frame.delay = self.delay;
            encoder.write_frame(&frame)?;
        }
        Ok(())
    }
}

/// Grey frames are kept exactly; of others the palette is looked for.
fn frame(pixels: Pixels, (width, height): (u16, u16)) -> Frame<'static> {
    if pixels.channels == 1 {
        let greys: Vec<u8> = (0..=u8::MAX).flat_map(|grey| [grey; 3]).collect();
        return Frame::from_palette_pixels(width, height, pixels.bytes, greys, None);
    }
    Frame::from_rgb_speed(width, height, &pixels.into_rgb().bytes, SPEED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn videos_lie_side_by_side_as_those_of_torch() {
        let counts = [1, 2, 3, 4, 5, 8, 16];
        assert_eq!(
            counts.map(tiles),
            [(1, 1), (1, 2), (1, 4), (2, 2), (2, 4), (2, 4), (4, 4)]
        );
    }
}
