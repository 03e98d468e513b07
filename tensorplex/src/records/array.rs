//! Numbers with a shape.

use std::sync::Arc;

use super::bad_shape;
use crate::value::RecordError;

/// Most bytes of samples in one array: 60 MiB, so that what becomes of them fits into a record.
pub const MAX_SAMPLES: usize = 60 << 20;

/// Samples with a shape, in C order: the last index changes fastest.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    shape: Vec<usize>,
    samples: Samples,
}

/// The samples of an [`Array`] of pixels. They are let go of when they are encoded: memory in an `Arc` can be used again
/// then.
#[derive(Clone, Debug, PartialEq)]
pub enum Samples {
    /// 0 to 255.
    U8(Arc<Vec<u8>>),
    /// 0 to 1; what lies beyond is cut off, NaN is 0.
    F32(Arc<Vec<f32>>),
}

impl Array {
    /// Gives samples a shape.
    ///
    /// # Errors
    /// When their number is not the product of the shape, is zero or above [`MAX_SAMPLES`].
    pub fn new(shape: &[usize], samples: impl Into<Samples>) -> Result<Self, RecordError> {
        let samples = samples.into();
        let wanted = shape.iter().try_fold(1usize, |all, &size| all.checked_mul(size));
        let seen = samples.len();
        if wanted != Some(seen) {
            return Err(bad_shape(
                "array",
                format!("{seen} samples"),
                format!("as many as the shape {shape:?} has"),
            ));
        }
        if seen == 0 || seen > MAX_SAMPLES {
            return Err(bad_shape(
                "array",
                format!("{shape:?}"),
                format!("1 to {MAX_SAMPLES} samples"),
            ));
        }
        Ok(Self {
            shape: shape.to_vec(),
            samples,
        })
    }

    /// Its shape.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Bytes of its samples.
    pub(super) fn held_bytes(&self) -> usize {
        match &self.samples {
            Samples::U8(bytes) => bytes.len(),
            Samples::F32(floats) => size_of_val(floats.as_slice()),
        }
    }

    /// A sample as a byte. Floats are scaled and truncated, as torch does it.
    pub(super) fn byte(&self, at: usize) -> u8 {
        match &self.samples {
            Samples::U8(bytes) => bytes[at],
            Samples::F32(floats) => (floats[at] * 255.0) as u8,
        }
    }
}

impl Samples {
    fn len(&self) -> usize {
        match self {
            Self::U8(bytes) => bytes.len(),
            Self::F32(floats) => floats.len(),
        }
    }
}

impl From<Vec<u8>> for Samples {
    fn from(bytes: Vec<u8>) -> Self {
        Self::U8(bytes.into())
    }
}

impl From<Vec<f32>> for Samples {
    fn from(floats: Vec<f32>) -> Self {
        Self::F32(floats.into())
    }
}

impl From<Arc<Vec<u8>>> for Samples {
    fn from(bytes: Arc<Vec<u8>>) -> Self {
        Self::U8(bytes)
    }
}

impl From<Arc<Vec<f32>>> for Samples {
    fn from(floats: Arc<Vec<f32>>) -> Self {
        Self::F32(floats)
    }
}
