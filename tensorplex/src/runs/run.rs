//! One run: its file, and what is known of its tags.

use std::collections::HashMap;

use remotecall::{FileId, FileSet};
use serde::{Deserialize, Serialize};

use super::take_room;
use super::writers::{LastWriter, WriterNumber};
use crate::file_name::new_file;
use crate::tfevents::{Metadata, Point, append_start};
use crate::value::{RecordError, RecordKind};

/// A run, as far as it is written.
pub(super) struct Run {
    pub name: String,
    /// Counts the files that were lost: the key of the next one must be new.
    pub generation: u32,
    /// `None` until something is written, and again when the file is lost.
    pub file: Option<FileId>,
    pub tags: Tags,
    /// The highest step of a scalar.
    pub last: Option<i64>,
    /// True after `resume`: a scalar at a step that was already logged rewinds the run.
    pub resuming: bool,
    /// Writer of the tag before the last record, if that was another process.
    pub writer_before: Option<LastWriter>,
    /// True if other writers may have files in the directory whose points must stay.
    pub has_neighbours: bool,
}

/// Looked up for every record, in a quick hash whose seed nobody outside knows.
type Tags = HashMap<String, Tag, foldhash::fast::RandomState>;

pub(super) struct Tag {
    pub kind: RecordKind,
    /// True if the current file has its metadata.
    pub stated: bool,
    /// Process that wrote it last. Not in a checkpoint.
    pub writer: LastWriter,
}

/// State of a run in a checkpoint.
#[derive(Serialize, Deserialize)]
pub(super) struct SavedRun {
    pub name: String,
    pub generation: u32,
    /// True if there was a file.
    pub written: bool,
    pub tags: Vec<(String, RecordKind, bool)>,
    #[serde(default)]
    pub last: Option<i64>,
    #[serde(default)]
    pub resuming: bool,
}

impl Run {
    pub(super) fn new(name: String, generation: u32) -> Self {
        Self {
            name,
            generation,
            file: None,
            tags: Tags::default(),
            last: None,
            resuming: false,
            writer_before: None,
            has_neighbours: false,
        }
    }

    /// Notices the step of a scalar, and says whether the run must be rewound to it.
    pub(super) fn notice(&mut self, kind: RecordKind, step: i64) -> bool {
        if kind != RecordKind::Scalar {
            return false;
        }
        let goes_back = std::mem::take(&mut self.resuming) && self.last.is_some_and(|last| step <= last);
        self.last = self.last.max(Some(step));
        goes_back
    }

    /// The kind of a tag's next value.
    pub(super) fn check_kind(&self, tag: &str, kind: Option<RecordKind>) -> Result<RecordKind, RecordError> {
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

    fn kind_changed(&self, tag: &str, was: RecordKind, now: RecordKind) -> RecordError {
        RecordError::KindChanged {
            run: self.name.clone(),
            tag: tag.to_owned(),
            was,
            now,
        }
    }

    /// Checks the kind of a tag, and tells whether its next value states it. Takes note of the process that writes it.
    pub(super) fn state_tag(
        &mut self,
        tag: &str,
        kind: RecordKind,
        (by, step): (WriterNumber, i64),
        names: &mut usize,
    ) -> Result<Metadata, RecordError> {
        let Some(known) = self.tags.get_mut(tag) else {
            take_room(names, tag)?;
            let mut writer = LastWriter::default();
            writer.replace(by, step);
            let (tag, stated) = (tag.to_owned(), true);
            self.tags.insert(tag, Tag { kind, stated, writer });
            return Ok(Metadata::Stated);
        };
        if known.kind != kind {
            let was = known.kind;
            return Err(self.kind_changed(tag, was, kind));
        }
        if let Some(before) = known.writer.replace(by, step) {
            self.writer_before = Some(before);
        }
        match std::mem::replace(&mut known.stated, true) {
            true => Ok(Metadata::Known),
            false => Ok(Metadata::Stated),
        }
    }

    /// File of the next record of the run; `first` is that record if the file is new.
    pub(super) fn file_for<'a>(
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
        // The Python loader drops the points of earlier files from this step on: here, none.
        let step = if self.has_neighbours { i64::MAX } else { first.step };
        append_start(out, step, first.wall_time)?;
        Ok(out)
    }

    /// The next record starts another file, which states everything again.
    pub(super) fn leave_file(&mut self) {
        if self.file.take().is_some() {
            self.generation += 1;
        }
        for tag in self.tags.values_mut() {
            tag.stated = false;
        }
    }

    /// After a rewind no process has written anything.
    pub(super) fn forget_writers(&mut self) {
        for tag in self.tags.values_mut() {
            tag.writer = LastWriter::default();
        }
        self.writer_before = None;
    }

    fn key(&self) -> String {
        self.key_of(self.generation)
    }

    pub(super) fn key_of(&self, generation: u32) -> String {
        format!("{}#{generation}", self.name)
    }

    pub(super) fn save(&self) -> SavedRun {
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
            last: self.last,
            resuming: self.resuming,
        }
    }

    /// A run whose file was deleted or cut meanwhile starts another one, which states everything again.
    pub(super) fn restore(saved: SavedRun, files: &FileSet) -> Self {
        let mut run = Self::new(saved.name, saved.generation);
        run.file = files.find(&run.key());
        if saved.written && run.file.is_none() {
            run.generation += 1;
        }
        let has_file = run.file.is_some();
        let tags = saved.tags.into_iter().map(|(tag, kind, stated)| {
            let stated = stated && has_file;
            let writer = LastWriter::default();
            (tag, Tag { kind, stated, writer })
        });
        run.tags = tags.collect();
        (run.last, run.resuming) = (saved.last, saved.resuming);
        run
    }
}
