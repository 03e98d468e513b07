//! Layouts of the custom scalars dashboard.
//!
//! ```text
//! tag      custom_scalars__config__
//! plugin   custom_scalars, no content
//! tensor   [] of strings: a serialized Layout
//! ```
//!
//! Source: `tensorboard/plugins/custom_scalar/summary.py`. Layouts of several runs are merged by the titles of their sections.

use prost::Message as _;

use super::{Encode, Record, bad_shape, shape, value};
use crate::tfevents::messages::{DataClass, DataType, TensorProto};
use crate::tfevents::plugins::{self, Category, ChartContent, Layout, Margin, MarginSeries, Multiline};
use crate::value::RecordError;

/// The tag under which TensorBoard looks for a layout.
pub const LAYOUT_TAG: &str = "custom_scalars__config__";

/// Which charts there are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CustomScalars {
    layout: Layout,
}

/// A chart of a [`CustomScalars`].
#[derive(Clone, Debug, PartialEq)]
pub struct Chart(plugins::Chart);

impl Chart {
    /// All series whose tags match one of `tags`: regular expressions, matched from the start.
    ///
    /// # Errors
    /// When there are none, or one is empty.
    pub fn multiline(title: &str, tags: &[&str]) -> Result<Self, RecordError> {
        if tags.is_empty() || tags.contains(&"") {
            return Err(bad_shape(
                "multiline chart",
                format!("tags {tags:?}"),
                "one or more, none empty",
            ));
        }
        let tag = tags.iter().map(|&tag| tag.to_owned()).collect();
        Ok(Self::new(title, ChartContent::Multiline(Multiline { tag })))
    }

    /// Series between two others; each entry holds the tags of the value, its lower and its upper margin.
    ///
    /// # Errors
    /// When there are none, or a tag is empty.
    pub fn margin(title: &str, series: &[[&str; 3]]) -> Result<Self, RecordError> {
        if series.is_empty() || series.as_flattened().contains(&"") {
            let wanted = "one or more of three tags, none empty";
            return Err(bad_shape("margin chart", format!("series {series:?}"), wanted));
        }
        let series = series.iter().map(|tags| {
            let [value, lower, upper] = tags.map(str::to_owned);
            MarginSeries { value, lower, upper }
        });
        Ok(Self::new(
            title,
            ChartContent::Margin(Margin {
                series: series.collect(),
            }),
        ))
    }

    fn new(title: &str, content: ChartContent) -> Self {
        Self(plugins::Chart {
            title: title.to_owned(),
            content: Some(content),
        })
    }
}

impl CustomScalars {
    /// Adds a section with charts.
    #[must_use]
    pub fn section(mut self, title: &str, charts: impl IntoIterator<Item = Chart>) -> Self {
        self.layout.category.push(Category {
            title: title.to_owned(),
            chart: charts.into_iter().map(|Chart(chart)| chart).collect(),
            closed: false,
        });
        self
    }
}

impl Encode for CustomScalars {
    fn encode(self, _: f64) -> Result<Record, RecordError> {
        let tensor = TensorProto {
            dtype: DataType::String.into(),
            tensor_shape: shape(&[]),
            string_val: vec![self.layout.encode_to_vec()],
            ..TensorProto::default()
        };
        let value = value(
            LAYOUT_TAG.to_owned(),
            ("custom_scalars", &()),
            DataClass::Tensor,
            tensor,
        );
        Ok(Record::values(vec![value]))
    }

    fn held_bytes(&self) -> usize {
        self.layout.encoded_len()
    }
}
