//! The event files of all runs, and what is known of their tags.
//!
//! ```text
//! run     a directory; one file grows in it
//! file    its first record is preceded by the two events of `tfevents::append_start`
//! tag     has one kind for good, and states its metadata in its first value in every file
//! ```
//!
//! The state that a checkpoint keeps:
//!
//! ```text
//! length  u64 LE
//! files   [u8; length]    of the FileSet
//! runs    MessagePack     [[name, generation, written, [[tag, kind, stated], …]], …]
//! ```

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use remotecall::{FileId, FileSet, NewFile, rmp_serde};
use serde::{Deserialize, Serialize};

use crate::file_name::{event_files, new_file};
use crate::records::{EmbeddingFiles, ready};
use crate::rewind::{Kept, last_before};
use crate::tfevents::messages::{self, Event, Summary, What};
use crate::tfevents::{Encoder, MAX_PAYLOAD, Metadata, Point, TooLong, append_record, append_start};
use crate::value::{Kind, RecordError, Value};

/// Most bytes that the names of all runs and tags may take: 64 MiB.
///
/// Names come from clients and are kept as long as the server runs.
pub const MAX_NAMES: usize = 64 << 20;
/// What a name costs besides its own bytes, about.
const NAME: usize = 64;
/// What an event adds to its values, at most.
const ENVELOPE: usize = 1 << 10;

/// Event files below one directory.
pub(crate) struct Runs {
    files: FileSet,
    runs: Vec<Run>,
    by_name: HashMap<String, usize>,
    names: usize,
    encoder: Encoder,
}

struct Run {
    name: String,
    /// Counts the files that were lost: the key of the next one must be new.
    generation: u32,
    /// `None` until something is written, and again when the file is lost.
    file: Option<FileId>,
    tags: HashMap<String, Tag>,
}

struct Tag {
    kind: Kind,
    /// Whether the current file has its metadata.
    stated: bool,
}

#[derive(Serialize, Deserialize)]
struct SavedRun {
    name: String,
    generation: u32,
    /// Whether there was a file.
    written: bool,
    tags: Vec<(String, Kind, bool)>,
}

impl Runs {
    pub fn open(root: &Path, manifest: Option<&Path>) -> io::Result<Self> {
        Ok(Self {
            files: FileSet::open(root, manifest)?,
            runs: Vec::new(),
            by_name: HashMap::new(),
            names: 0,
            encoder: Encoder::default(),
        })
    }

    /// Appends a record to a run. Nothing happens on disk before the next commit.
    pub fn append(&mut self, run: &str, point: Point<'_>, value: Value<'_>) -> Result<(), RecordError> {
        let at = self.find_or_add(run)?;
        let run = &mut self.runs[at];
        let metadata = run.state_tag(point.tag, value.kind(), &mut self.names)?;
        let out = run.file_for(point, &mut self.files)?;
        match value {
            Value::Scalar(value) => self.encoder.scalar(out, point, value)?,
            Value::Histogram(buckets) => self.encoder.histogram(out, point, buckets, metadata)?,
            Value::Text(text) => self.encoder.text(out, point, text, metadata)?,
        }
        Ok(())
    }

    /// Appends values that are in their form, all or none of them; a kind that is not given is that of the tag.
    pub fn append_values(
        &mut self,
        run: &str,
        (step, wall_time): (i64, f64),
        values: Vec<(Option<Kind>, messages::Value)>,
    ) -> Result<(), RecordError> {
        let at = self.find_or_add(run)?;
        let run = &mut self.runs[at];
        let length = values
            .iter()
            .map(|(_, value)| prost::Message::encoded_len(value))
            .sum();
        if length > MAX_PAYLOAD - ENVELOPE {
            return Err(TooLong(length).into());
        }
        let values: Vec<(Kind, messages::Value)> = values
            .into_iter()
            .map(|(kind, value)| Ok((run.check_kind(&value.tag, kind)?, value)))
            .collect::<Result<_, RecordError>>()?;
        let mut summary = Summary::default();
        for (kind, mut value) in values {
            if run.state_tag(&value.tag, kind, &mut self.names)? == Metadata::Known {
                value.metadata = None;
            }
            summary.value.push(value);
        }
        self.append_event(at, (step, wall_time), What::Summary(summary))
    }

