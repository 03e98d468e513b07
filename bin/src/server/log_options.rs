//! Options of the log files.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use loggerplex::format::{LineFormat, Preamble, TextFormat, TimeFormat, TimeFormatError, Zone};
use loggerplex::server::Rotation;
use loggerplex::{Level, Loggerplex};

use crate::units::{parse_duration, parse_size};

/// Format, level and rotation of the log files.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Log files")]
pub(super) struct LogOptions {
    /// Lowest level that is written: debug, info3, warning, … or a number
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    log_level: Level,
    /// Format of the log files
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    /// Time of text lines: hms, hm, dhms, dhm, ydhms, ydhm, yd, a strftime pattern, or none
    ///
    /// h, m and s are hours, minutes and seconds; d is the month and day, and yd the month, day and
    /// year.
    #[arg(long, value_name = "FORMAT", default_value = "hms", value_parser = parse_time_format)]
    time_format: OptionalTimeFormat,
    /// Time zone of text lines: local, UTC, or a name such as Europe/Berlin
    #[arg(long, value_name = "ZONE", default_value = "local")]
    time_zone: Zone,
    /// Text before the level, instead of the time, such as '[{asctime}] {client_id} '
    ///
    /// Fields: {asctime}, {levelname}, {levelno}, {client_id}.
    #[arg(long, value_name = "TEXT")]
    log_preamble: Option<Preamble>,
    /// Leave the level out of text lines
    #[arg(long)]
    hide_level: bool,
    /// Replace log files that this server did not write, instead of appending to them
    #[arg(long)]
    overwrite_logs: bool,
    /// Rotate a log file before it exceeds this size, such as 100M (B, K, M or G: powers of 1024)
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    rotate_size: Option<NonZeroU64>,
    /// Rotate a log file when its first line is older than this, such as 24h, by the times of the
    /// lines
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    rotate_age: Option<Duration>,
    /// Rotated files to keep per client, named like ID.log.20180309-123456-1
    #[arg(long, value_name = "N", default_value_t = 5)]
    rotate_keep: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum LogFormat {
    /// Text lines in ID.log
    Text,
    /// JSON lines in ID.jsonl, with times in UTC
    Json,
}

/// Time format; none leaves the time out.
#[derive(Clone, Debug)]
struct OptionalTimeFormat(Option<TimeFormat>);

fn parse_time_format(text: &str) -> Result<OptionalTimeFormat, TimeFormatError> {
    match text {
        "none" => Ok(OptionalTimeFormat(None)),
        text => text.parse().map(|format| OptionalTimeFormat(Some(format))),
    }
}

impl LogOptions {
    /// Applies the options to `logs`. SIGHUP sets `reopen`.
    pub fn apply(&self, logs: Loggerplex, reopen: Arc<AtomicBool>) -> Loggerplex {
        let rotates = self.rotate_size.is_some() || self.rotate_age.is_some();
        let rotation = Rotation::keep(self.rotate_keep)
            .max_bytes(self.rotate_size)
            .max_age(self.rotate_age);
        logs.reopen_when(reopen)
            .rotation(rotates.then_some(rotation))
            .level(self.log_level)
            .lines(self.line_format())
            .overwrite(self.overwrite_logs)
    }

    fn line_format(&self) -> LineFormat {
        if self.log_format == LogFormat::Json {
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
