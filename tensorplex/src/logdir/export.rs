//! ScalarReader for other programs.
//!
//! ```text
//! csv     run,tag,step,wall_time,value                    a header, then one line per point
//! jsonl   {"run":…,"tag":…,"step":…,"wall_time":…,"value":…}
//! json    {run: {tag: [[wall_time, step, value], …]}}     as the original Tensorplex's export_json has it
//! parquet the columns of csv; see `table`
//! ```
//!
//! A value has the fewest digits that read back as the same number. What JSON cannot express is a string: "NaN", "Infinity",
//! "-Infinity", as in TensorBoard's own export.
//!
//! The lines stream. The document is ordered by tag, files are not: as many tags as fit into [`BATCH`] points are
//! collected at once, in several passes over the run when they do not all fit; a tag that does not fit streams alone.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::Path;

use super::Pattern;
use super::events::Damage;
use super::files::{FindError, LeftOut, RunFiles, find_runs};
use super::scalars::{ScalarError, ScalarPoint, ScalarReader, Select};
use crate::tfevents::Number;

/// Points of one run that are held at once: 64 MiB of them.
const BATCH: u64 = 2 << 20;

/// Output format of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values.
    Csv,
    /// One JSON object a line.
    JsonLines,
    /// One JSON document.
    Json,
    /// A Parquet file with the columns of [`Csv`](Self::Csv).
    #[cfg(feature = "parquet")]
    Parquet,
}

/// Report of an export.
#[derive(Debug, Default)]
pub struct Exported {
    /// Runs with points.
    pub runs: u64,
    /// Points written.
    pub points: u64,
    /// Points that count no more: a later file of their run goes on from an earlier step.
    pub purged: u64,
    /// Values of scalar tags that are no number.
    pub odd: u64,
    /// Records that are damaged.
    pub damaged: u64,
    /// The files with damage, and what was wrong first.
    pub damage: Vec<(std::path::PathBuf, Damage)>,
    /// Entries of the directory that cannot be read.
    pub left_out: Vec<LeftOut>,
    /// Patterns of runs that no run matches.
    pub unmatched: Vec<Pattern>,
    /// Names of all runs in the directory, in natural order.
    pub names: Vec<String>,
    /// Names of all tags of the selected runs; empty when all tags are selected.
    pub tags: BTreeSet<String>,
}

impl Exported {
    /// True if every record could be read.
    pub fn is_complete(&self) -> bool {
        self.damaged + self.odd == 0
    }
}

/// Nothing, or not everything, could be exported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The log directory cannot be read.
    #[error(transparent)]
    Find(#[from] FindError),
    /// A run cannot be read.
    #[error(transparent)]
    Run(ScalarError),
    /// The output cannot be written.
    #[error("the output cannot be written: {0}")]
    Output(#[from] io::Error),
}

impl From<ScalarError> for ExportError {
    fn from(error: ScalarError) -> Self {
        match error {
            ScalarError::Sink(error) => Self::Output(error),
            other => Self::Run(other),
        }
    }
}

/// Writes the scalars below `root` that are selected. `read` is told of bytes as they are read, and of how many there
/// are in the directory.
///
/// # Errors
/// When the directory itself cannot be read or the output cannot be written. Damaged records, and entries that cannot
/// be read, are left out and named.
pub fn export(
    root: &Path,
    select: &Select,
    format: Format,
    out: &mut (impl Write + Send),
    read: &mut dyn FnMut(u64, u64),
) -> Result<Exported, ExportError> {
    let found = find_runs(root)?;
    let mut runs = found.runs;
    let names: Vec<String> = runs.iter().map(|run| run.name.clone()).collect();
    let unmatched = Pattern::unmatched(&select.runs, &names);
    runs.retain(|run| select.has_run(&run.name));
    let all = runs.iter().map(|run| run.bytes).sum();
    let mut exporter = Exporter {
        select,
        out,
        read: &mut |bytes| read(bytes, all),
        exported: Exported {
            left_out: found.left_out,
            unmatched,
            names,
            ..Exported::default()
        },
    };
    match format {
        Format::Csv => exporter.lines(&runs, "run,tag,step,wall_time,value\n", csv_line)?,
        Format::JsonLines => exporter.lines(&runs, "", json_line)?,
        Format::Json => exporter.document(&runs)?,
        #[cfg(feature = "parquet")]
        Format::Parquet => exporter.table(&runs)?,
    }
    exporter.out.flush()?;
    Ok(exporter.exported)
}

/// Writes the scalars below `root` as one JSON document, `{run: {tag: [[wall_time, step, value], …]}}`.
///
/// # Errors
/// When the directory itself cannot be read or the output cannot be written. Damaged records, and entries that cannot
/// be read, are left out and named.
pub fn export_json(root: &Path, out: &mut (impl Write + Send)) -> Result<Exported, ExportError> {
    export(root, &Select::default(), Format::Json, out, &mut |_, _| {})
}

/// Reads all points of a run.
fn read_all<'a>(
    run: &'a RunFiles,
    select: &'a Select,
    read: &mut dyn FnMut(u64),
    point: impl FnMut(ScalarPoint<'_>) -> io::Result<()>,
) -> Result<(ScalarReader<'a>, Vec<super::ReadSummary>), ScalarError> {
    let mut scalars = ScalarReader::of(run, select)?;
    let files = scalars.each(select, read, point)?;
    Ok((scalars, files))
}

/// Writes to `out`: bytes, or the points of a table.
struct Exporter<'a, W> {
    select: &'a Select,
    out: &'a mut W,
    read: &'a mut dyn FnMut(u64),
    exported: Exported,
}

