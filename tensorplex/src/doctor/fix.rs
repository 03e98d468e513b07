//! A run, written again without its faults.
//!
//! ```text
//! files that grew at once and share tags   runs of their own
//! the others, in the order of their times  one file
//! ```

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use prost::Message as _;

use super::ExamineError;
use super::scan::{FileScan, RunScan};
use crate::logdir::extract::{Extracted, Extractor};
use crate::records::normalize;
use crate::tfevents::messages::{Event, EventPayload, Summary, Value};
use crate::tfevents::{
    EventView, FILE_VERSION, Fields, PayloadView, ValueView, Wire, append_payload, append_record,
};
use crate::value::RecordKind;

/// Most memory that a value may take when it is decoded, about.
const MAX_VALUE: usize = 256 << 20;
/// Bytes that are gathered before they are written.
const BUFFER: usize = 1 << 20;

/// Result of fixing one run: values written and values left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct FixedRun {
    pub values: u64,
    /// Points that count no more.
    pub superseded: u64,
    /// Values that no reader could be made to show.
    pub lost: u64,
}

/// The files of a run, as the runs that they should be: the first is the run itself.
pub(super) fn writers(scan: RunScan) -> Vec<Vec<PathBuf>> {
    let mut files = scan.files;
    let begin = |file: &FileScan| file.time.map_or(f64::INFINITY, |(begin, _)| begin);
    files.sort_by(|a, b| begin(a).total_cmp(&begin(b)));
    let mut writers: Vec<Vec<FileScan>> = Vec::new();
    for file in files {
        let clashes = |other: &FileScan| file.overlaps(other) && !file.tags.is_disjoint(&other.tags);
        let free = writers.iter_mut().find(|writer| !writer.iter().any(clashes));
        match free {
            Some(writer) => writer.push(file),
            None => writers.push(vec![file]),
        }
    }
    let paths = |writer: Vec<FileScan>| writer.into_iter().map(|file| file.path).collect();
    writers.into_iter().map(paths).collect()
}

/// Writes the events of `files` into one event file in `dir`.
pub(super) fn fix(files: &[PathBuf], dir: &Path) -> Result<FixedRun, FixError> {
    let scan = RunScan::of(files)?;
    let time = scan
        .files
        .iter()
        .find_map(|file| file.time)
        .map_or(0.0, |(begin, _)| begin);
    // `as` takes what is out of range to the nearest end.
    let name = format!(
        "events.out.tfevents.{:010}.mended.0.0",
        (time as u64).min(9_999_999_999)
    );
    let path = dir.join(name);
    let to = |error| FixError::Write {
        path: path.clone(),
        error,
    };
    let file = File::create_new(&path).map_err(to)?;
    let limits = scan.limits();
    let mut mending = Fixer {
        scan: &scan,
        out: BufWriter::with_capacity(BUFFER, file),
        record: Vec::new(),
        limit: i64::MAX,
        time,
        indices: HashMap::new(),
        stated: HashSet::new(),
        mended: FixedRun::default(),
    };
    mending
        .event((0, time), EventPayload::FileVersion(FILE_VERSION.to_owned()))
        .map_err(to)?;
    for (from, limit) in files.iter().zip(limits) {
        mending.limit = limit;
        mending.file(from, &path)?;
    }
    mending.out.flush().map_err(to)?;
    mending.out.get_ref().sync_all().map_err(to)?;
    Ok(mending.mended)
}

/// A run cannot be mended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FixError {
    /// An existing file cannot be read.
    #[error(transparent)]
    Read(#[from] ExamineError),
    /// The copy cannot be written.
    #[error("{path}: {error}")]
    Write {
        /// Which file.
        path: PathBuf,
        /// Error of the operating system.
        error: io::Error,
    },
}

struct Fixer<'a> {
    scan: &'a RunScan,
    out: BufWriter<File>,
    record: Vec<u8>,
    /// Steps from here on count no more.
    limit: i64,
    /// The last good time.
    time: f64,
    /// Number of values seen, by tag.
    indices: HashMap<&'a str, u64>,
    /// Tags whose metadata is in the file.
    stated: HashSet<String>,
    mended: FixedRun,
}

