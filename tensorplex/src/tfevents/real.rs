//! The numbers that a histogram can be made of.

/// A number that a histogram can be made of.
pub trait Real: Copy + PartialOrd + Into<f64> + Send + Sync + 'static {
    /// True if it is NaN.
    fn is_nan(self) -> bool;
    /// Difference to the smallest value, with a relative error of at most 2^-23.
    fn above(self, min: Self) -> f32;
}

impl Real for f32 {
    #[inline(always)]
    fn is_nan(self) -> bool {
        self.is_nan()
    }

    #[inline(always)]
    fn above(self, min: Self) -> f32 {
        self - min
    }
}

impl Real for f64 {
    #[inline(always)]
    fn is_nan(self) -> bool {
        self.is_nan()
    }

    #[inline(always)]
    fn above(self, min: Self) -> f32 {
        (self - min) as f32
    }
}

macro_rules! real {
    ($($number:ty)*) => {$(
        impl Real for $number {
            #[inline(always)]
            fn is_nan(self) -> bool {
                false
            }

            #[inline(always)]
            fn above(self, min: Self) -> f32 {
                (f64::from(self) - f64::from(min)) as f32
            }
        }
    )*};
}

real!(bool i8 i16 i32 u8 u16 u32);
