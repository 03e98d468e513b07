//! The files of one run, looked at: their faults, and what is known of their tags.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use prost::Message as _;

use super::ExamineError;
use super::fault::Fault;
use crate::logdir::MAX_TAGS;
use crate::logdir::extract::{Extracted, Extractor};
use crate::records::kind_of_plugin;
use crate::tfevents::messages::{DataType, SessionStatus, SummaryMetadata};
use crate::tfevents::{DatumView, EventView, FILE_VERSION, Fields, PayloadView, TensorView, ValueView, Wire};
use crate::value::RecordKind;

/// Longest metadata that is kept, in bytes; what is longer is as good as none.
const MAX_METADATA: usize = 1 << 16;
/// Plugins whose data class readers find out.
const KNOWN: &[&str] = &[
    "scalars",
    "histograms",
    "text",
    "hparams",
    "pr_curves",
    "mesh",
    "custom_scalars",
    "images",
    "audio",
    "graph_run_metadata",
    "graph_run_metadata_graph",
    "graph_keras_model",
];
/// Seconds by which the clocks of two writers may differ before their files seem to have grown at once.
const CLOCKS: f64 = 1.0;

/// Faults and tags of some files, read one after the other.
#[derive(Default)]
pub(super) struct RunScan {
    /// Fault → where it was seen first, and how often.
    pub faults: BTreeMap<Fault, (String, u64)>,
    pub files: Vec<FileScan>,
    pub tags: HashMap<String, TagScan>,
    names: usize,
}

pub(super) struct FileScan {
    pub path: PathBuf,
    /// Times of the first and the last event.
    pub time: Option<(f64, f64)>,
    /// The step of a START before the first values.
    pub start: Option<i64>,
    /// Numbers of its tags.
    pub tags: HashSet<usize>,
    values: u64,
}

pub(super) struct TagScan {
    number: usize,
    pub kind: Option<RecordKind>,
    pub metadata: Option<SummaryMetadata>,
    pub values: u64,
    pub one_step: bool,
    /// File and step of the last value.
    last: Option<(usize, i64)>,
    /// The highest step that the data server still has.
    top: Option<i64>,
    back: u64,
    /// Values, by their index, at whose steps the data server drops everything from that step on; steps increase.
    resets: Vec<(u64, i64)>,
}

impl RunScan {
    /// Looks at files, in this order.
    pub fn of(files: &[PathBuf]) -> Result<Self, ExamineError> {
        let mut scan = Self::default();
        for path in files {
            scan.file(path)?;
        }
        scan.judge_tags();
        scan.judge_files();
        Ok(scan)
    }

    /// Steps from which the points of each file count no more.
    pub fn limits(&self) -> Vec<i64> {
        let mut limit = i64::MAX;
        let mut limits: Vec<i64> = Vec::new();
        for file in self.files.iter().rev() {
            limits.push(limit);
            limit = limit.min(file.start.unwrap_or(i64::MAX));
        }
        limits.reverse();
        limits
    }

    fn file(&mut self, path: &Path) -> Result<(), ExamineError> {
        let unreadable = |error| ExamineError::File {
            path: path.to_owned(),
            error,
        };
        let mut extractor = Extractor::open(path).map_err(unreadable)?;
        self.files.push(FileScan {
            path: path.to_owned(),
            time: None,
            start: None,
            tags: HashSet::new(),
            values: 0,
        });
        let mut first = true;
        while let Some(piece) = extractor.next().map_err(unreadable)? {
            let fault = match &piece {
                Extracted::Record(payload) => {
                    self.record(payload, first)?;
                    first = false;
                    continue;
                }
                Extracted::Flipped => Fault::Flipped,
                Extracted::Zeros(_) => Fault::Zeros,
                Extracted::TornInside(_) => Fault::TornInside,
                Extracted::TornTail(_) => Fault::TornTail,
                Extracted::TooLong(_) => Fault::TooLong,
                Extracted::Garbage(_) => Fault::Garbage,
            };
            self.in_file(fault);
        }
        Ok(())
    }

    fn in_file(&mut self, fault: Fault) {
        let path = self.files.last().map(|file| file.path.display().to_string());
        self.found(fault, path.unwrap_or_default(), 1);
    }

    fn found(&mut self, fault: Fault, place: String, count: u64) {
        self.faults.entry(fault).or_insert((place, 0)).1 += count;
    }

