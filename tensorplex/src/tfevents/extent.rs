//! Extent of values: needed before the first one is counted.

use super::counting;
use super::real::Real;
use super::scale::{BUCKETS, Bucket, Scale};

/// Smallest and largest of some values. Parts can be scanned, and then counted, in any order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent<T> {
    /// The smallest and the largest of the finite ones.
    range: Option<(T, T)>,
    /// True if some values are not finite.
    has_others: bool,
}

impl<T: Real> Extent<T> {
    /// Extent of no values.
    pub const NONE: Self = Self {
        range: None,
        has_others: false,
    };

    /// Extent of the numbers that `get` reads from the cells of a slice.
    pub fn of<E>(values: &[E], get: impl Fn(&E) -> T + Copy) -> Self {
        match counting::range(values, get) {
            range @ Some(_) => Self {
                range,
                has_others: false,
            },
            None => Self {
                range: counting::range(&finite(values, get), |&value| value),
                has_others: !values.is_empty(),
            },
        }
    }

    /// Extent of these values and others.
    pub fn with(self, other: Self) -> Self {
        let range = match (self.range, other.range) {
            (Some((min, max)), Some((low, high))) => Some((
                if low < min { low } else { min },
                if high > max { high } else { max },
            )),
            (one, other) => one.or(other),
        };
        let has_others = self.has_others || other.has_others;
        Self { range, has_others }
    }

    /// Number of values per bucket; values that are not finite are not counted.
    pub fn count<E>(&self, values: &[E], get: impl Fn(&E) -> T + Copy) -> [u64; BUCKETS] {
        let (Some((min, _)), Some(scale)) = (self.range, self.scale()) else {
            return [0; BUCKETS];
        };
        match self.has_others {
            true => counting::count(&finite(values, get), |&value| value, min, &scale),
            false => counting::count(values, get, min, &scale),
        }
    }

    /// The buckets that hold so many.
    pub fn buckets(&self, counts: &[u64; BUCKETS]) -> [Bucket; BUCKETS] {
        self.scale().map_or([[0.0; 3]; BUCKETS], |scale| {
            std::array::from_fn(|n| [scale.edge(n), scale.edge(n + 1), counts[n] as f64])
        })
    }

    fn scale(&self) -> Option<Scale> {
        self.range.map(|(min, max)| Scale::new(min.into(), max.into()))
    }
}

fn finite<E, T: Real>(values: &[E], get: impl Fn(&E) -> T) -> Vec<T> {
    let is_finite = |value: &T| Into::<f64>::into(*value).is_finite();
    values.iter().map(get).filter(is_finite).collect()
}