    /// Appends a graph or a profile.
    pub fn append_graph(&mut self, run: &str, at: (i64, f64), what: What) -> Result<(), RecordError> {
        let run = self.find_or_add(run)?;
        self.append_event(run, at, what)
    }

    fn append_event(&mut self, run: usize, at: (i64, f64), what: What) -> Result<(), RecordError> {
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
        // What is pending first is written last: the entry follows the files that it names.
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

    /// Starts a new file of a run whose points from `step` on count no more; see [`rewind`](crate::rewind).
    pub fn rewind(&mut self, run: &str, (step, wall_time): (i64, f64)) -> Result<(), RecordError> {
        let at = self.find_or_add(run)?;
        let kept = last_before(step, self.own_files(at)).map_err(|why| unreadable(run, &why))?;
        self.go_on_from(at, (step, wall_time), kept)
    }

    /// The same for a run whose files were written by others.
    pub fn purge(&mut self, run: &str, at: (i64, f64)) -> Result<(), RecordError> {
        let (step, _) = at;
        self.commit().map_err(|why| unreadable(run, &why))?;
        let files = event_files(&self.files.root().join(run)).map_err(|why| unreadable(run, &why))?;
        let sources = files.into_iter().rev().map(File::open);
        let kept = last_before(step, sources).map_err(|why| unreadable(run, &why))?;
        let run = self.find_or_add(run)?;
        self.go_on_from(run, at, kept)
    }

    /// What was written to the files of a run so far, the newest first.
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
        let run = &mut self.runs[run];
        run.leave_file();
        let tag = "";
        run.file_for(Point { tag, step, wall_time }, &mut self.files)?;
        for Kept {
            step,
            wall_time,
            value,
        } in kept
        {
            let (kind, value) = ready(value)?;
            // Of others there may be anything: what changed its kind stays behind.
            let Ok(kind) = run.check_kind(&value.tag, kind) else {
                continue;
            };
            run.state_tag(&value.tag, kind, &mut self.names)?;
            let out = run.file_for(Point { tag, step, wall_time }, &mut self.files)?;
            append_record(
                out,
                &event((step, wall_time), What::Summary(Summary { value: vec![value] })),
            )?;
        }
        Ok(())
    }

    fn find_or_add(&mut self, name: &str) -> Result<usize, RecordError> {
        if let Some(&at) = self.by_name.get(name) {
            return Ok(at);
        }
        take_room(&mut self.names, name)?;
        Ok(self.add(Run::new(name.to_owned(), 0)))
    }

    fn add(&mut self, run: Run) -> usize {
        let at = self.runs.len();
        self.by_name.insert(run.name.clone(), at);
        self.runs.push(run);
        at
    }

    /// Bytes that wait for the next commit.
    pub fn pending_bytes(&self) -> usize {
        self.files.pending_bytes()
    }

    pub fn commit(&mut self) -> io::Result<()> {
        self.files.commit()
    }

    pub fn checkpoint(&mut self) -> io::Result<Vec<u8>> {
        // The state speaks of what is written, so nothing may be left over.
        self.files.commit()?;
        self.files.sync()?;
        let files = self.files.state();
        let mut state = (files.len() as u64).to_le_bytes().to_vec();
        state.extend(files);
        let runs: Vec<SavedRun> = self.runs.iter().map(Run::save).collect();
        rmp_serde::encode::write(&mut state, &runs).map_err(io::Error::other)?;
        Ok(state)
    }

    pub fn restore(&mut self, state: &[u8]) -> io::Result<()> {
        let (files, runs) = split_state(state)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the state of the runs is cut off"))?;
        let runs: Vec<SavedRun> =
            rmp_serde::from_slice(runs).map_err(|why| io::Error::new(io::ErrorKind::InvalidData, why))?;
        self.files.restore(files)?;
        for saved in runs {
            self.names += cost(&saved.name);
            self.names += saved.tags.iter().map(|(tag, ..)| cost(tag)).sum::<usize>();
            let run = Run::restore(saved, &self.files);
            self.add(run);
        }
        Ok(())
    }
}

fn event((step, wall_time): (i64, f64), what: What) -> Event {
    Event {
        wall_time,
        step,
        what: Some(what),
        source_metadata: None,
    }
}

fn unreadable(run: &str, why: &io::Error) -> RecordError {
    RecordError::Unreadable {
        run: run.to_owned(),
        why: why.to_string(),
    }
}

