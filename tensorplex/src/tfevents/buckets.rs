//! From values to the buckets of a histogram, as TensorBoard's own builder makes them.
//!
//! [`BUCKETS`] buckets of equal width from the smallest value to the largest; each holds its left edge but not its right
//! one, and the last holds both. When all values are equal, all edges are that value and the last bucket counts; without
//! values everything is zero. A value that is not finite has no place in a bucket: it is left out.

use super::extent::Extent;
use super::real::Real;
use super::scale::{BUCKETS, Bucket};

/// Sorts the finite ones of `values` into [`BUCKETS`] buckets.
pub fn bucket<T: Real>(values: &[T]) -> [Bucket; BUCKETS] {
    let extent = Extent::of(values, |&value| value);
    extent.buckets(&extent.count(values, |&value| value))
}

/// The finite ones.
pub(crate) fn finite<T: Real>(values: &[T]) -> Vec<f64> {
    let numbers = values.iter().map(|&value| value.into());
    numbers.filter(|number: &f64| number.is_finite()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tfevents::counting::{count, count_here, range};
    use crate::tfevents::scale::Scale;

    #[track_caller]
    fn total(values: &[f64]) -> f64 {
        let buckets = bucket(values);
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
        let buckets = bucket(&[0.0, 30.0, 29.0, 1.0]);
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

    /// The rule, value by value.
    fn slow(values: &[f64]) -> [Bucket; BUCKETS] {
        let values = finite(values);
        let min = values.iter().copied().fold(f64::INFINITY, f64::min);
        let max = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let (scale, step) = (Scale::new(min, max), (max - min) / BUCKETS as f64);
        let mut buckets = std::array::from_fn(|n| [scale.edge(n), scale.edge(n + 1), 0.0]);
        for value in values {
            let place = match min == max {
                true => BUCKETS - 1,
                false => (((value - min) / step) as usize).min(BUCKETS - 1),
            };
            buckets[place][2] += 1.0;
        }
        buckets
    }

    #[test]
    fn many_values_at_once_are_sorted_as_each_alone() {
        let mut state = 1_u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 40) as f64 / (1 << 24) as f64
        };
        type Shape = fn(f64) -> f64;
        let shapes: [Shape; 10] = [
            // On the edges, and as near to them as 32 bits allow.
            |x| (x * 31.0).floor() / 30.0 * 0.7 * (1.0 + (x * 1e6 % 3.0 - 1.5).round() * 1e-7),
            |x| x,
            |x| (x * 60.0).floor() - 30.0,
            |x| (x - 0.7).max(0.0),
            |x| -(-x.ln()).sqrt(),
            |x| 1e300 * (x - 0.5).powi(3),
            |x| f64::from_bits((x * 99.0) as u64),
            |x| f64::from_bits(1.0_f64.to_bits() + (x * 40.0) as u64),
            |x| if x < 0.01 { f64::NAN } else { x },
            |x| if x > 0.9 { f64::INFINITY } else { -x },
        ];
        for (n, shape) in shapes.into_iter().enumerate() {
            for size in [1, 2, 15, 16, 17, 500, 1023, 1024, 1025, 5000] {
                let values: Vec<f64> = (0..size).map(|_| shape(random())).collect();
                if finite(&values).is_empty() {
                    continue;
                }
                assert_eq!(bucket(&values), slow(&values), "{size} of shape {n}");
                let short: Vec<f32> = values.iter().map(|&value| value as f32).collect();
                let same: Vec<f64> = short.iter().map(|&value| value.into()).collect();
                if !finite(&same).is_empty() {
                    assert_eq!(bucket(&short), slow(&same), "{size} of shape {n}, 32 bits");
                    if let Some((min, max)) = range(&short, |&x| x) {
                        let scale = Scale::new(min.into(), max.into());
                        let counts = count(&short, |&x| x, min, &scale);
                        assert_eq!(counts, count_here(&short, |&x| x, min, &scale));
                    }
                }
            }
        }
    }

    #[test]
    fn one_value_that_is_not_finite_is_left_out_wherever_it_is() {
        for at in 0..40 {
            for odd in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let mut values: Vec<f32> = (0..40).map(|n| n as f32).collect();
                values[at] = odd;
                let rest: Vec<f32> = values.iter().copied().filter(|x| x.is_finite()).collect();
                assert_eq!(bucket(&values), bucket(&rest), "{odd} at {at}");
                assert_eq!(bucket(&values).iter().map(|[.., count]| count).sum::<f64>(), 39.0);
            }
        }
    }

    #[test]
    fn the_sign_of_zero_makes_no_difference() {
        let bytes = |values: &[f64]| bucket(values).map(|bucket| bucket.map(f64::to_bits));
        assert_eq!(bytes(&[0.0, -0.0, -1.0]), bytes(&[-0.0, 0.0, -1.0]));
        assert_eq!(bytes(&[0.0, -0.0]), bytes(&[-0.0, 0.0]));
    }

    #[test]
    fn the_ends_of_the_range_of_doubles_are_counted() {
        assert_eq!(total(&[f64::MIN, 0.0, f64::MAX]), 3.0);
        assert_eq!(total(&[0.0, f64::from_bits(1)]), 2.0);
        let buckets = bucket(&[f64::MIN, 1e307, f64::MAX]);
        assert_eq!((buckets[0][2], buckets[15][2], buckets[29][2]), (1.0, 1.0, 1.0));
    }
}
