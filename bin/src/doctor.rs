//! `tensorplex doctor`: what is wrong with a log directory, and a copy without it.

use std::io::{self, Write};
use std::path::PathBuf;

use serde_json::{Value, json};
use tensorplex::doctor::{ExamineError, Finding, RepairError, Repaired, examine, repair};

use crate::exit::{FINE, FOUND};
use crate::terminal::{Progress, shown};

/// Find what TensorBoard's readers do not survive or show differently, and write a copy without it
#[derive(clap::Args, Debug)]
#[command(after_help = "\
The directory may be of any writer; it is never changed. With --repair every run with faults is written again, into one
event file; everything else is copied. Values keep their tags, steps and times, except where a remedy says otherwise.

Exit code: 0 when nothing is wrong, 1 when there are faults (with --repair: they are mended in the copy), 2 when it could
not be done.

Examples:
  tensorplex doctor runs/
  tensorplex doctor runs/ --repair runs-mended/ && echo nothing to mend
  tensorplex doctor runs/ --json | jq -r '.findings[].fault'")]
pub struct Doctor {
    /// Log directory
    #[arg(value_name = "DIR")]
    logdir: PathBuf,
    /// New directory for a mended copy
    #[arg(long, value_name = "COPY")]
    repair: Option<PathBuf>,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
}

/// The directory cannot be examined or repaired.
#[derive(Debug, thiserror::Error)]
pub enum DoctorError {
    /// It cannot be examined.
    #[error(transparent)]
    Examine(#[from] ExamineError),
    /// It cannot be repaired.
    #[error(transparent)]
    Repair(#[from] RepairError),
    /// The output cannot be written.
    #[error("the output cannot be written: {0}")]
    Output(#[from] io::Error),
}

impl Doctor {
    /// Examines, repairs where that is asked for, and prints what was found.
    ///
    /// # Errors
    /// When something cannot be read or written.
    pub fn run(&self) -> Result<u8, DoctorError> {
        let mut progress = Progress::start();
        let mut see = |bytes, all| progress.add(bytes, all);
        let (findings, repaired) = match &self.repair {
            None => (examine(&self.logdir, &mut see)?, None),
            Some(copy) => {
                let mut repaired = repair(&self.logdir, copy, &mut see)?;
                (std::mem::take(&mut repaired.findings), Some(repaired))
            }
        };
        progress.end();
        let mut out = io::stdout().lock();
        match self.json {
            true => writeln!(out, "{}", as_json(&findings, repaired.as_ref()))?,
            false => self.as_text(&mut out, &findings, repaired.as_ref())?,
        }
        Ok(if findings.is_empty() { FINE } else { FOUND })
    }

    fn as_text(
        &self,
        out: &mut impl Write,
        findings: &[Finding],
        repaired: Option<&Repaired>,
    ) -> io::Result<()> {
        for finding in findings {
            let (run, first) = (shown(&finding.run), shown(&finding.first));
            let count = match finding.count {
                1 => String::new(),
                count => format!(" ({count} times)"),
            };
            writeln!(out, "{run}: {}: {}{count}", finding.fault.name(), finding.fault)?;
            writeln!(out, "    first: {first}")?;
            writeln!(out, "    remedy: {}", finding.fault.remedy())?;
        }
        let dir = self.logdir.display();
        match (findings, repaired, &self.repair) {
            ([], ..) => writeln!(out, "{dir}: nothing is wrong"),
            (_, Some(repaired), Some(copy)) => writeln!(
                out,
                "{}: {} runs mended with {} values, {} copied; {} superseded points and {} unusable values left out",
                copy.display(),
                repaired.mended,
                repaired.values,
                repaired.copied,
                repaired.superseded,
                repaired.lost,
            ),
            _ => writeln!(
                out,
                "{dir}: {} faults; --repair COPY writes a copy without them",
                findings.len()
            ),
        }
    }
}

fn as_json(findings: &[Finding], repaired: Option<&Repaired>) -> Value {
    let finding = |finding: &Finding| {
        json!({
            "fault": finding.fault.name(), "run": finding.run, "first": finding.first, "count": finding.count,
            "meaning": finding.fault.to_string(), "remedy": finding.fault.remedy(),
        })
    };
    let repaired = repaired.map(|repaired| {
        json!({
            "mended": repaired.mended, "copied": repaired.copied, "values": repaired.values,
            "superseded": repaired.superseded, "lost": repaired.lost,
        })
    });
    json!({"findings": findings.iter().map(finding).collect::<Vec<_>>(), "repaired": repaired})
}
