//! Histograms whose values are taken over, and rules for their buckets.
//!
//! The rules are those of `numpy.histogram_bin_edges`, with its arithmetic: the same values fall into the same buckets. The
//! form is that of every histogram here: plugin `histograms`, tensor `[k, 3]` of f64.

use std::sync::Arc;

use super::{Encode, Record, bad_shape, owned_tag, value};
use crate::tfevents::messages::DataClass;
use crate::tfevents::{Bucket, Real, bucket, finite, histogram_tensor};
use crate::value::{MAX_BUCKETS, RecordError};

/// Rule by which values are sorted into buckets.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Bins {
    /// Thirty of equal width, as TensorBoard makes them.
    #[default]
    TensorBoard,
    /// So many of equal width.
    Count(usize),
    /// Between these edges; what lies outside is left out.
    Edges(Vec<f64>),
    /// As many of equal width as a rule says, at most [`MAX_BUCKETS`].
    Rule(Rule),
}

/// A rule of NumPy, by its name there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// `auto`: the narrower of `fd` and `sturges`, but no more buckets than twice those of `sqrt`.
    Auto,
    /// `fd`: by Freedman and Diaconis, from the range of the middle half.
    Fd,
    /// `doane`: as Sturges, for values that lean to one side.
    Doane,
    /// `scott`: from the standard deviation.
    Scott,
    /// `rice`: from the number of values alone, more than `sturges`.
    Rice,
    /// `sturges`: from the number of values alone.
    Sturges,
    /// `sqrt`: the square root of the number of values.
    Sqrt,
    /// `stone`: the number that is expected to be the least wrong, of 1 to 100, or to the square root of the number of values
    /// where that is more. The values are sorted into buckets for each.
    Stone,
}

/// Values to be sorted into buckets; those that are not finite are left out.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    tag: String,
    values: Values,
    bins: Bins,
    /// Lower limit of the width of the buckets that a rule makes.
    narrowest: f64,
    most: usize,
}

#[derive(Clone, Debug, PartialEq)]
enum Values {
    F32(Arc<Vec<f32>>),
    F64(Arc<Vec<f64>>),
}

impl Histogram {
    /// 32-bit values. Those in an `Arc` are let go of when they are sorted: their memory can be used again then.
    ///
    /// # Errors
    /// When the tag or the bins cannot be used.
    pub fn new(tag: &str, values: impl Into<Arc<Vec<f32>>>, bins: Bins) -> Result<Self, RecordError> {
        Self::of(tag, Values::F32(values.into()), bins)
    }

    /// 64-bit values, as [`new`](Self::new) takes the others.
    ///
    /// # Errors
    /// When the tag or the bins cannot be used.
    pub fn doubles(tag: &str, values: impl Into<Arc<Vec<f64>>>, bins: Bins) -> Result<Self, RecordError> {
        Self::of(tag, Values::F64(values.into()), bins)
    }

    fn of(tag: &str, values: Values, bins: Bins) -> Result<Self, RecordError> {
        let buckets = match &bins {
            Bins::TensorBoard | Bins::Rule(_) => 1,
            Bins::Count(count) => *count,
            Bins::Edges(edges) => edges.len().saturating_sub(1),
        };
        if !(1..=MAX_BUCKETS).contains(&buckets) {
            return Err(bad_shape(
                "histogram",
                format!("{buckets} buckets"),
                format!("1 to {MAX_BUCKETS}"),
            ));
        }
        if let Bins::Edges(edges) = &bins
            && let Some(pair) = edges.windows(2).find(|pair| !is_rising(pair))
        {
            let seen = format!("an edge at {} and the next at {}", pair[0], pair[1]);
            return Err(bad_shape("histogram", seen, "finite and increasing ones"));
        }
        Ok(Self {
            tag: owned_tag(tag)?,
            values,
            bins,
            narrowest: 0.0,
            most: MAX_BUCKETS,
        })
    }

    /// The values are whole numbers: no bucket that a rule makes is narrower than 1, as NumPy has it for integers since 2.0.
    pub fn whole(mut self) -> Self {
        self.narrowest = 1.0;
        self
    }

