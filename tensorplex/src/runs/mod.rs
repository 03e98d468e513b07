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
//! runs    MessagePack     [[name, generation, written, [[tag, kind, stated], …], last, resuming], …]
//! ```

mod records;
mod rewind;
mod run;
mod writers;

use std::collections::HashMap;
use std::io;
use std::path::Path;

use remotecall::{FileSet, ProducerId, rmp_serde};

use crate::tfevents::{Encoder, Point};
use crate::value::{RecordError, Value};
use run::{Run, SavedRun};
pub(crate) use writers::Overlap;
use writers::Writers;

/// Most bytes that the names of all runs and tags may take: 64 MiB.
///
/// Names come from clients and are kept as long as the server runs.
pub const MAX_NAMES: usize = 64 << 20;
/// Approximate overhead per name, in bytes.
const NAME: usize = 64;

/// Event files below one directory.
pub(crate) struct Runs {
    files: FileSet,
    runs: Vec<Run>,
    by_name: HashMap<String, usize>,
    /// Run of the last record: the next one is often of the same run.
    last: usize,
    names: usize,
    encoder: Encoder,
    has_neighbours: bool,
    writers: Writers,
    /// Process of the calls that follow: its id and the time of its call.
    caller: (Option<ProducerId>, i64),
}

impl Runs {
    /// Without a manifest, others may write into the same directories.
    pub fn open(root: &Path, manifest: Option<&Path>) -> io::Result<Self> {
        Ok(Self {
            files: FileSet::open(root, manifest)?,
            runs: Vec::new(),
            by_name: HashMap::new(),
            last: 0,
            names: 0,
            encoder: Encoder::default(),
            has_neighbours: manifest.is_none(),
            writers: Writers::default(),
            caller: (None, 0),
        })
    }

    /// Names the process whose call the next records are: its producer id, and the time of the call in nanoseconds.
    pub fn set_caller(&mut self, producer: Option<ProducerId>, time_ns: i64) {
        self.caller = (producer, time_ns);
    }

    /// Appends a record to a run. Nothing happens on disk before the next commit.
    ///
    /// Returns a finding if another process writes the tag too, once for each process.
    pub fn append(
        &mut self,
        run: &str,
        point: Point<'_>,
        value: Value<'_>,
    ) -> Result<Option<Overlap>, RecordError> {
        let at = self.find_or_add(run)?;
        if self.runs[at].notice(value.kind(), point.step) {
            self.rewind(run, (point.step, point.wall_time))?;
        }
        let (producer, time_ns) = self.caller;
        let by = (self.writers.number(producer, time_ns), point.step);
        let run = &mut self.runs[at];
        let metadata = run.state_tag(point.tag, value.kind(), by, &mut self.names)?;
        let out = run.file_for(point, &mut self.files)?;
        match value {
            Value::Scalar(value) => self.encoder.scalar(out, point, value)?,
            Value::Histogram(buckets) => self.encoder.histogram(out, point, buckets, metadata)?,
            Value::Text(text) => self.encoder.text(out, point, text, metadata)?,
        }
        if let Some(file) = run.file.filter(|_| out.len() >= FileSet::EARLY) {
            self.files.write_early(file);
        }
        Ok(self.judge(at, point.step))
    }

    /// Creates the file of a run with its version record, before any record. Nothing happens on disk before the next
    /// commit.
    pub fn start_file(&mut self, run: &str, wall_time: f64) -> Result<(), RecordError> {
        let at = self.find_or_add(run)?;
        let (tag, step) = ("", 0);
        self.runs[at].file_for(Point { tag, step, wall_time }, &mut self.files)?;
        Ok(())
    }

    fn judge(&mut self, run: usize, step: i64) -> Option<Overlap> {
        let before = self.runs[run].writer_before.take()?;
        let (producer, time_ns) = self.caller;
        self.writers.judge(producer, (step, time_ns), before)
    }

    fn find_or_add(&mut self, name: &str) -> Result<usize, RecordError> {
        if self.runs.get(self.last).is_some_and(|run| run.name == name) {
            return Ok(self.last);
        }
        if let Some(&at) = self.by_name.get(name) {
            self.last = at;
            return Ok(at);
        }
        take_room(&mut self.names, name)?;
        let mut run = Run::new(name.to_owned(), 0);
        run.has_neighbours = self.has_neighbours;
        Ok(self.add(run))
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

    pub fn wants_checkpoint(&self) -> bool {
        self.files.wants_checkpoint()
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

/// A part that is preceded by its length, and the rest.
pub(crate) fn split_state(state: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = state.split_first_chunk()?;
    rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)
}
