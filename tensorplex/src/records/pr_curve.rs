//! Precision and recall.
//!
//! ```text
//! plugin   pr_curves, content PrCurvePluginData with the number of thresholds
//! tensor   [6, n] of f32: true and false positives, true and false negatives, precision, recall
//! ```
//!
//! Source: `tensorboard/plugins/pr_curve/summary.py`. The dashboard draws the thresholds as `n` equal steps from 0 to 1.

use super::{Encode, Record, bad_shape, owned_tag, shape, value};
use crate::tfevents::messages::{DataClass, DataType, TensorProto};
use crate::tfevents::plugins::PrCurvePluginData;
use crate::value::RecordError;

/// Most thresholds of a curve.
pub const MAX_THRESHOLDS: usize = 4096;
/// A division by zero is one by this.
const MINIMUM_COUNT: f64 = 1e-7;

/// A curve from labels and predictions.
#[derive(Clone, Debug, PartialEq)]
pub struct PrCurve {
    tag: String,
    labels: Vec<bool>,
    predictions: Vec<f32>,
    weights: Option<Vec<f32>>,
    thresholds: usize,
}

/// A curve from counts.
#[derive(Clone, Debug, PartialEq)]
pub struct PrCurveRaw {
    tag: String,
    rows: [Vec<f32>; 6],
}

impl PrCurve {
    /// One label and one prediction, from 0 to 1, per item; `weights` say how often an item counts, once where there are none.
    ///
    /// # Errors
    /// When the tag cannot be used, the lengths differ or are zero, a prediction is not from 0 to 1, a weight is not finite,
    /// or `thresholds` is not between 2 and [`MAX_THRESHOLDS`].
    pub fn new(
        tag: &str,
        labels: Vec<bool>,
        predictions: Vec<f32>,
        weights: Option<Vec<f32>>,
        thresholds: usize,
    ) -> Result<Self, RecordError> {
        let (seen, wanted) = (predictions.len(), labels.len());
        let weighed = weights.as_ref().map_or(wanted, Vec::len);
        if seen != wanted || weighed != wanted || wanted == 0 {
            let seen = format!("{wanted} labels, {seen} predictions, {weighed} weights");
            return Err(bad_shape("pr curve", seen, "as many of each, at least one"));
        }
        if let Some(odd) = predictions.iter().find(|p| !(0.0..=1.0).contains(*p)) {
            return Err(bad_shape("pr curve", format!("prediction {odd}"), "0 to 1"));
        }
        if let Some(odd) = weights.iter().flatten().find(|weight| !weight.is_finite()) {
            return Err(bad_shape("pr curve", format!("weight {odd}"), "a finite number"));
        }
        if !(2..=MAX_THRESHOLDS).contains(&thresholds) {
            return Err(bad_shape(
                "pr curve",
                format!("{thresholds} thresholds"),
                format!("2 to {MAX_THRESHOLDS}"),
            ));
        }
        Ok(Self {
            tag: owned_tag(tag)?,
            labels,
            predictions,
            weights,
            thresholds,
        })
    }

    fn rows(&self) -> [Vec<f64>; 6] {
        let mut hits = [vec![0.0; self.thresholds], vec![0.0; self.thresholds]];
        for (at, (&label, &prediction)) in self.labels.iter().zip(&self.predictions).enumerate() {
            let weight = self
                .weights
                .as_ref()
                .map_or(1.0, |weights| f64::from(weights[at]));
            // In 32 bits, as NumPy does it: a prediction that is a threshold must not fall below it.
            let bucket = (prediction * (self.thresholds - 1) as f32) as usize;
            hits[usize::from(!label)][bucket] += weight;
        }
        let [tp, fp] = hits.map(from_here_on);
        let below =
            |from_here: &[f64]| -> Vec<f64> { from_here.iter().map(|count| from_here[0] - count).collect() };
        let (tn, fn_) = (below(&fp), below(&tp));
        let share = |of: &[f64]| -> Vec<f64> {
            tp.iter()
                .zip(of)
                .map(|(tp, other)| tp / (tp + other).max(MINIMUM_COUNT))
                .collect()
        };
        let (precision, recall) = (share(&fp), share(&fn_));
        [tp, fp, tn, fn_, precision, recall]
    }
}

/// Sums from each place to the end.
fn from_here_on(mut counts: Vec<f64>) -> Vec<f64> {
    let mut sum = 0.0;
    for count in counts.iter_mut().rev() {
        sum += *count;
        *count = sum;
    }
    counts
}

impl PrCurveRaw {
    /// True positives, false positives, true negatives, false negatives, precision and recall, each at every threshold.
    ///
    /// # Errors
    /// When the tag cannot be used, the lengths differ, or are not between 2 and [`MAX_THRESHOLDS`].
    pub fn new(tag: &str, rows: [Vec<f32>; 6]) -> Result<Self, RecordError> {
        let lengths = rows.each_ref().map(Vec::len);
        if lengths
            .iter()
            .any(|&length| length != lengths[0] || !(2..=MAX_THRESHOLDS).contains(&length))
        {
            let wanted = format!("six equal ones, 2 to {MAX_THRESHOLDS}");
            return Err(bad_shape("pr curve", format!("lengths {lengths:?}"), wanted));
        }
        Ok(Self {
            tag: owned_tag(tag)?,
            rows,
        })
    }
}

impl Encode for PrCurve {
    fn encode(self, wall_time: f64) -> Result<Record, RecordError> {
        let rows = self.rows().map(|row| row.into_iter().map(|x| x as f32).collect());
        PrCurveRaw { tag: self.tag, rows }.encode(wall_time)
    }

    fn held_bytes(&self) -> usize {
        let weights = self.weights.as_deref().map_or(0, size_of_val);
        self.labels.len() + size_of_val(self.predictions.as_slice()) + weights
    }
}

impl Encode for PrCurveRaw {
    fn encode(self, _: f64) -> Result<Record, RecordError> {
        let thresholds = self.rows[0].len();
        let tensor = TensorProto {
            dtype: DataType::Float.into(),
            tensor_shape: shape(&[6, thresholds]),
            tensor_content: self.rows.iter().flatten().flat_map(|x| x.to_le_bytes()).collect(),
            ..TensorProto::default()
        };
        let content = PrCurvePluginData {
            version: 0,
            num_thresholds: thresholds as u32,
        };
        let value = value(self.tag, ("pr_curves", &content), DataClass::Tensor, tensor);
        Ok(Record::values(vec![value]))
    }

    fn held_bytes(&self) -> usize {
        self.rows.iter().map(|row| size_of_val(row.as_slice())).sum()
    }
}