    /// Joins neighbours until there are at most so many buckets.
    ///
    /// # Errors
    /// When that is none.
    pub fn at_most(mut self, buckets: usize) -> Result<Self, RecordError> {
        self.most = some_buckets(buckets)?;
        Ok(self)
    }
}

impl Encode for Histogram {
    fn encode(self, _: f64) -> Result<Record, RecordError> {
        let buckets = match self.values {
            Values::F32(values) => sorted(&values, &self.bins, self.narrowest),
            Values::F64(values) => sorted(&values, &self.bins, self.narrowest),
        };
        Ok(record(self.tag, joined(buckets, self.most)))
    }

    fn held_bytes(&self) -> usize {
        let bins = match &self.bins {
            Bins::Edges(edges) => size_of_val(edges.as_slice()),
            Bins::TensorBoard | Bins::Count(_) | Bins::Rule(_) => 0,
        };
        bins + match &self.values {
            Values::F32(values) => size_of_val(values.as_slice()),
            Values::F64(values) => size_of_val(values.as_slice()),
        }
    }
}

fn is_rising(pair: &[f64]) -> bool {
    pair.iter().all(|edge| edge.is_finite()) && pair.is_sorted()
}

/// A largest number of buckets, if it is one.
pub(super) fn some_buckets(most: usize) -> Result<usize, RecordError> {
    match most {
        0 => Err(bad_shape("histogram", "at most 0 buckets", "at least 1")),
        most => Ok(most),
    }
}

pub(super) fn record(tag: String, buckets: Vec<Bucket>) -> Record {
    let tensor = histogram_tensor(&buckets);
    let value = value(tag, ("histograms", &()), DataClass::Tensor, tensor);
    Record::values(vec![value])
}

/// At most `most` buckets, each of equally many neighbours.
pub(super) fn joined(buckets: Vec<Bucket>, most: usize) -> Vec<Bucket> {
    if buckets.len() <= most {
        return buckets;
    }
    let together = |some: &[Bucket]| {
        let [left, ..] = some[0];
        let [_, right, _] = some[some.len() - 1];
        [left, right, some.iter().map(|[.., count]| count).sum()]
    };
    buckets
        .chunks(buckets.len().div_ceil(most))
        .map(together)
        .collect()
}

fn sorted<T: Real>(values: &[T], bins: &Bins, narrowest: f64) -> Vec<Bucket> {
    match bins {
        Bins::TensorBoard => bucket(values).to_vec(),
        Bins::Edges(edges) => between(&finite(values), edges),
        Bins::Count(count) => equal(&finite(values), *count),
        Bins::Rule(rule) => {
            let mut values = finite(values);
            let count = rule.buckets(&mut values, narrowest);
            equal(&values, count)
        }
    }
}

/// Buckets between given edges; the last holds both of its own.
fn between(values: &[f64], edges: &[f64]) -> Vec<Bucket> {
    let mut buckets: Vec<Bucket> = edges.windows(2).map(|two| [two[0], two[1], 0.0]).collect();
    for &value in values {
        let after = edges.partition_point(|&edge| edge <= value);
        let at = match after.checked_sub(1) {
            Some(at) if at < buckets.len() => at,
            Some(_) if edges.last() == Some(&value) => buckets.len() - 1,
            _ => continue,
        };
        buckets[at][2] += 1.0;
    }
    buckets
}

/// Buckets of equal width, from the smallest value to the largest; half a unit to both sides when they are equal.
fn equal(values: &[f64], count: usize) -> Vec<Bucket> {
    let (first, last) = match range(values) {
        Some((min, max)) if min == max => (min - 0.5, max + 0.5),
        Some(range) => range,
        None => (0.0, 1.0),
    };
    // Halved before they are subtracted: the range may be more than a double holds.
    let width = last / 2.0 - first / 2.0;
    let is_in_range = (last - first).is_finite();
    let edge = |n: usize| match n {
        n if n == count => last,
        n if is_in_range => n as f64 * (width / count as f64 * 2.0) + first,
        n => (n as f64 * (width / count as f64) + first / 2.0) * 2.0,
    };
    let mut buckets: Vec<Bucket> = (0..count).map(|n| [edge(n), edge(n + 1), 0.0]).collect();
    for &value in values {
        let share = (value / 2.0 - first / 2.0) / width;
        let mut at = ((share * count as f64) as usize).min(count - 1);
        // The division may round across an edge.
        if value < buckets[at][0] {
            at = at.saturating_sub(1);
        } else if value >= buckets[at][1] && at != count - 1 {
            at += 1;
        }
        buckets[at][2] += 1.0;
    }
    buckets
}

