//! Options that every program that calls a server shares.

use std::path::PathBuf;
use std::time::Duration;

use remotecall::Environment;

use crate::broker_files::BrokerFiles;

/// Where a server without `--redis` listens.
pub const DEFAULT_ADDRESS: &str = "127.0.0.1:8008";

/// Variables with the credentials that an address does not name.
pub const ENVIRONMENT: Environment = Environment::with_prefix("TENSORPLEX");

/// Where the server is reached.
#[derive(clap::Args, Debug)]
pub struct Target {
    /// Broker address: the server's own (host:8008), or the Redis it reads from (host:port, redis://…, rediss://…, unix://…)
    #[arg(long, value_name = "ADDR", env = "TENSORPLEX_URL", default_value = DEFAULT_ADDRESS, hide_env_values = true)]
    redis: String,
    #[command(flatten)]
    files: BrokerFiles,
}

impl Target {
    /// The broker's address, with the files that were named.
    pub fn address(&self) -> String {
        self.files.apply(&self.redis)
    }
}

/// What survives a kill of the program that sends.
#[derive(clap::Args, Debug)]
pub struct Spooling {
    /// Keep what is not acknowledged in files below DIR too: after a kill, the next run with the same queue and client id,
    /// or `tensorplex drain DIR`, delivers it
    #[arg(long, value_name = "DIR", env = "TENSORPLEX_SPOOL")]
    pub spool: Option<PathBuf>,
}

/// Reads a time such as `30s`, `500ms`, `2m`, `1h`.
///
/// # Errors
/// When the text has another form.
pub fn duration(text: &str) -> Result<Duration, String> {
    let split = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let seconds = match unit {
        "ms" => 0.001,
        "s" | "" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("{unit:?} is not a unit of time: use ms, s, m or h")),
    };
    let number: f64 = number
        .parse()
        .map_err(|_| format!("{text:?} is not a time: write it like 30s"))?;
    Duration::try_from_secs_f64(number * seconds).map_err(|_| format!("{text:?} is too long a time"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        for (text, ms) in [
            ("30s", 30_000),
            ("500ms", 500),
            ("2m", 120_000),
            ("1h", 3_600_000),
            ("1.5s", 1_500),
            ("3", 3_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "s", "1 day", "-1s", "1e400s", "1.2.3s"] {
            assert!(duration(text).is_err(), "{text:?}");
        }
    }
}