/// A path below the directory of a run.
fn below(run: &str, path: &str) -> String {
    match run {
        "" => path.to_owned(),
        run => format!("{run}/{path}"),
    }
}

fn cost(name: &str) -> usize {
    name.len() + NAME
}

fn take_room(names: &mut usize, name: &str) -> Result<(), RecordError> {
    let taken = *names + cost(name);
    if taken > MAX_NAMES {
        return Err(RecordError::ManyNames { limit: MAX_NAMES });
    }
    *names = taken;
    Ok(())
}

/// A part that is preceded by its length, and the rest.
pub(crate) fn split_state(state: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = state.split_first_chunk()?;
    rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)
}

impl Run {
    fn new(name: String, generation: u32) -> Self {
        Self {
            name,
            generation,
            file: None,
            tags: HashMap::new(),
        }
    }

    /// The kind of a tag's next value.
    fn check_kind(&self, tag: &str, kind: Option<Kind>) -> Result<Kind, RecordError> {
        match (self.tags.get(tag), kind) {
            (Some(known), Some(kind)) if known.kind != kind => Err(self.kind_changed(tag, known.kind, kind)),
            (_, Some(kind)) => Ok(kind),
            (Some(known), None) => Ok(known.kind),
            (None, None) => Err(RecordError::OddValue {
                tag: tag.to_owned(),
                why: "the first value of a tag must say what it is: a tensor without metadata is not shown"
                    .to_owned(),
            }),
        }
    }

    fn kind_changed(&self, tag: &str, was: Kind, now: Kind) -> RecordError {
        RecordError::KindChanged {
            run: self.name.clone(),
            tag: tag.to_owned(),
            was,
            now,
        }
    }

    /// Checks the kind of a tag, and tells whether its next value states it.
    fn state_tag(&mut self, tag: &str, kind: Kind, names: &mut usize) -> Result<Metadata, RecordError> {
        let Some(known) = self.tags.get_mut(tag) else {
            take_room(names, tag)?;
            self.tags.insert(tag.to_owned(), Tag { kind, stated: true });
            return Ok(Metadata::Stated);
        };
        if known.kind != kind {
            let was = known.kind;
            return Err(self.kind_changed(tag, was, kind));
        }
        match std::mem::replace(&mut known.stated, true) {
            true => Ok(Metadata::Known),
            false => Ok(Metadata::Stated),
        }
    }

    /// Where the run's next record goes; `first` is that record if the file is new.
    fn file_for<'a>(
        &mut self,
        first: Point<'_>,
        files: &'a mut FileSet,
    ) -> Result<&'a mut Vec<u8>, RecordError> {
        if let Some(file) = self.file {
            return Ok(files.pending(file));
        }
        let file = files.add(&self.key(), new_file(&self.name, first.wall_time));
        self.file = Some(file);
        let out = files.pending(file);
        append_start(out, first.step, first.wall_time)?;
        Ok(out)
    }

    /// The next record starts another file, which states everything again.
    fn leave_file(&mut self) {
        if self.file.take().is_some() {
            self.generation += 1;
        }
        for tag in self.tags.values_mut() {
            tag.stated = false;
        }
    }

    fn key(&self) -> String {
        self.key_of(self.generation)
    }

    fn key_of(&self, generation: u32) -> String {
        format!("{}#{generation}", self.name)
    }

    fn save(&self) -> SavedRun {
        let tags = self
            .tags
            .iter()
            .map(|(tag, known)| (tag.clone(), known.kind, known.stated));
        let mut tags: Vec<_> = tags.collect();
        tags.sort_unstable_by(|(a, ..), (b, ..)| a.cmp(b));
        SavedRun {
            name: self.name.clone(),
            generation: self.generation,
            written: self.file.is_some(),
            tags,
        }
    }

    /// A run whose file was deleted or cut meanwhile starts another one, which states everything again.
    fn restore(saved: SavedRun, files: &FileSet) -> Self {
        let mut run = Self::new(saved.name, saved.generation);
        run.file = files.find(&run.key());
        if saved.written && run.file.is_none() {
            run.generation += 1;
        }
        let has_file = run.file.is_some();
        let tags = saved.tags.into_iter().map(|(tag, kind, stated)| {
            let stated = stated && has_file;
            (tag, Tag { kind, stated })
        });
        run.tags = tags.collect();
        run
    }
}
