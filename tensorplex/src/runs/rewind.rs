//! Going back to a step, so that both readers of TensorBoard show one clean curve.
//!
//! ```text
//! new file     a later name
//!   version, SessionLog START at step T     the Python loader drops every point of the run from T on
//!   the last value before T of each tag     the data server drops every point of the tag from that value's step on
//!   what is logged from then on
//! ```
//!
//! A tag whose first step is T or later has no value to be stated again: its old points stay in the data server's
//! charts until it is logged again.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, Read};

use prost::Message as _;

use super::Runs;
use super::records::event;
use super::writers::WriterNumber;
use crate::file_name::event_files;
use crate::records::normalize;
use crate::tfevents::messages::{Datum, Event, EventPayload, SessionStatus, Summary, SummaryMetadata, Value};
use crate::tfevents::{Point, ReadError, RecordReader, append_record};
use crate::value::RecordError;

/// Values that are stated again are nobody's.
const UNKNOWN_WRITER: (WriterNumber, i64) = (0, 0);

/// A value that is stated again.
#[derive(Clone, Debug, PartialEq)]
struct Kept {
    step: i64,
    wall_time: f64,
    value: Value,
}

impl Runs {
    /// Starts a new file of a run whose points from `step` on count no more.
    pub fn rewind(&mut self, run: &str, (step, wall_time): (i64, f64)) -> Result<(), RecordError> {
        let at = self.find_or_add(run)?;
        let kept = last_before(step, self.own_files(at)).map_err(|why| unreadable(run, &why))?;
        self.go_on_from(at, (step, wall_time), kept)
    }

    /// A scalar of the run at a step that was there rewinds it, once.
    pub fn resume(&mut self, run: &str) -> Result<(), RecordError> {
        let at = self.find_or_add(run)?;
        self.runs[at].resuming = true;
        Ok(())
    }

    /// The same as [`rewind`](Self::rewind), for a run whose files were written by others.
    pub fn purge(&mut self, run: &str, at: (i64, f64)) -> Result<(), RecordError> {
        let (step, _) = at;
        self.commit().map_err(|why| unreadable(run, &why))?;
        let files = event_files(&self.files.root().join(run)).map_err(|why| unreadable(run, &why))?;
        let sources = files.into_iter().rev().map(File::open);
        let kept = last_before(step, sources).map_err(|why| unreadable(run, &why))?;
        let run = self.find_or_add(run)?;
        self.go_on_from(run, at, kept)
    }

    /// The highest step of a scalar in the directory of a run, whoever wrote it.
    pub fn last_step(&self, run: &str) -> Result<Option<i64>, RecordError> {
        let files = event_files(&self.files.root().join(run)).map_err(|why| unreadable(run, &why))?;
        let mut files = files.into_iter();
        files
            .try_fold(None, |last, file| last_step_in(File::open(file)?, last))
            .map_err(|why| unreadable(run, &why))
    }

    /// Bytes written to the files of a run so far, the newest file first.
    fn own_files(&self, run: usize) -> impl Iterator<Item = io::Result<impl Read>> {
        let run = &self.runs[run];
        let keys = (0..=run.generation)
            .rev()
            .map(|generation| run.key_of(generation));
        keys.filter_map(|key| self.files.find(&key))
            .map(|file| self.files.read(file))
    }

    fn go_on_from(
        &mut self,
        run: usize,
        (step, wall_time): (i64, f64),
        kept: Vec<Kept>,
    ) -> Result<(), RecordError> {
        // The new file must have a later name than the one before, so that one has to be there.
        if let Err(error) = self.files.commit() {
            tracing::warn!(%error, "a rewound run may have two files in the wrong order");
        }
        let run = &mut self.runs[run];
        run.leave_file();
        run.forget_writers();
        // The points of others are meant too.
        run.has_neighbours = false;
        run.last = run.last.min(Some(step));
        let tag = "";
        run.file_for(Point { tag, step, wall_time }, &mut self.files)?;
        for Kept {
            step,
            wall_time,
            value,
        } in kept
        {
            let (kind, value) = normalize(value)?;
            // Files of other writers may hold anything: values whose kind changed are left out.
            let Ok(kind) = run.check_kind(&value.tag, kind) else {
                continue;
            };
            run.state_tag(&value.tag, kind, UNKNOWN_WRITER, &mut self.names)?;
            let out = run.file_for(Point { tag, step, wall_time }, &mut self.files)?;
            append_record(
                out,
                &event(
                    (step, wall_time),
                    EventPayload::Summary(Summary { value: vec![value] }),
                ),
            )?;
        }
        Ok(())
    }
}

