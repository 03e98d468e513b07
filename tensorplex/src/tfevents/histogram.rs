//! Tensor of a histogram: shape `[k, 3]` of f64, one row for each bucket.

use super::messages::{DataType, Dim, TensorProto, TensorShapeProto};
use super::scale::Bucket;

/// Tensor that the plugin `histograms` reads.
pub(crate) fn histogram_tensor(buckets: &[Bucket]) -> TensorProto {
    let dim = [buckets.len(), 3].map(|size| Dim { size: size as i64 });
    TensorProto {
        dtype: DataType::Double.into(),
        tensor_shape: Some(TensorShapeProto { dim: dim.into() }),
        tensor_content: buckets
            .as_flattened()
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect(),
        ..TensorProto::default()
    }
}
