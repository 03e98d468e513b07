//! Settings of a training session, for the hparams dashboard.
//!
//! ```text
//! tags     _hparams_/session_start_info, _hparams_/session_end_info
//! plugin   hparams, content HParamsPluginData
//! tensor   [0] of f32: nothing
//! ```
//!
//! Source: `tensorboard/plugins/hparams/summary_v2.py`. There is no experiment record: TensorBoard takes the first that it
//! finds for all runs, and hides the columns that it does not name. Without one it shows what there is. The metrics are the
//! scalars of the session's run; those of the runs below it appear as groups named after their path.

use std::collections::BTreeMap;

use prost::Message as _;

use super::{Encode, Record, bad_shape, shape, value};
use crate::tfevents::messages::{DataClass, DataType, TensorProto, Value};
use crate::tfevents::plugins::{
    HParamKind, HParamProto, HParamsData, HParamsPluginData, SessionEnd, SessionEndInfo, SessionStartInfo,
};
use crate::value::{MAX_TAG, RecordError};

/// First part of the tags of the hparams dashboard.
pub const HPARAMS: &str = "_hparams_/";
/// Most settings of a session.
pub const MAX_SETTINGS: usize = 4096;

/// A setting's value.
#[derive(Clone, Debug, PartialEq)]
pub enum Setting {
    /// A truth value.
    Bool(bool),
    /// A number. NaN is shown as unset.
    Number(f64),
    /// A text.
    Text(String),
}

/// The settings with which a session starts.
#[derive(Clone, Debug, PartialEq)]
pub struct HParams {
    settings: BTreeMap<String, HParamProto>,
    group_name: String,
}

/// Final status of a session. Without one, TensorBoard shows the status as unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Well.
    Success,
    /// Not well.
    Failure,
    /// It has not ended.
    Running,
}

impl HParams {
    /// A session's settings, by name.
    ///
    /// ```
    /// use tensorplex::records::{HParams, Setting};
    ///
    /// let hparams = HParams::new([("lr", Setting::from(0.1)), ("warm", true.into()), ("model", "small".into())])?;
    /// # Ok::<(), tensorplex::RecordError>(())
    /// ```
    ///
    /// # Errors
    /// When there are none or more than [`MAX_SETTINGS`], or a name is empty, too long or there twice.
    pub fn new<N: Into<String>>(
        settings: impl IntoIterator<Item = (N, Setting)>,
    ) -> Result<Self, RecordError> {
        let mut known = BTreeMap::new();
        for (name, setting) in settings {
            let name = name.into();
            if name.is_empty() || name.len() > MAX_TAG || known.len() == MAX_SETTINGS {
                let wanted = format!("1 to {MAX_SETTINGS} settings with names of 1 to {MAX_TAG} bytes");
                return Err(bad_shape(
                    "hparams",
                    format!("setting {} {name:?}", known.len()),
                    wanted,
                ));
            }
            if known.insert(name.clone(), setting.into()).is_some() {
                return Err(bad_shape("hparams", format!("{name:?} twice"), "every name once"));
            }
        }
        if known.is_empty() {
            return Err(bad_shape("hparams", "no settings", "at least one"));
        }
        Ok(Self {
            settings: known,
            group_name: String::new(),
        })
    }

    /// Sessions of the same group are shown as repeated trials of one.
    #[must_use]
    pub fn group_name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.group_name);
        self
    }
}

impl Encode for HParams {
    fn encode(self, wall_time: f64) -> Result<Record, RecordError> {
        let start = SessionStartInfo {
            hparams: self.settings,
            group_name: self.group_name,
            start_time_secs: wall_time,
        };
        let value = hparams_value("session_start_info", HParamsData::Start(start));
        Ok(Record::values(vec![value]))
    }

    fn held_bytes(&self) -> usize {
        let settings = self.settings.iter();
        let settings = settings.map(|(name, value)| name.len() + value.encoded_len());
        self.group_name.len() + settings.sum::<usize>()
    }
}

impl Encode for Status {
    fn encode(self, wall_time: f64) -> Result<Record, RecordError> {
        let status = match self {
            Self::Success => SessionEnd::Success,
            Self::Failure => SessionEnd::Failure,
            Self::Running => SessionEnd::Running,
        };
        let end = SessionEndInfo {
            status: status.into(),
            end_time_secs: wall_time,
        };
        let value = hparams_value("session_end_info", HParamsData::End(end));
        Ok(Record::values(vec![value]))
    }

    fn held_bytes(&self) -> usize {
        0
    }
}

fn hparams_value(tag: &str, data: HParamsData) -> Value {
    let content = HParamsPluginData {
        version: 0,
        data: Some(data),
    };
    value(
        format!("{HPARAMS}{tag}"),
        ("hparams", &content),
        DataClass::Tensor,
        nothing(),
    )
}

/// The tensor of a value that is all metadata.
pub(super) fn nothing() -> TensorProto {
    TensorProto {
        dtype: DataType::Float.into(),
        tensor_shape: shape(&[0]),
        ..TensorProto::default()
    }
}

impl From<Setting> for HParamProto {
    fn from(setting: Setting) -> Self {
        let kind = match setting {
            Setting::Bool(value) => HParamKind::Bool(value),
            Setting::Number(value) => HParamKind::Number(value),
            Setting::Text(value) => HParamKind::Text(value),
        };
        Self { kind: Some(kind) }
    }
}

impl From<bool> for Setting {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<f64> for Setting {
    fn from(value: f64) -> Self {
        Self::Number(value)
    }
}

impl From<&str> for Setting {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}
