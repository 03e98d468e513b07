//! Tensors of any shape, as `add_tensor` of torch has them: no dashboard shows them, readers of event files do.
//!
//! ```text
//! plugin   tensor, without content
//! tensor   any shape; its elements in `tensor_content`, little-endian
//! ```

use prost::Message as _;

use super::{Encode, Record, bad_shape, owned_tag, shape, value};
use crate::tfevents::messages::{DataClass, DataType, TensorProto};
use crate::value::RecordError;

/// Most bytes of a tensor: 60 MiB, so that it fits into a record.
const MAX_BYTES: usize = 60 << 20;

/// Element type of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// 32-bit floats.
    F32,
    /// 64-bit floats.
    F64,
    /// 32-bit integers.
    I32,
    /// 64-bit integers.
    I64,
}

/// A tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    tag: String,
    tensor: TensorProto,
}

impl Tensor {
    /// Elements in C order, as little-endian bytes.
    ///
    /// # Errors
    /// When the tag cannot be used, or there are more or fewer bytes than the shape has, or too many.
    pub fn new(tag: &str, element: Element, sizes: &[usize], bytes: Vec<u8>) -> Result<Self, RecordError> {
        let (dtype, size) = match element {
            Element::F32 => (DataType::Float, 4),
            Element::F64 => (DataType::Double, 8),
            Element::I32 => (DataType::Int32, 4),
            Element::I64 => (DataType::Int64, 8),
        };
        let wanted = sizes
            .iter()
            .try_fold(size, |all: usize, &size| all.checked_mul(size));
        if wanted != Some(bytes.len()) || bytes.len() > MAX_BYTES {
            return Err(bad_shape(
                "tensor",
                format!("{} bytes", bytes.len()),
                format!("as many as shape {sizes:?} of {element:?} has, at most {MAX_BYTES}"),
            ));
        }
        let tensor = TensorProto {
            dtype: dtype.into(),
            tensor_shape: shape(sizes),
            tensor_content: bytes,
            ..TensorProto::default()
        };
        Ok(Self {
            tag: owned_tag(tag)?,
            tensor,
        })
    }
}

impl Encode for Tensor {
    fn encode(self, _: f64) -> Result<Record, RecordError> {
        let value = value(self.tag, ("tensor", &()), DataClass::Tensor, self.tensor);
        Ok(Record::values(vec![value]))
    }

    fn held_bytes(&self) -> usize {
        self.tensor.encoded_len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tensor_has_as_many_bytes_as_its_shape_says() {
        for (element, size) in [
            (Element::F32, 4),
            (Element::I32, 4),
            (Element::F64, 8),
            (Element::I64, 8),
        ] {
            assert!(Tensor::new("t", element, &[2, 3], vec![0; 6 * size]).is_ok());
            assert!(Tensor::new("t", element, &[], vec![0; size]).is_ok());
            assert!(Tensor::new("t", element, &[2, 3], vec![0; 6 * size - 1]).is_err());
            assert!(Tensor::new("t", element, &[usize::MAX, 2], vec![]).is_err());
        }
    }
}
