//! `tensorplex drain`: delivers what killed workers have left in their spools.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use remotecall::{DrainError, DrainOutcome, Drained};

use crate::broker_files::BrokerFiles;
use crate::client_options::{ENVIRONMENT, duration};
use crate::exit::{FINE, FOUND};

/// Deliver what workers that were killed have left in their spools; exit 0 only when nothing of it is left
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Every spool below DIR is delivered once, to the broker that its worker used, unless --redis names another; a broker that
wants a password has to be named. What the server has already is not logged twice. Spools of workers that run are theirs:
they are passed over, and no reason for another exit code. One line per spool says what became of it.

Exit codes: 0 nothing is left; 1 something is left, or could not be read; 2 nothing was done, wrong options.

Examples:
  tensorplex drain /var/tmp/spool
  tensorplex drain /var/tmp/spool --redis redis.example:6379 --timeout 5m")]
pub struct Drain {
    /// Directory that workers were given as their spool
    dir: PathBuf,
    /// Broker address, instead of the one that each worker used
    #[arg(long, value_name = "ADDR", env = "TENSORPLEX_URL", hide_env_values = true)]
    redis: Option<String>,
    #[command(flatten)]
    files: BrokerFiles,
    /// How long to wait for the server, for all spools together
    #[arg(long, default_value = "30s", value_parser = duration)]
    timeout: Duration,
}

/// Nothing was delivered.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A directory that is not there may be a mistyped one.
    #[error("{}: {error}", dir.display())]
    Directory {
        /// Which.
        dir: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The spools cannot be delivered.
    #[error(transparent)]
    Drain(#[from] DrainError),
    /// Nobody can be told.
    #[error(transparent)]
    Output(#[from] io::Error),
}

impl Drain {
    /// Delivers, and prints a line per spool.
    ///
    /// # Errors
    /// When the directory or the address cannot be used.
    pub fn run(&self) -> Result<u8, RunError> {
        std::fs::read_dir(&self.dir).map_err(|error| RunError::Directory {
            dir: self.dir.clone(),
            error,
        })?;
        let (mut code, mut printed) = (FINE, Ok(()));
        let address = self.redis.as_ref().map(|address| self.files.apply(address));
        let mut report = |drained: &Drained| {
            if !drained.is_done() {
                code = FOUND;
            }
            if printed.is_ok() {
                printed = writeln!(io::stdout(), "{}", line(drained));
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

fn line(drained: &Drained) -> String {
    let path = drained.path.display();
    let whose = match &drained.owner {
        Some((queue, client_id)) => format!("{path} ({client_id}, queue {queue})"),
        None => path.to_string(),
    };
    match &drained.outcome {
        DrainOutcome::Delivered { calls } => format!("{whose}: {calls} calls delivered"),
        DrainOutcome::InUse => format!("{whose}: in use"),
        DrainOutcome::Outstanding { calls, outstanding } => {
            format!("{whose}: {calls} calls delivered, {outstanding} not acknowledged in time")
        }
        DrainOutcome::Damaged { calls, bytes, aside } => format!(
            "{whose}: {calls} calls delivered, {bytes} bytes cannot be read; it is {} now",
            aside.display()
        ),
        DrainOutcome::Refused(error) => format!("{whose}: {error}"),
    }
}