    fn record(&mut self, payload: &[u8], first: bool) -> Result<(), ExamineError> {
        let Ok(event) = EventView::parse(payload) else {
            self.in_file(Fault::NoEvent);
            return Ok(());
        };
        if first && !matches!(event.content, PayloadView::FileVersion(FILE_VERSION)) {
            self.in_file(Fault::NoVersion);
        }
        match event.wall_time.is_finite() {
            true => {
                if let Some(file) = self.files.last_mut() {
                    let begin = file.time.map_or(event.wall_time, |(begin, _)| begin);
                    file.time = Some((begin, event.wall_time));
                }
            }
            false => self.in_file(Fault::BadTime),
        }
        match &event.content {
            PayloadView::Session(SessionStatus::Start) => self.start(event.step),
            PayloadView::Summary(summary) => {
                for value in summary.values() {
                    match value {
                        Ok(value) => self.value(&event, &value)?,
                        Err(_) => self.in_file(Fault::NoEvent),
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// A session starts: where it is not the first, what is known from that step on counts no more.
    fn start(&mut self, step: i64) {
        let later = self.files.len() > 1;
        let seen = self.files.first().is_some_and(|file| file.start.is_some());
        let Some(file) = self.files.last_mut().filter(|file| file.values == 0) else {
            return;
        };
        file.start = Some(file.start.map_or(step, |start| start.min(step)));
        if !later {
            return;
        }
        let path = file.path.display().to_string();
        let mut purges = false;
        for tag in self.tags.values_mut() {
            purges |= tag.top.is_some_and(|top| top >= step);
            tag.top = tag.top.min(Some(step.saturating_sub(1)));
        }
        if purges && !seen {
            self.found(Fault::RestartNotSeen, path, 1);
        }
    }

    fn value(&mut self, event: &EventView<'_>, value: &ValueView<'_>) -> Result<(), ExamineError> {
        let Some(datum) = value.datum else {
            return Ok(());
        };
        if !self.tags.contains_key(value.tag) {
            self.names += value.tag.len() + std::mem::size_of::<TagScan>();
            if self.names > MAX_TAGS {
                return Err(ExamineError::ManyTags);
            }
            let number = self.tags.len();
            self.tags.insert(value.tag.to_owned(), TagScan::new(number));
        }
        let file = self.files.len() - 1;
        let Some(tag) = self.tags.get_mut(value.tag) else {
            return Ok(());
        };
        let mut started = false;
        if let Some(seen) = self.files.last_mut() {
            started = seen.start.is_some();
            seen.tags.insert(tag.number);
            seen.values += 1;
        }
        let faults = tag.look(value, datum);
        tag.step(file, started, event.step);
        for fault in faults.into_iter().flatten() {
            self.found(fault, value.tag.to_owned(), 1);
        }
        Ok(())
    }

    fn judge_tags(&mut self) {
        let mut tags: Vec<_> = self
            .tags
            .iter()
            .map(|(name, tag)| (name.clone(), tag.judge()))
            .collect();
        tags.sort();
        for (name, fault) in tags {
            if let Some((fault, count)) = fault {
                self.found(fault, name, count);
            }
        }
    }

    fn judge_files(&mut self) {
        let pairs = self.files.windows(2).filter_map(|pair| {
            let [a, b] = pair else { return None };
            let ((a_begin, a_end), (b_begin, b_end)) = (a.time?, b.time?);
            let fault = if b_end < a_begin {
                Fault::FileOrder
            } else if b_begin + CLOCKS < a_end {
                Fault::TwoWriters
            } else {
                return None;
            };
            Some((fault, b.path.display().to_string()))
        });
        for (fault, path) in pairs.collect::<Vec<_>>() {
            self.found(fault, path, 1);
        }
    }
}

impl FileScan {
    /// True if both files grew at the same time.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.time
            .zip(other.time)
            .is_some_and(|((a, a_end), (b, b_end))| a + CLOCKS < b_end && b + CLOCKS < a_end)
    }
}

impl TagScan {
    fn new(number: usize) -> Self {
        Self {
            number,
            kind: None,
            metadata: None,
            values: 0,
            one_step: true,
            last: None,
            top: None,
            back: 0,
            resets: Vec::new(),
        }
    }

    /// Notes what a value is, and what is wrong with it.
    fn look(&mut self, value: &ValueView<'_>, datum: DatumView<'_>) -> [Option<Fault>; 3] {
        let said = value.metadata.map(|metadata| metadata.plugin);
        if self.metadata.is_none() && said.is_some() {
            self.metadata = metadata_of(value.bytes);
        }
        let plugin = said.or(plugin_of(self.metadata.as_ref()));
        let kind = match datum {
            DatumView::Simple(_) => Some(RecordKind::Scalar),
            DatumView::Histo => Some(RecordKind::Histogram),
            DatumView::Image => Some(RecordKind::Image),
            DatumView::Audio => Some(RecordKind::Audio),
            DatumView::Tensor(_) => plugin.map(kind_of_plugin),
        };
        let first = self.values == 0;
        let clash = self.kind.is_some() && kind.is_some() && self.kind != kind;
        self.kind = self.kind.or(kind);
        let lost = first && kind.is_none();
        [
            clash.then_some(Fault::KindClash),
            lost.then_some(Fault::LostMetadata),
            if clash {
                None
            } else {
                odd_form(value, datum, kind, plugin)
            },
        ]
    }

    fn step(&mut self, file: usize, started: bool, step: i64) {
        // After a START the first value of a tag may be that which is the last that counts.
        let first = self.last.is_none_or(|(before, _)| before < file);
        let restated = started && first && self.top == Some(step);
        self.one_step &= self.last.is_none_or(|(_, last)| last == step);
        if self.top.is_some_and(|top| step <= top) {
            self.back += u64::from(!restated);
            while self.resets.last().is_some_and(|(_, reset)| *reset >= step) {
                self.resets.pop();
            }
            self.resets.push((self.values, step));
        }
        self.top = Some(step);
        self.last = Some((file, step));
        self.values += 1;
    }

    /// True if the data server drops a value, because a later one is at its step or before it.
    pub fn is_dropped(&self, index: u64, step: i64) -> bool {
        let later = self.resets.partition_point(|(reset, _)| *reset <= index);
        self.resets.get(later).is_some_and(|(_, reset)| *reset <= step)
    }

    /// True if all values have one step and ought to have more.
    pub fn has_same_step(&self) -> bool {
        self.one_step && self.back > 0 && !self.is_configuration()
    }

    fn is_configuration(&self) -> bool {
        matches!(self.kind, Some(RecordKind::HParams | RecordKind::Layout))
    }

    fn judge(&self) -> Option<(Fault, u64)> {
        if self.kind.is_none() {
            return Some((Fault::NoMetadata, self.values));
        }
        if self.has_same_step() {
            return Some((Fault::SameStep, self.values));
        }
        (self.back > 0 && !self.is_configuration()).then_some((Fault::StepsGoBack, self.back))
    }
}

fn plugin_of(metadata: Option<&SummaryMetadata>) -> Option<&str> {
    Some(&metadata?.plugin_data.as_ref()?.plugin_name)
}

/// The metadata of a value.
fn metadata_of(value: &[u8]) -> Option<SummaryMetadata> {
    let bytes = Fields::of(value).find_map(|field| match field.map(|field| (field.number, field.value)) {
        Ok((9, Wire::Bytes(metadata))) => Some(metadata),
        _ => None,
    })?;
    let short = (bytes.len() <= MAX_METADATA).then_some(bytes)?;
    SummaryMetadata::decode(short).ok()
}

/// Fault in the form of a value.
fn odd_form(
    value: &ValueView<'_>,
    datum: DatumView<'_>,
    kind: Option<RecordKind>,
    plugin: Option<&str>,
) -> Option<Fault> {
    let class = value.metadata.map(|metadata| metadata.data_class);
    match (datum, kind) {
        (DatumView::Tensor(tensor), Some(RecordKind::Scalar)) => {
            (!is_scalar(tensor)).then_some(Fault::OddScalar)
        }
        (DatumView::Tensor(tensor), Some(RecordKind::Image | RecordKind::Audio)) => {
            tensor.shape().is_none().then_some(Fault::NoShape)
        }
        (DatumView::Tensor(_), Some(_)) => {
            let unknown = plugin.is_some_and(|plugin| !KNOWN.contains(&plugin));
            (unknown && class == Some(0)).then_some(Fault::NoClass)
        }
        (DatumView::Tensor(_), None) => None,
        _ if class.is_some_and(|class| class != 0) => Some(Fault::OldFormWithClass),
        (DatumView::Simple(_), _) => {
            let words = value.metadata.is_some_and(|metadata| metadata.has_words);
            words.then_some(Fault::LostWords)
        }
        _ => None,
    }
}

/// True if the data server takes the tensor for a scalar.
fn is_scalar(tensor: TensorView<'_>) -> bool {
    tensor.dtype == DataType::Float as i32
        && tensor.shape().is_none_or(|mut sizes| sizes.next().is_none())
        && tensor.number().is_some()
}
