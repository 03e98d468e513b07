//! `tensorplex tail`: the logs of many clients as one.

mod print;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use loggerplex::reading::{Follow, LogEntry, LogPlace, Wanted, find_logs, last_entries};
use loggerplex::{Level, Zone};
use regex_lite::Regex;
use tensorplex::logdir::Pattern;

use crate::client_options::duration;
use crate::exit::FINE;
use print::Printer;

/// How often the files are looked at.
const TICK: Duration = Duration::from_millis(100);
/// Entries that are shown first, when nothing else is said.
const LAST: usize = 10;
/// Longest regular expression, when it is compiled.
const MAX_REGEX: usize = 1 << 20;

/// Follow the logs of many clients, merged by time
#[derive(clap::Args, Debug)]
#[command(after_help = "\
A pattern is a client id with *, ? and [abc], and * matches / too; without one all clients are followed, and new ones as they
appear. The last entries are shown first. Each line has its client in front, in colour on a terminal (NO_COLOR is
respected); lines that are read together are sorted by their time. Files that rotate are followed.

Lines without a level are shown whatever --level says. A line without a date is of the last day that its time fits.

Exit code: 0 when it was ended by Ctrl-C or SIGTERM, or with --no-follow; 2 when the logs cannot be read.

Examples:
  tensorplex tail --logdir runs/
  tensorplex tail 'agent/*' learner/0 --level warning
  tensorplex tail --since 10m --grep 'loss=nan|Traceback' --no-follow
  tensorplex tail --json | jq -r .message")]
pub struct Tail {
    /// Only clients that match one of these patterns
    pattern: Vec<Pattern>,
    /// Log directory of the server, on this machine
    #[arg(long, value_name = "DIR", default_value = "runs")]
    logdir: PathBuf,
    /// Only entries of this level or above: debug, info3, warning, … or a number
    #[arg(long, value_name = "LEVEL")]
    level: Option<Level>,
    /// Begin with the entries of this time until now, such as 10m
    #[arg(long, value_name = "TIME", value_parser = duration)]
    since: Option<Duration>,
    /// Only entries that match this regular expression
    #[arg(long, value_name = "REGEX", value_parser = regex)]
    grep: Option<Regex>,
    /// Most entries to begin with (10, or with --since as many as there are)
    #[arg(short = 'n', long, value_name = "N")]
    lines: Option<usize>,
    /// Zone of times in the files that name none, as the server's --time-zone
    #[arg(long, value_name = "ZONE", default_value = "local")]
    time_zone: Zone,
    /// End with what is there now
    #[arg(long)]
    no_follow: bool,
    /// One JSON object per entry
    #[arg(long)]
    json: bool,
}

fn regex(text: &str) -> Result<Regex, String> {
    let built = regex_lite::RegexBuilder::new(text).size_limit(MAX_REGEX).build();
    built.map_err(|error| error.to_string())
}

/// The logs cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum TailError {
    /// A file or the directory cannot be read.
    #[error("{path}: {error}")]
    Logs {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The output cannot be written.
    #[error("the output cannot be written: {0}")]
    Output(#[from] io::Error),
    /// The system refused a signal handler.
    #[error("signals cannot be caught: {0}")]
    Signals(io::Error),
}

/// A client's place in its files, in one format.
type Following = HashMap<(String, bool), Follow>;

impl Tail {
    /// Shows what was logged last, and what is logged, until it is told to end.
    ///
    /// # Errors
    /// When the logs cannot be read or the output cannot be written.
    pub fn run(&self) -> Result<u8, TailError> {
        let end = Arc::new(AtomicBool::new(false));
        for number in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
            signal_hook::flag::register(number, end.clone()).map_err(TailError::Signals)?;
        }
        let mut printer = Printer::new(self.json);
        let mut following = Following::new();
        let history = self.history(&mut following)?;
        printer.print(history)?;
        while !self.no_follow && !end.load(Relaxed) {
            std::thread::sleep(TICK);
            printer.print(self.news(&mut following)?)?;
        }
        Ok(FINE)
    }

    /// The clients that are followed, as their files are now.
    fn places(&self) -> Result<Vec<LogPlace>, TailError> {
        let folder = self.logdir.join("logs");
        let mut places = match find_logs(&folder) {
            // A server that has not logged a line yet.
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.logdir.is_dir() => Vec::new(),
            Err(error) => return Err(TailError::Logs { path: folder, error }),
            Ok(places) => places,
        };
        let wanted = |client: &str| self.pattern.iter().any(|pattern| pattern.matches(client));
        places.retain(|place| self.pattern.is_empty() || wanted(&place.client));
        Ok(places)
    }

    fn history(&self, following: &mut Following) -> Result<Vec<LogEntry>, TailError> {
        let now = Utc::now();
        let since = self
            .since
            .and_then(|since| now.checked_sub_signed(TimeDelta::from_std(since).ok()?));
        let count = self
            .lines
            .unwrap_or(if self.since.is_some() { usize::MAX } else { LAST });
        let mut last = BTreeMap::new();
        for (number, place) in (0u64..).zip(self.places()?) {
            let (follow, end) = Follow::from_end(&place);
            following.insert((place.client.clone(), place.json), follow);
            let wanted = Wanted {
                count,
                since,
                zone: self.time_zone,
                fits: &|entry| self.fits(entry),
            };
            let entries = last_entries(&place, end, &wanted).map_err(|error| TailError::Logs {
                path: place.path.clone(),
                error,
            })?;
            for (line, entry) in (0u64..).zip(entries) {
                last.insert((entry.time, number, line), entry);
                // Never more than are shown.
                if last.len() > count {
                    last.pop_first();
                }
            }
        }
        Ok(last.into_values().collect())
    }

    /// What was added since the last look, sorted by time.
    fn news(&self, following: &mut Following) -> Result<Vec<LogEntry>, TailError> {
        let mut news: Vec<LogEntry> = Vec::new();
        for place in self.places()? {
            let follow = following.entry((place.client.clone(), place.json)).or_default();
            let see = &mut |entry| {
                if self.fits(&entry) {
                    news.push(entry);
                }
            };
            follow
                .read(&place, self.time_zone, see)
                .map_err(|error| TailError::Logs {
                    path: place.path.clone(),
                    error,
                })?;
        }
        Ok(sort_by_time(news))
    }

    fn fits(&self, entry: &LogEntry) -> bool {
        let important = self
            .level
            .zip(entry.level)
            .is_none_or(|(least, level)| level >= least);
        important
            && self
                .grep
                .as_ref()
                .is_none_or(|grep| grep.is_match(&entry.message))
    }
}

/// The order of a client stays, also when its clock went back: an entry counts as no older than the one before it.
fn sort_by_time(entries: Vec<LogEntry>) -> Vec<LogEntry> {
    let mut latest: HashMap<String, DateTime<Utc>> = HashMap::new();
    let mut timed: Vec<(DateTime<Utc>, LogEntry)> = Vec::with_capacity(entries.len());
    for entry in entries {
        let latest = latest.entry(entry.client.clone()).or_insert(entry.time);
        *latest = entry.time.max(*latest);
        timed.push((*latest, entry));
    }
    timed.sort_by_key(|(time, _)| *time);
    timed.into_iter().map(|(_, entry)| entry).collect()
}
