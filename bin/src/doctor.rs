//! `tensorplex doctor`: checks a log directory, and writes a repaired copy.

use std::io::{self, Write};
use std::path::PathBuf;

use serde_json::{Value, json};
use tensorplex::doctor::{ExamineError, Examined, Finding, RepairError, Repaired, examine, repair};

use crate::exit::{FINDINGS, INCOMPLETE, SUCCESS, report_left_out};
use crate::terminal::{ProgressBar, escape};
use crate::units::count;

/// Find faults that make TensorBoard fail or show wrong points, and write a repaired copy
///
/// DIR may come from any writer of event files, and is never changed. With --repair, every run with
/// faults is rewritten into one event file, and everything else is copied. Values keep their tags,
/// steps and times, unless a remedy says otherwise.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Exit status:
  0  no faults
  1  faults found; with --repair, the copy has none of them
  2  not done
  3  something cannot be read and was left out

Examples:
  tensorplex doctor runs/
  tensorplex doctor runs/ --repair runs-fixed/ && echo no faults
  tensorplex doctor runs/ --json | jq -r '.findings[].fault'")]
pub struct Doctor {
    /// Log directory to check
    #[arg(value_name = "DIR")]
    logdir: PathBuf,
    /// Write a repaired copy into this new directory
    #[arg(long, value_name = "COPY")]
    repair: Option<PathBuf>,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

/// The directory cannot be checked or repaired.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DoctorError {
    /// The check failed.
    #[error(transparent)]
    Examine(#[from] ExamineError),
    /// The repair failed.
    #[error(transparent)]
    Repair(#[from] RepairError),
    /// The output cannot be written.
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
}

impl Doctor {
    /// Checks the directory, writes the copy if asked to, and prints the findings.
    ///
    /// # Errors
    /// Fails when something cannot be read or written.
    pub fn run(&self) -> Result<u8, DoctorError> {
        let mut progress = ProgressBar::start();
        let mut advance = |bytes, total| progress.advance(bytes, total);
        let (findings, left_out, repaired) = match &self.repair {
            None => {
                let Examined {
                    findings, left_out, ..
                } = examine(&self.logdir, &mut advance)?;
                (findings, left_out, None)
            }
            Some(copy) => {
                let mut repaired = repair(&self.logdir, copy, &mut advance)?;
                let findings = std::mem::take(&mut repaired.findings);
                (findings, std::mem::take(&mut repaired.left_out), Some(repaired))
            }
        };
        progress.clear();
        report_left_out("doctor", &left_out);
        let mut out = io::stdout().lock();
        if self.json {
            writeln!(out, "{}", as_json(&findings, repaired.as_ref()))?;
        } else {
            self.print_text(&mut out, &findings, repaired.as_ref())?;
        }
        Ok(match findings.is_empty() {
            _ if !left_out.is_empty() => INCOMPLETE,
            true => SUCCESS,
            false => FINDINGS,
        })
    }

    fn print_text(
        &self,
        out: &mut impl Write,
        findings: &[Finding],
        repaired: Option<&Repaired>,
    ) -> io::Result<()> {
        for finding in findings {
            let (run, first) = (escape(&finding.run), escape(&finding.first));
            let times = match finding.count {
                1 => String::new(),
                times => format!(" ({times} times)"),
            };
            writeln!(out, "{run}: {}: {}{times}", finding.fault.name(), finding.fault)?;
            writeln!(out, "    first: {first}")?;
            writeln!(out, "    remedy: {}", finding.fault.remedy())?;
        }
        let dir = self.logdir.display();
        match (findings, repaired, &self.repair) {
            ([], ..) => writeln!(out, "{dir}: no faults"),
            (_, Some(repaired), Some(copy)) => writeln!(
                out,
                "{}: {} repaired with {}, {} copied; left out {} and {}",
                copy.display(),
                count(repaired.mended, "run"),
                count(repaired.values, "value"),
                repaired.copied,
                count(repaired.superseded, "superseded point"),
                count(repaired.lost, "unusable value"),
            ),
            _ => writeln!(
                out,
                "{dir}: {}; --repair COPY writes a copy without faults",
                count(findings.len() as u64, "fault")
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
