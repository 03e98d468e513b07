//! From values to the buckets of a histogram, as TensorBoard's own builder makes them.
//!
//! [`BUCKETS`] buckets of equal width from the smallest value to the largest; each holds its left edge but not its right
//! one, and the last holds both. When all values are equal, all edges are that value and the last bucket counts; without
//! values everything is zero. A value that is not finite has no place in a bucket: it is left out.

/// Number of buckets: TensorBoard's default.
pub const BUCKETS: usize = 30;

/// Left edge, right edge, count.
pub type Bucket = [f64; 3];

/// Sorts the finite ones of `values` into [`BUCKETS`] buckets.
pub fn bucket(values: impl Iterator<Item = f64> + Clone) -> [Bucket; BUCKETS] {
    let finite = values.filter(|value| value.is_finite());
    let Some((min, max)) = range(finite.clone()) else {
        return [[0.0; 3]; BUCKETS];
    };
    let scale = Scale::new(min, max);
    let mut buckets = std::array::from_fn(|n| [scale.edge(n), scale.edge(n + 1), 0.0]);
    for value in finite {
        buckets[scale.bucket_of(value)][2] += 1.0;
    }
    buckets
}

fn range(mut values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let first = values.next()?;
    // Not `f64::min`: which of 0.0 and -0.0 it returns is not specified, and a replay must give the same bytes.
    let wider = |(min, max), value| match value {
        value if value < min => (value, max),
        value if value > max => (min, value),
        _ => (min, max),
    };
    Some(values.fold((first, first), wider))
}

/// Equal steps from the smallest value to the largest.
struct Scale {
    min: f64,
    max: f64,
    step: f64,
    /// 1, or 1/2 where the largest minus the smallest is more than a double can hold.
    unit: f64,
}

impl Scale {
    fn new(min: f64, max: f64) -> Self {
        let unit = if (max - min).is_finite() { 1.0 } else { 0.5 };
        let step = (max * unit - min * unit) / BUCKETS as f64;
        Self { min, max, step, unit }
    }

    fn edge(&self, n: usize) -> f64 {
        if n == BUCKETS {
            return self.max;
        }
        (n as f64 * self.step + self.min * self.unit) / self.unit
    }

    fn bucket_of(&self, value: f64) -> usize {
        if self.min == self.max {
            return BUCKETS - 1;
        }
        let offset = value * self.unit - self.min * self.unit;
        // The step of a tiny range can be zero; `as` then takes 0/0 to the first bucket and 1/0 to the last.
        ((offset / self.step) as usize).min(BUCKETS - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn total(values: &[f64]) -> f64 {
        let buckets = bucket(values.iter().copied());
        for [left, right, count] in buckets {
            assert!(
                left <= right && right.is_finite() && left.is_finite(),
                "{buckets:?}"
            );
            assert!(count >= 0.0);
        }
        buckets.iter().map(|[_, _, count]| count).sum()
    }

    #[test]
    fn the_last_bucket_is_closed() {
        let buckets = bucket([0.0, 30.0, 29.0, 1.0].into_iter());
        assert_eq!(buckets[0], [0.0, 1.0, 1.0]);
        assert_eq!(buckets[1], [1.0, 2.0, 1.0]);
        assert_eq!(buckets[29], [29.0, 30.0, 2.0]);
    }

    #[test]
    fn what_is_not_finite_is_left_out() {
        assert_eq!(
            total(&[f64::NAN, 1.0, f64::INFINITY, 2.0, f64::NEG_INFINITY]),
            2.0
        );
        assert_eq!(total(&[f64::NAN]), 0.0);
    }

    #[test]
    fn the_ends_of_the_range_of_doubles_are_counted() {
        assert_eq!(total(&[f64::MIN, 0.0, f64::MAX]), 3.0);
        assert_eq!(total(&[0.0, f64::from_bits(1)]), 2.0);
        let buckets = bucket([f64::MIN, 1e307, f64::MAX].into_iter());
        assert_eq!((buckets[0][2], buckets[15][2], buckets[29][2]), (1.0, 1.0, 1.0));
    }
}