impl<W> Exporter<'_, W> {
    /// All points of a run.
    fn points(
        &mut self,
        run: &RunFiles,
        mut write: impl FnMut(&mut W, ScalarPoint<'_>) -> io::Result<()>,
    ) -> Result<(), ExportError> {
        let mut points = 0;
        let read = read_all(run, self.select, self.read, |point| {
            points += 1;
            write(self.out, point)
        });
        if let Some((scalars, files)) = self.unless_unreadable(read)? {
            self.count(run, points, &scalars, files);
        }
        Ok(())
    }

    /// Leaves a run out, or its rest, when one of its files cannot be read.
    fn unless_unreadable<T>(&mut self, read: Result<T, ScalarError>) -> Result<Option<T>, ExportError> {
        match read {
            Err(ScalarError::File { path, error }) => {
                self.exported.left_out.push(LeftOut::new(&path, error));
                Ok(None)
            }
            other => Ok(Some(other?)),
        }
    }

    fn count(
        &mut self,
        run: &RunFiles,
        points: u64,
        scalars: &ScalarReader<'_>,
        files: Vec<super::ReadSummary>,
    ) {
        self.exported.runs += u64::from(points > 0);
        self.exported.points += points;
        self.exported.purged += scalars.purged;
        self.exported.odd += scalars.odd;
        if !self.select.tags.is_empty() {
            self.exported.tags.extend(scalars.tags.iter().cloned());
        }
        for (path, seen) in run.files.iter().zip(files) {
            self.exported.damaged += seen.damaged;
            self.exported
                .damage
                .extend(seen.first.map(|damage| (path.clone(), damage)));
        }
    }
}

