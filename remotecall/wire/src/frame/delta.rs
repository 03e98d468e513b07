//! Delta coding of number columns: each value is written as its difference from the last one of the
//! same series.
//!
//! A series is the rows with the same text in the first text column; without one, all rows are one
//! series.
//!
//! ```text
//! integers  rows × zigzag varint: the difference; for the first of a series, from the row before
//! floats    8 × rows bytes: f64, sorted by series, XORed with the one before in the same series;
//!           first the lowest byte of each, then the next …
//! ```

use super::bytes::take;
use super::error::FrameError;
use crate::varint::{put_varint, take_varint, unzigzag, zigzag};

const FLOAT: usize = size_of::<f64>();

/// Codec for the number columns of one block.
pub(super) struct DeltaCodec {
    /// Series of each row, below `count`.
    series: Vec<u32>,
    count: usize,
}

#[expect(
    clippy::indexing_slicing,
    reason = "series are below `count`, and positions below the number of rows"
)]
impl DeltaCodec {
    /// A codec for rows whose series are `rows`, numbers below `count`.
    pub fn by_series(rows: &[u32], count: usize) -> Self {
        let series = rows.to_vec();
        Self { series, count }
    }

    /// A codec for `rows` rows of one series.
    pub fn one_series(rows: usize) -> Self {
        Self {
            series: vec![0; rows],
            count: 1,
        }
    }

    /// Appends a column of integers.
    pub fn put_ints(&self, out: &mut Vec<u8>, rows: &[i64]) {
        let mut previous = Previous::new(self.count);
        for (&series, &value) in self.series.iter().zip(rows) {
            put_varint(out, zigzag(value.wrapping_sub(previous.get(series))));
            previous.set(series, value);
        }
    }

    /// Takes a column of integers.
    pub fn take_ints(&self, rest: &mut &[u8]) -> Result<Vec<i64>, FrameError> {
        let mut previous = Previous::new(self.count);
        let value = |&series: &u32| {
            let value = previous.get(series).wrapping_add(unzigzag(take_varint(rest)?));
            previous.set(series, value);
            Ok(value)
        };
        self.series.iter().map(value).collect()
    }

    /// Appends a column of floats.
    pub fn put_floats(&self, out: &mut Vec<u8>, rows: &[f64]) {
        let (mut positions, mut previous) = (self.positions(), vec![0; self.count]);
        let mut bits = vec![0; rows.len()];
        for (&series, value) in self.series.iter().zip(rows) {
            let (position, previous) = (&mut positions[series as usize], &mut previous[series as usize]);
            bits[*position] = value.to_bits() ^ std::mem::replace(previous, value.to_bits());
            *position += 1;
        }
        for plane in 0..FLOAT {
            out.extend(bits.iter().map(|bits| (bits >> (8 * plane)) as u8));
        }
    }

    /// Takes a column of floats.
    pub fn take_floats(&self, rest: &mut &[u8]) -> Result<Vec<f64>, FrameError> {
        let rows = self.series.len();
        let planes = take(rest, FLOAT * rows)?;
        let mut bits = vec![0u64; rows];
        for (number, plane) in planes.chunks_exact(rows).enumerate() {
            for (bits, &byte) in bits.iter_mut().zip(plane) {
                *bits |= u64::from(byte) << (8 * number);
            }
        }
        let (mut positions, mut previous) = (self.positions(), vec![0; self.count]);
        let value = |&series: &u32| {
            let (position, previous) = (&mut positions[series as usize], &mut previous[series as usize]);
            *previous ^= bits[*position];
            *position += 1;
            f64::from_bits(*previous)
        };
        Ok(self.series.iter().map(value).collect())
    }

    /// First position of each series, when the rows are sorted by series.
    fn positions(&self) -> Vec<usize> {
        let mut lengths = vec![0; self.count];
        for &series in &self.series {
            lengths[series as usize] += 1;
        }
        let mut end = 0;
        for length in &mut lengths {
            end += std::mem::replace(length, end);
        }
        lengths
    }
}

/// Last value of each series; before the first of a series, the value of the row before.
struct Previous {
    values: Vec<Option<i64>>,
    last: i64,
}

#[expect(clippy::indexing_slicing, reason = "series are below `count`")]
impl Previous {
    fn new(count: usize) -> Self {
        Self {
            values: vec![None; count],
            last: 0,
        }
    }

    fn get(&self, series: u32) -> i64 {
        self.values[series as usize].unwrap_or(self.last)
    }

    fn set(&mut self, series: u32, value: i64) {
        self.values[series as usize] = Some(value);
        self.last = value;
    }
}
