//! `tensorplex export`: scalars at full resolution, for other programs.

use std::fs::File;
use std::io::{BufWriter, IsTerminal, Write};
use std::path::PathBuf;

use tensorplex::logdir::{self, ExportError, Exported, Format, Pattern, Select};

use crate::exit::{FINE, FOUND};
use crate::terminal::Progress;

/// Write every scalar of a log directory as CSV, JSON or Parquet: TensorBoard itself gives a sample
#[derive(clap::Args, Debug)]
#[command(after_help = "\
The directory may be of any writer; runs and tags are named as in TensorBoard. A pattern knows *, ? and [abc], and * matches
/ too. A value has the fewest digits that read back as the same number.

Formats:
  csv     run,tag,step,wall_time,value
  jsonl   {\"run\":\"agent/0\",\"tag\":\"loss\",\"step\":10,\"wall_time\":1700000000.5,\"value\":0.5}
  json    {\"agent/0\": {\"loss\": [[1700000000.5, 10, 0.5], ...]}}, as export_json of the original Tensorplex
  parquet the columns of csv: run and tag as strings, step as int64, wall_time and value as doubles
NaN and the infinities are NaN, Infinity and -Infinity; in JSON as strings. Parquet has the numbers themselves, those of 32 bits
widened, and is not written to a terminal.

Exit code: 0 when all was exported, 1 when damaged records were left out, 2 when it could not be done.

Examples:
  tensorplex export runs/ > scalars.csv
  tensorplex export runs/ --run 'agent/*' --tag '*loss*' --format jsonl | jq .value
  tensorplex export runs/ --format json --output scalars.json
  tensorplex export runs/ --format parquet --output scalars.parquet")]
pub struct Export {
    /// Log directory
    #[arg(value_name = "DIR")]
    logdir: PathBuf,
    /// Only runs that match one of these patterns
    #[arg(long, value_name = "PATTERN")]
    run: Vec<Pattern>,
    /// Only tags that match one of these patterns
    #[arg(long, value_name = "PATTERN")]
    tag: Vec<Pattern>,
    /// How to write them
    #[arg(long, value_enum, default_value_t = Output::Csv)]
    format: Output,
    /// File to write instead of standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Also points that count no more, because a later file of their run goes on from an earlier step
    #[arg(long)]
    purged: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Output {
    Csv,
    Jsonl,
    Json,
    Parquet,
}

/// Nothing, or not everything, could be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportFailed {
    /// The file to write cannot be made.
    #[error("{path}: {error}")]
    Create {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The output is for programs only.
    #[error("Parquet is not for a terminal: use --output FILE, or a pipe")]
    Terminal,
    /// Anything else.
    #[error(transparent)]
    Export(#[from] ExportError),
}

impl Export {
    /// Exports, and says on standard error what was left out.
    ///
    /// # Errors
    /// When the directory cannot be read or the output cannot be written.
    pub fn run(&self) -> Result<u8, ExportFailed> {
        let exported = match &self.output {
            None if matches!(self.format, Output::Parquet) && std::io::stdout().is_terminal() => {
                return Err(ExportFailed::Terminal);
            }
            None => self.write(std::io::stdout())?,
            Some(path) => {
                let file = File::create(path).map_err(|error| ExportFailed::Create {
                    path: path.clone(),
                    error,
                })?;
                self.write(file)?
            }
        };
        report(&exported);
        Ok(if exported.is_complete() { FINE } else { FOUND })
    }

    fn write(&self, out: impl Write + Send) -> Result<Exported, ExportError> {
        let format = match self.format {
            Output::Csv => Format::Csv,
            Output::Jsonl => Format::JsonLines,
            Output::Json => Format::Json,
            Output::Parquet => Format::Parquet,
        };
        let select = Select {
            runs: self.run.clone(),
            tags: self.tag.clone(),
            purged: self.purged,
        };
        let mut progress = Progress::start();
        let mut out = BufWriter::with_capacity(1 << 18, out);
        let exported = logdir::export(&self.logdir, &select, format, &mut out, &mut |bytes, all| {
            progress.add(bytes, all);
        });
        progress.end();
        exported
    }
}

fn report(exported: &Exported) {
    for (path, damage) in &exported.damage {
        eprintln!("tensorplex export: {}: {damage}", path.display());
    }
    if exported.damaged > 0 {
        eprintln!(
            "tensorplex export: {} damaged records left out; tensorplex doctor tells more",
            exported.damaged
        );
    }
    if exported.odd > 0 {
        eprintln!(
            "tensorplex export: {} values of scalar tags are no number",
            exported.odd
        );
    }
    if exported.purged > 0 {
        eprintln!(
            "tensorplex export: {} points left out that count no more; --purged has them too",
            exported.purged
        );
    }
}
