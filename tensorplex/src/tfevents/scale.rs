//! The rule of a histogram's buckets.

/// Number of buckets: TensorBoard's default.
pub const BUCKETS: usize = 30;

/// Left edge, right edge and count.
pub type Bucket = [f64; 3];

/// Equal steps from the smallest value to the largest.
pub(super) struct Scale {
    pub min: f64,
    pub max: f64,
    step: f64,
    /// 1, or 1/2 where the largest minus the smallest is more than a double can hold.
    unit: f64,
}

impl Scale {
    pub fn new(min: f64, max: f64) -> Self {
        // Which of 0.0 and -0.0 is the larger one depends on their order; the same values give the same bytes.
        let max = max + 0.0;
        let unit = if (max - min).is_finite() { 1.0 } else { 0.5 };
        let step = (max * unit - min * unit) / BUCKETS as f64;
        Self { min, max, step, unit }
    }

    pub fn edge(&self, n: usize) -> f64 {
        if n == BUCKETS {
            return self.max;
        }
        (n as f64 * self.step + self.min * self.unit) / self.unit
    }

    /// The bucket of a finite value, when not all values are equal.
    ///
    /// Without a branch or a cast that saturates: those would keep the compiler from vector instructions.
    #[inline(always)]
    pub fn place(&self, value: f64) -> u16 {
        /// Offset that rounds a double to a whole number: 1.5 * 2^52.
        const WHOLE: f64 = 6_755_399_441_055_744.0;
        let place = (value * self.unit - self.min * self.unit) / self.step;
        // The step of a tiny range can be zero: 0/0 belongs to the first bucket, 1/0 to the last.
        let place = if place > 0.0 { place } else { 0.0 };
        let last = (BUCKETS - 1) as f64;
        let place = if place < last { place } else { last };
        let near = (place + WHOLE) - WHOLE;
        let floor = if near > place { near - 1.0 } else { near };
        (floor + WHOLE).to_bits() as u16 % BUCKETS.next_power_of_two() as u16
    }
}