impl<W: Write> Exporter<'_, W> {
    fn lines(
        &mut self,
        runs: &[RunFiles],
        header: &str,
        line: fn(&mut W, ScalarPoint<'_>) -> io::Result<()>,
    ) -> Result<(), ExportError> {
        self.out.write_all(header.as_bytes())?;
        for run in runs {
            self.points(run, line)?;
        }
        Ok(())
    }

    #[cfg(feature = "parquet")]
    fn table(&mut self, runs: &[RunFiles]) -> Result<(), ExportError>
    where
        W: Send,
    {
        let Self { select, exported, .. } = self;
        let mut table = super::table::Table::begin(&mut *self.out)?;
        let mut exporter = Exporter {
            select,
            out: &mut table,
            read: &mut *self.read,
            exported: std::mem::take(exported),
        };
        for run in runs {
            exporter.points(run, |table, point| table.add(point))?;
        }
        self.exported = exporter.exported;
        Ok(table.end()?)
    }

    fn document(&mut self, runs: &[RunFiles]) -> Result<(), ExportError> {
        self.out.write_all(b"{")?;
        let mut comma = "\n";
        for run in runs {
            let mut sizes: BTreeMap<String, u64> = BTreeMap::new();
            let read = read_all(run, self.select, self.read, |point| {
                match sizes.get_mut(point.tag) {
                    Some(size) => *size += 1,
                    None => drop(sizes.insert(point.tag.to_owned(), 1)),
                }
                Ok(())
            });
            let Some((scalars, files)) = self.unless_unreadable(read)? else {
                continue;
            };
            self.count(run, sizes.values().sum(), &scalars, files);
            if !sizes.is_empty() {
                self.out.write_all(comma.as_bytes())?;
                comma = ",\n";
                self.run(run, &sizes)?;
            }
        }
        self.out.write_all(b"\n}\n")?;
        Ok(())
    }

    fn run(&mut self, run: &RunFiles, sizes: &BTreeMap<String, u64>) -> Result<(), ExportError> {
        json_string(self.out, &run.name)?;
        self.out.write_all(b": {")?;
        let mut comma = "\n  ";
        let mut rest = sizes.iter().peekable();
        while let Some((first, &size)) = rest.next() {
            let mut batch = BTreeSet::from([&first[..]]);
            let mut points = size;
            while let Some((tag, size)) = rest.next_if(|(_, size)| points + **size <= BATCH) {
                points += size;
                batch.insert(tag);
            }
            self.tags(run, &batch, points <= BATCH, &mut comma)?;
        }
        self.out.write_all(b"\n}")?;
        Ok(())
    }

    /// One pass over a run, for some of its tags; one that is not to be collected comes alone.
    fn tags(
        &mut self,
        run: &RunFiles,
        batch: &BTreeSet<&str>,
        collect: bool,
        comma: &mut &str,
    ) -> Result<(), ExportError> {
        let mut scalars = ScalarReader::of(run, self.select)?;
        if collect {
            let mut points: BTreeMap<&str, Vec<(f64, i64, Number)>> = BTreeMap::new();
            scalars.each(self.select, &mut |_| {}, |point| {
                if let Some(tag) = batch.get(point.tag) {
                    let point = (point.wall_time, point.step, point.value);
                    points.entry(tag).or_default().push(point);
                }
                Ok(())
            })?;
            for (tag, points) in points {
                self.begin_tag(tag, comma)?;
                let mut comma = "";
                for point in points {
                    self.out.write_all(comma.as_bytes())?;
                    json_point(self.out, point)?;
                    comma = ", ";
                }
                self.out.write_all(b"]")?;
            }
            return Ok(());
        }
        for tag in batch {
            self.begin_tag(tag, comma)?;
            let mut comma = "";
            scalars.each(self.select, &mut |_| {}, |point| {
                if point.tag != *tag {
                    return Ok(());
                }
                self.out.write_all(comma.as_bytes())?;
                comma = ", ";
                json_point(self.out, (point.wall_time, point.step, point.value))
            })?;
            self.out.write_all(b"]")?;
        }
        Ok(())
    }

    fn begin_tag(&mut self, tag: &str, comma: &mut &str) -> io::Result<()> {
        self.out.write_all(comma.as_bytes())?;
        *comma = ",\n  ";
        json_string(self.out, tag)?;
        self.out.write_all(b": [")
    }
}

fn csv_line<W: Write>(out: &mut W, point: ScalarPoint<'_>) -> io::Result<()> {
    csv_field(out, point.run)?;
    out.write_all(b",")?;
    csv_field(out, point.tag)?;
    let time = Number::Double(point.wall_time);
    writeln!(out, ",{},{time},{}", point.step, point.value)
}

fn csv_field(out: &mut impl Write, text: &str) -> io::Result<()> {
    if text.contains(['"', ',', '\n', '\r']) {
        return write!(out, "\"{}\"", text.replace('"', "\"\""));
    }
    out.write_all(text.as_bytes())
}

fn json_line<W: Write>(out: &mut W, point: ScalarPoint<'_>) -> io::Result<()> {
    out.write_all(b"{\"run\":")?;
    json_string(out, point.run)?;
    out.write_all(b",\"tag\":")?;
    json_string(out, point.tag)?;
    write!(out, ",\"step\":{},\"wall_time\":", point.step)?;
    json_number(out, Number::Double(point.wall_time))?;
    out.write_all(b",\"value\":")?;
    json_number(out, point.value)?;
    out.write_all(b"}\n")
}

fn json_point(out: &mut impl Write, (time, step, value): (f64, i64, Number)) -> io::Result<()> {
    out.write_all(b"[")?;
    json_number(out, Number::Double(time))?;
    write!(out, ", {step}, ")?;
    json_number(out, value)?;
    out.write_all(b"]")
}

fn json_number(out: &mut impl Write, number: Number) -> io::Result<()> {
    match number.as_f64().is_finite() {
        true => write!(out, "{number}"),
        false => write!(out, "\"{number}\""),
    }
}

fn json_string(out: &mut impl Write, text: &str) -> io::Result<()> {
    Ok(serde_json::to_writer(out, text)?)
}
