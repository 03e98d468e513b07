//! Options of the log files.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use loggerplex::{Level, LineFormat, Loggerplex, Preamble, Rotation, TextFormat, TimeFormat, Zone};

/// How the log files of the workers look.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Log files")]
pub(super) struct LogOptions {
    /// Ignore log lines below this level: debug, info3, warning, … or a number
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    log_level: Level,
    /// Text lines in ID.log, or JSON lines in ID.jsonl
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Text)]
    log_format: Format,
    /// Time of text lines: yd, ydhm, ydhms, dhm, dhms, hms, hm, a strftime pattern, or none
    #[arg(long, value_name = "FORMAT", default_value = "hms", value_parser = time_format)]
    time_format: TimeChoice,
    /// Zone of that time: local, UTC, or a name such as Europe/Berlin
    #[arg(long, value_name = "ZONE", default_value = "local")]
    time_zone: Zone,
    /// What stands before the level instead of the time: '[{asctime}] {client_id} ', also {levelname} and {levelno}
    #[arg(long, value_name = "TEXT")]
    log_preamble: Option<Preamble>,
    /// Text lines without their level
    #[arg(long)]
    hide_level: bool,
    /// Remove what others, or an earlier log directory, left in a log file; lines of this one always stay
    #[arg(long)]
    overwrite_logs: bool,
    /// Begin a new log file when one would grow beyond this size, such as 100M: B, K, M or G, in powers of 1024
    #[arg(long, value_name = "SIZE", value_parser = size)]
    rotate_size: Option<NonZeroU64>,
    /// Begin a new log file when its first line is older than this, such as 24h, by the times of the lines
    #[arg(long, value_name = "TIME", value_parser = crate::client_options::duration)]
    rotate_age: Option<Duration>,
    /// Earlier files that are kept of each client, when they rotate: ID.log.20180309-123456-1
    #[arg(long, value_name = "N", default_value_t = 5)]
    rotate_keep: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
}

/// A time format, or none.
#[derive(Clone, Debug)]
struct TimeChoice(Option<TimeFormat>);

fn time_format(text: &str) -> Result<TimeChoice, loggerplex::TimeFormatError> {
    match text {
        "none" => Ok(TimeChoice(None)),
        text => text.parse().map(|format| TimeChoice(Some(format))),
    }
}

/// Reads a size such as `100M`.
fn size(text: &str) -> Result<NonZeroU64, String> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let unit: u64 = match unit {
        "B" | "" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        _ => return Err(format!("{unit:?} is not a unit of size: use B, K, M or G")),
    };
    let bytes = number.parse::<u64>().ok().and_then(|n| n.checked_mul(unit));
    let bytes = bytes.and_then(NonZeroU64::new);
    bytes.ok_or_else(|| format!("{text:?} is not a size: write it like 100M"))
}

impl LogOptions {
    /// The logs with these options; `reopen` is set by SIGHUP.
    pub fn apply(&self, logs: Loggerplex, reopen: Arc<AtomicBool>) -> Loggerplex {
        let rotates = self.rotate_size.is_some() || self.rotate_age.is_some();
        logs.reopen_when(reopen)
            .rotation(rotates.then_some(Rotation {
                max_bytes: self.rotate_size,
                max_age: self.rotate_age,
                keep: self.rotate_keep,
            }))
            .level(self.log_level)
            .lines(self.lines())
            .overwrite(self.overwrite_logs)
    }

    fn lines(&self) -> LineFormat {
        if self.log_format == Format::Json {
            return LineFormat::Json;
        }
        let lines = TextFormat::default()
            .time(self.time_format.0.clone())
            .zone(self.time_zone)
            .show_level(!self.hide_level);
        match &self.log_preamble {
            Some(preamble) => lines.preamble(preamble.clone()).into(),
            None => lines.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        let sizes = [
            ("7", 7),
            ("7B", 7),
            ("2K", 2048),
            ("100M", 100 << 20),
            ("3G", 3 << 30),
        ];
        for (text, bytes) in sizes {
            assert_eq!(size(text).map(NonZeroU64::get), Ok(bytes), "{text}");
        }
        for text in ["", "0", "K", "1.5M", "-1", "1k", "99999999999G", "1 M"] {
            assert!(size(text).is_err(), "{text:?}");
        }
    }
}
