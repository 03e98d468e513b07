//! Every scalar of a run, in the order of writing.
//!
//! ```text
//! simple_value                      a scalar
//! tensor of plugin scalars          one number of any type, whatever TensorBoard's data server thinks of it
//! steps from a later file's START   count no more; they are left out, as in TensorBoard, unless they are wanted
//! a tag's first value in a file     left out when it only states the last one of the file before again
//! ```

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use super::pattern::Pattern;

use super::events::{ReadSummary, read_events};
use super::files::RunFiles;
use crate::tfevents::messages::SessionStatus;
use crate::tfevents::{DatumView, EventView, Number, PayloadView, ValueView};

/// Most bytes that the names of the tags of one run may take: 64 MiB.
pub const MAX_TAGS: usize = 64 << 20;
/// Approximate overhead per name, in bytes.
const TAG: usize = 128;

/// One point of a curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScalarPoint<'a> {
    /// The run.
    pub run: &'a str,
    /// The series.
    pub tag: &'a str,
    /// The global step.
    pub step: i64,
    /// Seconds since 1970.
    pub wall_time: f64,
    /// The value.
    pub value: Number,
}

/// Which scalars are wanted.
#[derive(Clone, Debug, Default)]
pub struct Select {
    /// Runs that match one of these, or all when there are none.
    pub runs: Vec<Pattern>,
    /// Tags that match one of these, or all when there are none.
    pub tags: Vec<Pattern>,
    /// Everything that was ever written: also points that count no more, because a later file of their run goes on from
    /// an earlier step, and those that it states again.
    pub purged: bool,
}

impl Select {
    /// True if the run is selected.
    pub fn has_run(&self, run: &str) -> bool {
        matches(&self.runs, run)
    }

    /// True if the tag is selected.
    pub fn has_tag(&self, tag: &str) -> bool {
        matches(&self.tags, tag)
    }
}

fn matches(patterns: &[Pattern], name: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(name))
}

/// A run could not be read to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScalarError {
    /// A file cannot be read.
    #[error("{path}: {error}")]
    File {
        /// Which.
        path: PathBuf,
        /// Error of the operating system.
        error: io::Error,
    },
    /// The receiver of the points failed.
    #[error(transparent)]
    Sink(io::Error),
    /// The names of the tags of a run take more than [`MAX_TAGS`].
    #[error("run {run:?} has too many tags: their names take more than {MAX_TAGS} bytes")]
    ManyTags {
        /// The run.
        run: String,
    },
}

/// Error inside a file; the caller adds the name of the file.
enum Inside {
    Io(io::Error),
    Stop(ScalarError),
    /// The beginning of a file has been seen.
    HeadIsOver,
}

impl From<io::Error> for Inside {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The scalars of one run.
#[derive(Debug)]
pub struct ScalarReader<'a> {
    run: &'a RunFiles,
    /// Purge step of each file, if it has one: its points from that step on are void.
    limits: Vec<Option<i64>>,
    /// Points that were left out because they count no more.
    pub purged: u64,
    /// Values in a tag of scalars that are no number, or cannot be read.
    pub odd: u64,
    /// Names of the run's tags of all kinds, after the points were read.
    pub tags: Vec<String>,
}

/// State of one tag.
#[derive(Default)]
struct Tag {
    wanted: bool,
    /// True if the metadata of the first value says so.
    scalars: bool,
    /// The last point: its file, step, time and value.
    last: Option<(usize, i64, u64, u64)>,
}

