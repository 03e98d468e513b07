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
use std::io;
use std::path::Path;

use remotecall::{FileId, FileSet, rmp_serde};
use serde::{Deserialize, Serialize};

use crate::file_name::new_file;
use crate::tfevents::{Encoder, Metadata, Point, append_start};
use crate::value::{Kind, RecordError, Value};

/// Most bytes that the names of all runs and tags may take: 64 MiB.
///
/// Names come from clients and are kept as long as the server runs.
pub const MAX_NAMES: usize = 64 << 20;
/// What a name costs besides its own bytes, about.
const NAME: usize = 64;

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

fn split_state(state: &[u8]) -> Option<(&[u8], &[u8])> {
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

    /// Checks the kind of a tag, and tells whether its next value states it.
    fn state_tag(&mut self, tag: &str, kind: Kind, names: &mut usize) -> Result<Metadata, RecordError> {
        let Some(known) = self.tags.get_mut(tag) else {
            take_room(names, tag)?;
            self.tags.insert(tag.to_owned(), Tag { kind, stated: true });
            return Ok(Metadata::Stated);
        };
        if known.kind != kind {
            return Err(RecordError::KindChanged {
                run: self.name.clone(),
                tag: tag.to_owned(),
                was: known.kind,
                now: kind,
            });
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

    fn key(&self) -> String {
        format!("{}#{}", self.name, self.generation)
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
