//! Red frames on a picture.

use super::pixels::Pixels;

/// Width of a frame's lines in pixels: torch's.
const LINE: i64 = 2;
const RED: [u8; 3] = [255, 0, 0];

/// Draws frames, each left, upper, right and lower edge, on a picture of three channels.
pub(super) fn draw(mut pixels: Pixels, boxes: &[[f32; 4]]) -> Pixels {
    for frame in boxes {
        // `as` takes NaN to 0 and what is out of range to the nearest end.
        let [left, top, right, bottom] = frame.map(|edge| edge.round() as i32).map(i64::from);
        let (left, right) = (left.min(right), left.max(right));
        let (top, bottom) = (top.min(bottom), top.max(bottom));
        for [from_x, to_x, from_y, to_y] in [
            [left, right, top, top],
            [left, right, bottom, bottom],
            [left, left, top, bottom],
            [right, right, top, bottom],
        ] {
            // A line lies as far before its edge as behind it.
            let half = LINE / 2;
            fill(
                &mut pixels,
                (from_x - half, to_x + half),
                (from_y - half, to_y + half),
            );
        }
    }
    pixels
}

/// Paints the columns `x` and rows `y`, both without their end, as far as they are on the picture.
fn fill(pixels: &mut Pixels, x: (i64, i64), y: (i64, i64)) {
    let within = |(from, to): (i64, i64), size: usize| {
        let size = size as i64;
        (from.clamp(0, size) as usize, to.clamp(0, size) as usize)
    };
    let (from, to) = within(x, pixels.width);
    let (top, bottom) = within(y, pixels.height);
    for row in top..bottom {
        let line = row * pixels.width;
        for pixel in pixels.bytes[(line + from) * 3..(line + to) * 3].chunks_exact_mut(3) {
            pixel.copy_from_slice(&RED);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_drawn_as_far_as_they_are_on_the_picture() {
        let black = Pixels {
            width: 10,
            height: 8,
            channels: 3,
            bytes: vec![0; 240],
        };
        let frames = [
            [2.0, 2.0, 7.0, 5.0],
            [-9.0, 1e30, 3.0, f32::INFINITY],
            [f32::NAN; 4],
        ];
        let drawn = draw(black, &frames);
        let lines: Vec<String> = drawn
            .bytes
            .chunks_exact(30)
            .map(|row| {
                row.chunks_exact(3)
                    .map(|p| if p == RED { '#' } else { '.' })
                    .collect()
            })
            .collect();
        let expect = [
            "#.........",
            ".#######..",
            ".#######..",
            ".##...##..",
            ".#######..",
            ".#######..",
            "..........",
            "..........",
        ];
        assert_eq!(lines, expect);
    }
}
