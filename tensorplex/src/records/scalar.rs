//! A scalar with a description: the tensor form.
//!
//! ```text
//! plugin   scalars, no content
//! tensor   [] of f32
//! ```
//!
//! TensorBoard's data server throws the description of a `simple_value` away, and every tensor that is not one 32-bit float.

use super::{Encode, Record, owned_tag, shape, value};
use crate::tfevents::messages::{DataClass, DataType, TensorProto, Value};
use crate::value::RecordError;

/// A number with a name and a description for people.
#[derive(Clone, Debug, PartialEq)]
pub struct ScalarTensor {
    tag: String,
    value: f32,
    display_name: String,
    description: String,
}

impl ScalarTensor {
    /// A number whose chart has `display_name` as its title, or the tag where that is empty, and `description`, in Markdown.
    /// Readers take both from the first value of a tag.
    ///
    /// # Errors
    /// When the tag cannot be used.
    pub fn new(tag: &str, value: f64, display_name: &str, description: &str) -> Result<Self, RecordError> {
        Ok(Self {
            tag: owned_tag(tag)?,
            value: value as f32,
            display_name: display_name.to_owned(),
            description: description.to_owned(),
        })
    }
}

impl Encode for ScalarTensor {
    fn encode(self, _: f64) -> Result<Record, RecordError> {
        let mut value = scalar_value(self.tag, self.value);
        if let Some(metadata) = &mut value.metadata {
            metadata.display_name = self.display_name;
            metadata.summary_description = self.description;
        }
        Ok(Record::values(vec![value]))
    }

    fn held_bytes(&self) -> usize {
        self.display_name.len() + self.description.len()
    }
}

/// A number in the tensor form.
pub(super) fn scalar_value(tag: String, number: f32) -> Value {
    let tensor = TensorProto {
        dtype: DataType::Float.into(),
        tensor_shape: shape(&[]),
        float_val: vec![number],
        ..TensorProto::default()
    };
    value(tag, ("scalars", &()), DataClass::Scalar, tensor)
}