fn unreadable(run: &str, why: &io::Error) -> RecordError {
    RecordError::Unreadable {
        run: run.to_owned(),
        why: why.to_string(),
    }
}

/// The last value of each tag before `step`, in the order of their tags, from the files of a run, the newest first.
fn last_before<R: Read>(step: i64, files: impl Iterator<Item = io::Result<R>>) -> io::Result<Vec<Kept>> {
    let mut kept = BTreeMap::new();
    // Points of an earlier file are void from the step at which a later file begins.
    let mut limit = step;
    for file in files {
        let (found, start) = read_file(file?, limit)?;
        for (tag, value) in found {
            kept.entry(tag).or_insert(value);
        }
        limit = limit.min(start);
    }
    Ok(kept.into_values().collect())
}

/// The last value of each tag before `limit` in one file, and the lowest step from which the file goes on.
fn read_file(file: impl Read, limit: i64) -> io::Result<(HashMap<String, Kept>, i64)> {
    let mut reader = RecordReader::new(io::BufReader::new(file));
    let mut stated: HashMap<String, SummaryMetadata> = HashMap::new();
    let mut found = HashMap::new();
    let mut start = i64::MAX;
    while let Some(event) = next_event(&mut reader)? {
        match event.what {
            Some(EventPayload::SessionLog(session)) if session.status() == SessionStatus::Start => {
                start = start.min(event.step);
                found.retain(|_, kept: &mut Kept| kept.step < event.step);
            }
            Some(EventPayload::Summary(summary)) => {
                for mut value in summary.value {
                    match (&value.metadata, &value.value) {
                        (Some(metadata), _) => {
                            stated
                                .entry(value.tag.clone())
                                .or_insert_with(|| metadata.clone());
                        }
                        (None, Some(Datum::Tensor(_))) => value.metadata = stated.get(&value.tag).cloned(),
                        (None, _) => {}
                    }
                    if event.step < limit {
                        let (step, wall_time) = (event.step, event.wall_time);
                        found.insert(
                            value.tag.clone(),
                            Kept {
                                step,
                                wall_time,
                                value,
                            },
                        );
                    }
                }
            }
            _ => {}
        }
    }
    Ok((found, start))
}

/// The highest step of a scalar in a file and those before it, in which it was `last`.
fn last_step_in(file: impl Read, mut last: Option<i64>) -> io::Result<Option<i64>> {
    let mut reader = RecordReader::new(io::BufReader::new(file));
    while let Some(event) = next_event(&mut reader)? {
        match event.what {
            Some(EventPayload::SessionLog(session)) if session.status() == SessionStatus::Start => {
                // Earlier records from this step on are void.
                last = last.min(Some(event.step.saturating_sub(1)));
            }
            Some(EventPayload::Summary(summary)) if summary.value.iter().any(is_scalar) => {
                last = last.max(Some(event.step));
            }
            _ => {}
        }
    }
    Ok(last)
}

fn is_scalar(value: &Value) -> bool {
    match (&value.value, &value.metadata) {
        (Some(Datum::SimpleValue(_)), _) => true,
        (_, Some(metadata)) => {
            let plugin = metadata.plugin_data.as_ref();
            plugin.is_some_and(|plugin| plugin.plugin_name == "scalars")
        }
        _ => false,
    }
}

/// The next event that can be read; a file may end in an unfinished one, and those of others may be damaged.
fn next_event<R: Read>(reader: &mut RecordReader<R>) -> io::Result<Option<Event>> {
    loop {
        match reader.next_record() {
            Ok(None)
            | Err(ReadError::Truncated { .. } | ReadError::BadLength { .. } | ReadError::TooLong { .. }) => {
                return Ok(None);
            }
            Err(ReadError::Io(error)) => return Err(error),
            Err(ReadError::BadPayload { .. }) => {}
            Ok(Some(payload)) => {
                if let Ok(event) = Event::decode(&payload[..]) {
                    return Ok(Some(event));
                }
            }
        }
    }
}