impl Fixer<'_> {
    fn file(&mut self, from: &Path, to: &Path) -> Result<(), FixError> {
        let unreadable = |error| ExamineError::File {
            path: from.to_owned(),
            error,
        };
        let mut extractor = Extractor::open(from).map_err(unreadable)?;
        while let Some(piece) = extractor.next().map_err(unreadable)? {
            if let Extracted::Record(payload) = piece {
                self.payload(&payload).map_err(|error| FixError::Write {
                    path: to.to_owned(),
                    error,
                })?;
            }
        }
        Ok(())
    }

    fn payload(&mut self, payload: &[u8]) -> io::Result<()> {
        let Ok(event) = EventView::parse(payload) else {
            return Ok(());
        };
        let good = event.wall_time.is_finite();
        if good {
            self.time = event.wall_time;
        }
        match &event.content {
            // There is one file now, and nothing in it is to be dropped.
            PayloadView::FileVersion(_) | PayloadView::Session(_) => Ok(()),
            PayloadView::Summary(summary) => {
                let values = summary.values().filter_map(Result::ok);
                values
                    .into_iter()
                    .try_for_each(|value| self.value(event.step, &value))
            }
            _ if good => {
                append_payload(&mut self.record, payload).map_err(io::Error::other)?;
                self.write()
            }
            _ => match Event::decode(payload).map(|event| event.what) {
                Ok(Some(what)) => self.event((event.step, self.time), what),
                _ => Ok(()),
            },
        }
    }

    fn value(&mut self, step: i64, value: &ValueView<'_>) -> io::Result<()> {
        let scan = self.scan;
        let Some((name, tag)) = scan.tags.get_key_value(value.tag) else {
            return Ok(());
        };
        let index = self.indices.entry(name).or_default();
        let at = *index;
        *index += 1;
        let same_step = tag.has_same_step();
        if step >= self.limit || (!same_step && tag.is_dropped(at, step)) {
            self.mended.superseded += 1;
            return Ok(());
        }
        let step = if same_step {
            step.saturating_add(at as i64)
        } else {
            step
        };
        let Some((kind, mut value)) = self.decoded(value) else {
            self.mended.lost += 1;
            return Ok(());
        };
        if let (Some(kind), Some(first)) = (kind, tag.kind)
            && kind != first
        {
            value.tag = format!("{}_{kind}", value.tag).replace(' ', "_");
        }
        if !self.stated.contains(&value.tag) {
            self.stated.insert(value.tag.clone());
        } else {
            value.metadata = None;
        }
        self.mended.values += 1;
        self.event(
            (step, self.time),
            EventPayload::Summary(Summary { value: vec![value] }),
        )
    }

    /// A value in the form that both readers show; `None` when there is none.
    fn decoded(&self, value: &ValueView<'_>) -> Option<(Option<RecordKind>, Value)> {
        if memory_of(value.bytes) > MAX_VALUE {
            return None;
        }
        let mut value = Value::decode(value.bytes).ok()?;
        if value.metadata.is_none()
            && matches!(value.value, Some(crate::tfevents::messages::Datum::Tensor(_)))
        {
            value.metadata = self.scan.tags.get(&value.tag)?.metadata.clone();
        }
        normalize(value).ok()
    }

    fn event(&mut self, (step, wall_time): (i64, f64), what: EventPayload) -> io::Result<()> {
        let event = Event {
            wall_time,
            step,
            what: Some(what),
            source_metadata: None,
        };
        append_record(&mut self.record, &event).map_err(io::Error::other)?;
        self.write()
    }

    fn write(&mut self) -> io::Result<()> {
        self.out.write_all(&self.record)?;
        self.record.clear();
        Ok(())
    }
}

/// Approximate upper limit of the memory of a decoded message: numbers grow to eight bytes, and each field has its own.
fn memory_of(message: &[u8]) -> usize {
    let inside = |field: Wire<'_>| match field {
        Wire::Bytes(bytes) => Fields::of(bytes).count(),
        _ => 0,
    };
    let fields: usize = Fields::of(message)
        .filter_map(Result::ok)
        .map(|field| 1 + inside(field.value))
        .sum();
    message.len() + 32 * fields
}
