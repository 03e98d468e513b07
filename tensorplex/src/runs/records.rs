//! Records that are more than a number, a histogram or a text, into a run.

use remotecall::{NewFile, name_hash};

use super::run::Run;
use super::writers::WriterNumber;
use super::{Overlap, Runs, take_room};
use crate::records::EmbeddingFiles;
use crate::tfevents::messages::{self, Event, EventPayload, Summary};
use crate::tfevents::{MAX_PAYLOAD, Metadata, Point, TooLong, append_record};
use crate::value::{RecordError, RecordKind};

/// Upper limit of the bytes that an event adds to its values.
const ENVELOPE: usize = 1 << 10;

impl Runs {
    /// Appends values that are in their form, all or none of them; a kind that is not given is that of the tag.
    ///
    /// Returns what [`append`](Self::append) does.
    pub fn append_values(
        &mut self,
        run: &str,
        (step, wall_time): (i64, f64),
        values: Vec<(Option<RecordKind>, messages::Value)>,
    ) -> Result<Option<Overlap>, RecordError> {
        let at = self.find_or_add(run)?;
        let scalar = values.iter().any(|(kind, _)| *kind == Some(RecordKind::Scalar));
        if scalar && self.runs[at].notice(RecordKind::Scalar, step) {
            self.rewind(run, (step, wall_time))?;
        }
        let (producer, time_ns) = self.caller;
        let by = (self.writers.number(producer, time_ns), step);
        let run = &mut self.runs[at];
        let length = values
            .iter()
            .map(|(_, value)| prost::Message::encoded_len(value))
            .sum();
        if length > MAX_PAYLOAD - ENVELOPE {
            return Err(TooLong(length).into());
        }
        let summary = run.state_all(values, by, &mut self.names)?;
        self.append_event(at, (step, wall_time), EventPayload::Summary(summary))?;
        Ok(self.judge(at, step))
    }

    /// Appends a graph or a profile.
    pub fn append_graph(
        &mut self,
        run: &str,
        at: (i64, f64),
        mut what: EventPayload,
    ) -> Result<(), RecordError> {
        if let EventPayload::TaggedRunMetadata(profile) = &mut what {
            keep_servable(&mut profile.tag);
        }
        let run = self.find_or_add(run)?;
        self.append_event(run, at, what)
    }

    fn append_event(&mut self, run: usize, at: (i64, f64), what: EventPayload) -> Result<(), RecordError> {
        let (step, wall_time) = at;
        let tag = "";
        let out = self.runs[run].file_for(Point { tag, step, wall_time }, &mut self.files)?;
        Ok(append_record(out, &event(at, what))?)
    }

    /// Writes the files of an embedding into the directory of a run, and its entry into the configuration there.
    pub fn append_embedding(&mut self, run: &str, embedding: &EmbeddingFiles) -> Result<(), RecordError> {
        let at = self.find_or_add(run)?;
        let directory = embedding.directory();
        take_room(&mut self.names, &directory)?;
        let point = Point {
            tag: "",
            step: embedding.step,
            wall_time: embedding.wall_time,
        };
        // A directory is a run only when there is an event file in it.
        self.runs[at].file_for(point, &mut self.files)?;
        // The file that is added first is written last, so the entry follows the files that it names.
        let mut append = |path: &str, bytes: &[u8]| {
            let path = below(run, path);
            let file = self.files.add(&format!("{path}#"), NewFile::Append(path.clone()));
            self.files.pending(file).extend_from_slice(bytes);
        };
        append("projector_config.pbtxt", embedding.entry().as_bytes());
        append(&format!("{directory}/tensors.tsv"), embedding.tensors.as_bytes());
        if !embedding.metadata.is_empty() {
            append(
                &format!("{directory}/metadata.tsv"),
                embedding.metadata.as_bytes(),
            );
        }
        if !embedding.sprite.is_empty() {
            append(&format!("{directory}/sprite.png"), &embedding.sprite);
        }
        Ok(())
    }
}

impl Run {
    /// States the tags of values that are written together. When one of them is refused, none is stated.
    fn state_all(
        &mut self,
        values: Vec<(Option<RecordKind>, messages::Value)>,
        by: (WriterNumber, i64),
        names: &mut usize,
    ) -> Result<Summary, RecordError> {
        let mut summary = Summary::default();
        for (kind, mut value) in values {
            if matches!(kind, Some(RecordKind::Image | RecordKind::Audio)) {
                keep_servable(&mut value.tag);
            }
            let stated = self
                .check_kind(&value.tag, kind)
                .and_then(|kind| self.state_tag(&value.tag, kind, by, names));
            match stated {
                Ok(Metadata::Stated) => {}
                Ok(Metadata::Known) => value.metadata = None,
                Err(error) => {
                    self.unstate(&summary);
                    return Err(error);
                }
            }
            summary.value.push(value);
        }
        Ok(summary)
    }

    /// Takes back that tags were stated: the summary is not written.
    fn unstate(&mut self, summary: &Summary) {
        let stated = summary.value.iter().filter(|value| value.metadata.is_some());
        for value in stated {
            if let Some(tag) = self.tags.get_mut(&value.tag) {
                tag.stated = false;
            }
        }
    }
}

/// TensorBoard's data server hands out pictures, sounds and profiles by a key of JSON that holds the tag, and cannot read
/// its own key when JSON has to escape something (measured with tensorboard-data-server 0.7.2).
fn keep_servable(tag: &mut String) {
    let is_escaped = |char: char| char < ' ' || char == '"' || char == '\\';
    if tag.contains(is_escaped) {
        // With a hash, so that two tags never become one.
        *tag = format!("{}-{}", tag.replace(is_escaped, "_"), name_hash(tag));
    }
}

/// An event of a run.
pub(super) fn event((step, wall_time): (i64, f64), what: EventPayload) -> Event {
    Event {
        wall_time,
        step,
        what: Some(what),
        source_metadata: None,
    }
}

/// A path below the directory of a run.
fn below(run: &str, path: &str) -> String {
    match run {
        "" => path.to_owned(),
        run => format!("{run}/{path}"),
    }
}
