//! `tensorplex export`: scalars at full resolution, for other programs.

use std::fs::File;
use std::io::{BufWriter, IsTerminal, Write};
use std::path::PathBuf;

use tensorplex::logdir::{self, ExportError, Exported, Format, Pattern, Select, natural_order};

use crate::exit::{FINDINGS, INCOMPLETE, SUCCESS, report_left_out, report_unmatched};
use crate::terminal::ProgressBar;
use crate::units::count;

/// Write all scalars of a log directory as CSV, JSON or Parquet
///
/// Exports every point, where TensorBoard shows a sample. DIR may come from any writer of event
/// files. Runs and tags have the names that TensorBoard shows.
///
/// Numbers have the fewest digits that read back as the same number. Text formats write NaN,
/// Infinity and -Infinity, JSON as strings; Parquet holds the numbers themselves.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Patterns:
  *      any text, also across /
  ?      one character
  [abc]  one of these characters

Exit status:
  0  everything exported
  1  damaged records left out
  2  not done
  3  something cannot be read and was left out, or a pattern matches nothing

Examples:
  tensorplex export runs/ > scalars.csv
  tensorplex export runs/ --run 'agent/*' --format jsonl | jq .value
  tensorplex export runs/ --format json --output scalars.json
  tensorplex export runs/ --format parquet --output scalars.parquet")]
pub struct Export {
    /// Log directory to export
    #[arg(value_name = "DIR")]
    logdir: PathBuf,
    /// Only runs that match; repeat for several patterns
    #[arg(long, value_name = "PATTERN")]
    run: Vec<Pattern>,
    /// Only tags that match; repeat for several patterns
    #[arg(long, value_name = "PATTERN")]
    tag: Vec<Pattern>,
    /// Output format
    #[arg(long, value_enum, default_value_t = FormatOption::Csv)]
    format: FormatOption,
    /// Write to FILE instead of standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Include superseded points
    ///
    /// A restarted run supersedes its old points from the step on at which it continues.
    /// TensorBoard hides them.
    #[arg(long)]
    purged: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum FormatOption {
    /// Columns run,tag,step,wall_time,value
    Csv,
    /// One JSON object per point, with the columns of csv as keys
    Jsonl,
    /// One JSON object: run, tag, list of [wall_time, step, value]
    Json,
    /// Columns of csv, typed; not written to a terminal
    Parquet,
}

/// Nothing, or not everything, could be exported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportFailed {
    /// The output file cannot be created.
    #[error("{path}: {error}")]
    Create {
        /// Output file.
        path: PathBuf,
        /// Error of the system.
        error: std::io::Error,
    },
    /// Parquet is binary, and standard output is a terminal.
    #[error("Parquet is not written to a terminal: use --output FILE, or a pipe")]
    Terminal,
    /// The program was built without the feature `parquet`.
    #[error(
        "this tensorplex was built without Parquet: use --format csv, or rebuild it with \
         `cargo build --release -p tensorplex-bin --features parquet`"
    )]
    NoParquet,
    /// The export failed.
    #[error(transparent)]
    Export(#[from] ExportError),
}

impl Export {
    /// Exports the scalars, and reports on standard error what was left out.
    ///
    /// # Errors
    /// Fails when the directory cannot be read, or the output cannot be written.
    pub fn run(&self) -> Result<u8, ExportFailed> {
        let format = self.format.resolve()?;
        let exported = match &self.output {
            None if self.format == FormatOption::Parquet && std::io::stdout().is_terminal() => {
                return Err(ExportFailed::Terminal);
            }
            None => self.write(format, std::io::stdout())?,
            Some(path) => {
                let file = File::create(path).map_err(|error| ExportFailed::Create {
                    path: path.clone(),
                    error,
                })?;
                self.write(format, file)?
            }
        };
        report(&exported);
        let mut tags: Vec<String> = exported.tags.iter().cloned().collect();
        tags.sort_by(|a, b| natural_order(a, b));
        // Without a run there is no tag to compare with.
        let unmatched = match exported.tags.is_empty() {
            true => Vec::new(),
            false => Pattern::unmatched(&self.tag, &tags),
        };
        report_unmatched("export", ["tag", "tags"], &unmatched, &tags);
        let has_typo = !exported.unmatched.is_empty() || !unmatched.is_empty();
        let is_incomplete = has_typo || !exported.left_out.is_empty();
        Ok(match exported.is_complete() {
            _ if is_incomplete => INCOMPLETE,
            true => SUCCESS,
            false => FINDINGS,
        })
    }

    fn write(&self, format: Format, out: impl Write + Send) -> Result<Exported, ExportError> {
        let select = Select {
            runs: self.run.clone(),
            tags: self.tag.clone(),
            purged: self.purged,
        };
        let mut progress = ProgressBar::start();
        let mut out = BufWriter::with_capacity(1 << 18, out);
        let exported = logdir::export(&self.logdir, &select, format, &mut out, &mut |bytes, total| {
            progress.advance(bytes, total);
        });
        progress.clear();
        exported
    }
}

impl FormatOption {
    fn resolve(self) -> Result<Format, ExportFailed> {
        match self {
            Self::Csv => Ok(Format::Csv),
            Self::Jsonl => Ok(Format::JsonLines),
            Self::Json => Ok(Format::Json),
            #[cfg(feature = "parquet")]
            Self::Parquet => Ok(Format::Parquet),
            #[cfg(not(feature = "parquet"))]
            Self::Parquet => Err(ExportFailed::NoParquet),
        }
    }
}

fn report(exported: &Exported) {
    report_left_out("export", &exported.left_out);
    report_unmatched("export", ["run", "runs"], &exported.unmatched, &exported.names);
    for (path, damage) in &exported.damage {
        eprintln!("tensorplex export: {}: {damage}", path.display());
    }
    if exported.damaged > 0 {
        eprintln!(
            "tensorplex export: left out {}; see tensorplex doctor",
            count(exported.damaged, "damaged record")
        );
    }
    if exported.odd > 0 {
        eprintln!(
            "tensorplex export: left out {} of scalar tags, not a number",
            count(exported.odd, "value")
        );
    }
    if exported.purged > 0 {
        eprintln!(
            "tensorplex export: left out {}; --purged includes them",
            count(exported.purged, "superseded point")
        );
    }
}

#[cfg(all(test, not(feature = "parquet")))]
mod tests {
    use super::*;

    #[test]
    fn parquet_without_its_feature_is_an_error_that_names_the_remedy() {
        let error = FormatOption::Parquet.resolve().unwrap_err().to_string();
        assert!(
            error.contains("--features parquet") && error.contains("--format csv"),
            "{error}"
        );
    }
}
