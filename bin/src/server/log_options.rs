//! Options of the log files.

use loggerplex::{Level, LineFormat, Loggerplex, Preamble, TextFormat, TimeFormat, Zone};

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

impl LogOptions {
    pub fn apply(&self, logs: Loggerplex) -> Loggerplex {
        logs.level(self.log_level)
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
