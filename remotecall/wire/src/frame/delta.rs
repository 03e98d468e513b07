//! Numbers of a block, written as differences within their series.

use super::FrameError;
use super::reading::take;
use crate::varint::{put_varint, take_varint, unzigzag, zigzag};

const FLOAT: usize = size_of::<f64>();

/// Which rows belong together.
pub(super) struct DeltaColumns {
    /// The series of each row.
    of: Vec<u32>,
    count: usize,
}

impl DeltaColumns {
    /// The series of each row is a number below `count`.
    pub fn of(rows: &[u32], count: usize) -> Self {
        let of = rows.to_vec();
        Self { of, count }
    }

    /// All rows in one series.
    pub fn one(rows: usize) -> Self {
        Self {
            of: vec![0; rows],
            count: 1,
        }
    }

    /// Appends a column of integers.
    pub fn put_ints(&self, out: &mut Vec<u8>, rows: &[i64]) {
        let mut before = Before::new(self.count);
        for (&series, &value) in self.of.iter().zip(rows) {
            put_varint(out, zigzag(value.wrapping_sub(before.get(series))));
            before.set(series, value);
        }
    }

    /// Takes a column of integers.
    pub fn take_ints(&self, rest: &mut &[u8]) -> Result<Vec<i64>, FrameError> {
        let mut before = Before::new(self.count);
        let value = |&series: &u32| {
            let value = before.get(series).wrapping_add(unzigzag(take_varint(rest)?));
            before.set(series, value);
            Ok(value)
        };
        self.of.iter().map(value).collect()
    }

    /// Appends a column of floats.
    pub fn put_floats(&self, out: &mut Vec<u8>, rows: &[f64]) {
        let (mut places, mut before) = (self.places(), vec![0; self.count]);
        let mut bits = vec![0; rows.len()];
        for (&series, value) in self.of.iter().zip(rows) {
            let (place, before) = (&mut places[series as usize], &mut before[series as usize]);
            bits[*place] = value.to_bits() ^ std::mem::replace(before, value.to_bits());
            *place += 1;
        }
        for plane in 0..FLOAT {
            out.extend(bits.iter().map(|bits| (bits >> (8 * plane)) as u8));
        }
    }

    /// Takes a column of floats.
    pub fn take_floats(&self, rest: &mut &[u8]) -> Result<Vec<f64>, FrameError> {
        let rows = self.of.len();
        let planes = take(rest, FLOAT * rows)?;
        let mut bits = vec![0u64; rows];
        for (number, plane) in planes.chunks_exact(rows).enumerate() {
            for (bits, &byte) in bits.iter_mut().zip(plane) {
                *bits |= u64::from(byte) << (8 * number);
            }
        }
        let (mut places, mut before) = (self.places(), vec![0; self.count]);
        let value = |&series: &u32| {
            let (place, before) = (&mut places[series as usize], &mut before[series as usize]);
            *before ^= bits[*place];
            *place += 1;
            f64::from_bits(*before)
        };
        Ok(self.of.iter().map(value).collect())
    }

    /// Where each series begins when one follows the other.
    fn places(&self) -> Vec<usize> {
        let mut lengths = vec![0; self.count];
        for &series in &self.of {
            lengths[series as usize] += 1;
        }
        let mut end = 0;
        for place in &mut lengths {
            end += std::mem::replace(place, end);
        }
        lengths
    }
}

/// The value before, in the same series; for the first of a series, in the row before.
struct Before {
    of: Vec<Option<i64>>,
    last: i64,
}

impl Before {
    fn new(count: usize) -> Self {
        Self {
            of: vec![None; count],
            last: 0,
        }
    }

    fn get(&self, series: u32) -> i64 {
        self.of[series as usize].unwrap_or(self.last)
    }

    fn set(&mut self, series: u32, value: i64) {
        self.of[series as usize] = Some(value);
        self.last = value;
    }
}