fn range(values: &[f64]) -> Option<(f64, f64)> {
    let first = *values.first()?;
    Some(
        values
            .iter()
            .fold((first, first), |(min, max), &value| match value {
                value if value < min => (value, max),
                value if value > max => (min, value),
                _ => (min, max),
            }),
    )
}

impl Rule {
    fn buckets(self, values: &mut [f64], narrowest: f64) -> usize {
        let Some((min, max)) = range(values) else { return 1 };
        let width = match self.width(values, max - min) {
            // The rule has no answer.
            0.0 => return 1,
            width => width.max(narrowest),
        };
        match ((max - min) / width).ceil() {
            count if count.is_finite() && count >= 1.0 => (count as usize).min(MAX_BUCKETS),
            _ => 1,
        }
    }

    /// The width of a bucket; zero when the rule has no answer.
    fn width(self, values: &mut [f64], range: f64) -> f64 {
        let size = values.len() as f64;
        let sturges = range / (size.log2() + 1.0);
        match self {
            Self::Sturges => sturges,
            Self::Sqrt => range / size.sqrt(),
            Self::Rice => range / (2.0 * size.cbrt()),
            Self::Scott => (24.0 * std::f64::consts::PI.sqrt() / size).cbrt() * deviation(values),
            Self::Fd => freedman(values),
            Self::Doane => doane(values, range),
            Self::Stone => stone(values, range),
            // Outliers would make `fd` choose too many buckets: at most twice as many as `sqrt`.
            Self::Auto => freedman(values).max(range / size.sqrt() / 2.0).min(sturges),
        }
    }
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let size = values.len() as f64;
    values.sum::<f64>() / size
}

fn deviation(values: &[f64]) -> f64 {
    let middle = mean(values.iter().copied());
    mean(values.iter().map(|value| (value - middle).powi(2))).sqrt()
}

fn freedman(values: &mut [f64]) -> f64 {
    2.0 * middle_half(values) / (values.len() as f64).cbrt()
}

fn doane(values: &[f64], range: f64) -> f64 {
    let size = values.len() as f64;
    let deviation = deviation(values);
    if size <= 2.0 || deviation <= 0.0 {
        return 0.0;
    }
    let spread = (6.0 * (size - 2.0) / ((size + 1.0) * (size + 3.0))).sqrt();
    let middle = mean(values.iter().copied());
    let lean = mean(values.iter().map(|value| ((value - middle) / deviation).powi(3)));
    range / (1.0 + size.log2() + (1.0 + lean.abs() / spread).log2())
}

fn stone(values: &[f64], range: f64) -> f64 {
    let size = values.len() as f64;
    if size <= 1.0 || range == 0.0 {
        return 0.0;
    }
    let most = (size.sqrt() as usize).clamp(100, MAX_BUCKETS);
    let error = |count: usize| {
        let shares = equal(values, count).into_iter().map(|[.., n]| (n / size).powi(2));
        (2.0 - (size + 1.0) * shares.sum::<f64>()) / (range / count as f64)
    };
    let errors = (1..=most).map(|count| (count, error(count)));
    let best = errors.min_by(|(_, one), (_, other)| one.total_cmp(other));
    range / best.map_or(1, |(count, _)| count) as f64
}

/// From the first quarter to the third.
fn middle_half(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let quantile = |share: f64| {
        let at = share * (values.len() - 1) as f64;
        let (low, high) = (values[at.floor() as usize], values[at.ceil() as usize]);
        low + (high - low) * at.fract()
    };
    quantile(0.75) - quantile(0.25)
}