impl<'a> ScalarReader<'a> {
    /// Looks at the beginning of the run's files.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub fn of(run: &'a RunFiles, select: &Select) -> Result<Self, ScalarError> {
        let mut limits = Vec::new();
        let mut limit: Option<i64> = None;
        for path in run.files.iter().rev() {
            limits.push(limit);
            if !select.purged {
                limit = limit.into_iter().chain(start_of(path)?).min();
            }
        }
        limits.reverse();
        Ok(Self {
            run,
            limits,
            purged: 0,
            odd: 0,
            tags: Vec::new(),
        })
    }

    /// Calls `see` with every point that is wanted, and `read` with the bytes of every record; returns how each file was.
    ///
    /// # Errors
    /// When a file cannot be read, there are too many tags, or `see` fails.
    pub fn each(
        &mut self,
        select: &Select,
        read: &mut dyn FnMut(u64),
        mut see: impl FnMut(ScalarPoint<'_>) -> io::Result<()>,
    ) -> Result<Vec<ReadSummary>, ScalarError> {
        let run = self.run;
        let mut tags = Tags::default();
        let mut seen = Vec::new();
        for (file, path) in run.files.iter().enumerate() {
            let ended = read_events(path, |event, bytes| {
                read(bytes);
                self.event(event, file, &mut tags, select, &mut see)
            });
            seen.push(in_file(path, ended)?);
        }
        self.tags = tags.by_name.into_keys().collect();
        Ok(seen)
    }

    fn event(
        &mut self,
        event: &EventView<'_>,
        file: usize,
        tags: &mut Tags,
        select: &Select,
        see: &mut impl FnMut(ScalarPoint<'_>) -> io::Result<()>,
    ) -> Result<(), Inside> {
        let PayloadView::Summary(summary) = &event.content else {
            return Ok(());
        };
        for value in summary.values() {
            let Ok(value) = value else {
                self.odd += 1;
                continue;
            };
            let Some(tag) = tags.find_or_add(&value, select) else {
                let run = self.run.name.clone();
                return Err(Inside::Stop(ScalarError::ManyTags { run }));
            };
            let number = match value.datum {
                _ if !tag.wanted => continue,
                Some(DatumView::Simple(number)) => Number::Single(number),
                Some(DatumView::Tensor(tensor)) if tag.scalars => match tensor.number() {
                    Some(number) => number,
                    None => {
                        self.odd += 1;
                        continue;
                    }
                },
                _ => continue,
            };
            if self.limits[file].is_some_and(|limit| event.step >= limit) {
                self.purged += 1;
                continue;
            }
            if !select.purged && tag.states_again(file, event, number) {
                continue;
            }
            let point = ScalarPoint {
                run: &self.run.name,
                tag: value.tag,
                step: event.step,
                wall_time: event.wall_time,
                value: number,
            };
            see(point).map_err(|error| Inside::Stop(ScalarError::Sink(error)))?;
        }
        Ok(())
    }
}

#[derive(Default)]
struct Tags {
    by_name: HashMap<String, Tag>,
    bytes: usize,
}

impl Tags {
    /// `None` when there are too many.
    fn find_or_add(&mut self, value: &ValueView<'_>, select: &Select) -> Option<&mut Tag> {
        if !self.by_name.contains_key(value.tag) {
            self.bytes += value.tag.len() + TAG;
            if self.bytes > MAX_TAGS {
                return None;
            }
            let wanted = select.has_tag(value.tag);
            let tag = Tag {
                wanted,
                ..Tag::default()
            };
            self.by_name.insert(value.tag.to_owned(), tag);
        }
        let tag = self.by_name.get_mut(value.tag)?;
        tag.scalars |= value
            .metadata
            .is_some_and(|metadata| metadata.plugin == "scalars");
        Some(tag)
    }
}

impl Tag {
    /// True if this point repeats the last one of the file before; remembers it as the last one.
    fn states_again(&mut self, file: usize, event: &EventView<'_>, value: Number) -> bool {
        let (time, value) = (event.wall_time.to_bits(), value.as_f64().to_bits());
        let last = self.last.replace((file, event.step, time, value));
        last.is_some_and(|(before, step, ..)| before < file && step == event.step)
            && last.map(|(_, _, time, value)| (time, value)) == Some((time, value))
    }
}

/// The lowest step of a START before the first values of a file, if there is one.
fn start_of(path: &Path) -> Result<Option<i64>, ScalarError> {
    let mut start: Option<i64> = None;
    let head = read_events(path, |event, _| match event.content {
        PayloadView::Summary(_) => Err(Inside::HeadIsOver),
        PayloadView::Session(SessionStatus::Start) => {
            start = Some(start.map_or(event.step, |start| start.min(event.step)));
            Ok(())
        }
        _ => Ok(()),
    });
    match head {
        Err(Inside::HeadIsOver) => {}
        other => drop(in_file(path, other)?),
    }
    Ok(start)
}

fn in_file(path: &Path, ended: Result<ReadSummary, Inside>) -> Result<ReadSummary, ScalarError> {
    let path = path.to_owned();
    match ended {
        Ok(seen) => Ok(seen),
        Err(Inside::Io(error)) => Err(ScalarError::File { path, error }),
        Err(Inside::Stop(error)) => Err(error),
        Err(Inside::HeadIsOver) => Ok(ReadSummary::default()),
    }
}
