//! Event files built record by record, including the faults of other writers.

use std::path::Path;

use tensorplex::tfevents::append_record;
use tensorplex::tfevents::messages::{
    DataType, Datum, Dim, Event, EventPayload, PluginData, SessionLog, SessionStatus, Summary,
    SummaryMetadata, TensorProto, TensorShapeProto, Value,
};

/// Wall time of step 0, in seconds since 1970.
pub const START: f64 = 1_700_000_000.0;

/// The bytes of an event file.
#[derive(Clone, Debug, Default)]
pub struct EventFile(pub Vec<u8>);

impl EventFile {
    /// Creates a file that begins with the version record.
    pub fn new() -> Self {
        let mut file = Self::default();
        file.event(START, 0, EventPayload::FileVersion("brain.Event:2".to_owned()));
        file
    }

    /// Appends an event.
    ///
    /// # Panics
    /// When the event is longer than a record may be.
    pub fn event(&mut self, wall_time: f64, step: i64, what: EventPayload) -> &mut Self {
        let event = Event {
            wall_time,
            step,
            what: Some(what),
            source_metadata: None,
        };
        append_record(&mut self.0, &event).expect("a short event");
        self
    }

    /// Appends a value; its wall time is [`START`] plus one second per step.
    pub fn value(&mut self, step: i64, value: Value) -> &mut Self {
        let what = EventPayload::Summary(Summary { value: vec![value] });
        self.event(START + step as f64, step, what)
    }

    /// Appends scalars as `simple_value`, TensorFlow 1's form: the value is half of the step.
    pub fn scalars(&mut self, tag: &str, steps: impl IntoIterator<Item = i64>) -> &mut Self {
        for step in steps {
            self.value(step, simple_value(tag, step as f32 / 2.0));
        }
        self
    }

    /// Appends the start of a session.
    pub fn start(&mut self, step: i64) -> &mut Self {
        let status = SessionStatus::Start.into();
        self.event(
            START + step as f64,
            step,
            EventPayload::SessionLog(SessionLog { status }),
        )
    }

    /// Appends bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// Writes the file, and creates the directories above it.
    ///
    /// # Panics
    /// When the system refuses it.
    pub fn save(&self, path: &Path) {
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        std::fs::write(path, &self.0).expect("a file");
    }
}

/// Scalar as `simple_value`, TensorFlow 1's form.
pub fn simple_value(tag: &str, number: f32) -> Value {
    Value {
        tag: tag.to_owned(),
        metadata: None,
        value: Some(Datum::SimpleValue(number)),
    }
}

/// Tensor, with the metadata of `plugin` if given.
pub fn tensor(tag: &str, plugin: Option<&str>, tensor: TensorProto) -> Value {
    Value {
        tag: tag.to_owned(),
        metadata: plugin.map(|plugin| SummaryMetadata {
            plugin_data: Some(PluginData {
                plugin_name: plugin.to_owned(),
                content: Vec::new(),
            }),
            ..SummaryMetadata::default()
        }),
        value: Some(Datum::Tensor(tensor)),
    }
}

/// Tensor of one 32-bit float.
pub fn single(number: f32) -> TensorProto {
    TensorProto {
        dtype: DataType::Float.into(),
        tensor_shape: Some(shape(&[])),
        float_val: vec![number],
        ..TensorProto::default()
    }
}

/// Tensor of one 64-bit float.
pub fn double(number: f64) -> TensorProto {
    TensorProto {
        dtype: DataType::Double.into(),
        tensor_shape: Some(shape(&[])),
        double_val: vec![number],
        ..TensorProto::default()
    }
}

/// Tensor of one text.
pub fn text(text: &str) -> TensorProto {
    TensorProto {
        dtype: DataType::String.into(),
        tensor_shape: Some(shape(&[1])),
        string_val: vec![text.as_bytes().to_vec()],
        ..TensorProto::default()
    }
}

/// Shape of a tensor.
pub fn shape(sizes: &[i64]) -> TensorShapeProto {
    TensorShapeProto {
        dim: sizes.iter().map(|&size| Dim { size }).collect(),
    }
}
