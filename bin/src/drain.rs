//! `tensorplex drain`: delivers the spools of killed workers.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use remotecall::{DrainError, DrainOutcome, Drained};

use crate::credentials::CredentialOptions;
use crate::endpoint::ENVIRONMENT;
use crate::exit::{FINDINGS, SUCCESS};
use crate::units::{count, parse_duration};

/// Deliver the spools that killed workers left behind
///
/// Delivers every spool below DIR once, to the broker that its worker used, or to --redis. Spools
/// do not store passwords, so name a broker that needs one. The server drops duplicates of what it
/// already has. Spools of running workers are skipped. Prints one line per spool with its outcome.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Exit status:
  0  every spool is delivered, or its worker still runs
  1  something is left over or unreadable
  2  not done

Examples:
  tensorplex drain /var/tmp/spool
  tensorplex drain /var/tmp/spool --redis redis.example:6379 --timeout 5m")]
pub struct Drain {
    /// Spool directory of the workers
    dir: PathBuf,
    /// Broker address, instead of the address that each worker used
    #[arg(long, value_name = "ADDR", env = "TENSORPLEX_URL", hide_env_values = true)]
    redis: Option<String>,
    #[command(flatten)]
    credentials: CredentialOptions,
    /// Time limit for all spools together
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_duration)]
    timeout: Duration,
}

/// Nothing was delivered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DrainFailed {
    /// The directory cannot be read. A missing one is an error, because its name may be mistyped.
    #[error("{}: {error}", dir.display())]
    Directory {
        /// Spool directory.
        dir: PathBuf,
        /// Error of the system.
        error: io::Error,
    },
    /// The spools cannot be delivered.
    #[error(transparent)]
    Drain(#[from] DrainError),
    /// The output cannot be written.
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
}

impl Drain {
    /// Delivers the spools, and prints a line for each.
    ///
    /// # Errors
    /// Fails when the directory or the address cannot be used, or the output cannot be written.
    pub fn run(&self) -> Result<u8, DrainFailed> {
        std::fs::read_dir(&self.dir).map_err(|error| DrainFailed::Directory {
            dir: self.dir.clone(),
            error,
        })?;
        let (mut code, mut printed) = (SUCCESS, Ok(()));
        let address = self.redis.as_ref().map(|address| self.credentials.apply(address));
        let mut report = |drained: &Drained| {
            if !drained.is_done() {
                code = FINDINGS;
            }
            if printed.is_ok() {
                printed = writeln!(io::stdout(), "{}", outcome_line(drained));
            }
        };
        remotecall::drain(
            &self.dir,
            address.as_deref(),
            &ENVIRONMENT,
            self.timeout,
            &mut report,
        )?;
        printed?;
        Ok(code)
    }
}

fn outcome_line(drained: &Drained) -> String {
    let path = drained.path.display();
    let spool = match &drained.owner {
        Some((queue, client_id)) => format!("{path} ({client_id}, queue {queue})"),
        None => path.to_string(),
    };
    match &drained.outcome {
        DrainOutcome::Delivered { calls } => format!("{spool}: {} delivered", count(*calls, "call")),
        DrainOutcome::InUse => format!("{spool}: in use"),
        DrainOutcome::Outstanding { calls, outstanding } => {
            let calls = count(*calls, "call");
            format!("{spool}: {calls} delivered, {outstanding} not acknowledged in time")
        }
        DrainOutcome::Damaged { calls, bytes, aside } => format!(
            "{spool}: {} delivered, {} unreadable; moved to {}",
            count(*calls, "call"),
            count(*bytes, "byte"),
            aside.display()
        ),
        DrainOutcome::Refused(error) => format!("{spool}: {error}"),
    }
}
