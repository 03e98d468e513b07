//! `tensorplex tail`: the logs of many clients as one.

mod print;
mod waiting;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use loggerplex::reading::{
    Folder, Follow, LogEntry, LogPlace, ServerSource, Source, Wanted, begin, expect_history,
};
use loggerplex::{Level, Zone};
use regex_lite::Regex;
use remotecall::{Address, ConnectError};
use tensorplex::LOGS;
use tensorplex::logdir::Pattern;

use crate::broker_files::BrokerFiles;
use crate::client_options::duration;
use crate::exit::FINE;
use print::Printer;
use waiting::Waiting;

/// Log directory when nothing else is said.
const LOGDIR: &str = "runs";
/// Its address, where neither option is given.
const URL_VARIABLE: &str = "TENSORPLEX_URL";
/// Under which a server is asked.
const CLIENT_ID: &str = "tail";
/// How often files on this machine are looked at.
const FOLDER_TICK: Duration = Duration::from_millis(100);
/// How often a server is asked: it looks at its files ten times a second.
const SERVER_TICK: Duration = Duration::from_millis(150);
/// Clients that a server is asked for at once.
const TOGETHER: usize = 32;
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

On the server's machine the files are read (--logdir), whether the server runs or not. From elsewhere --redis asks the
server, with the same options and the same output; while it is away tail says so once, waits, and goes on where it was.
--logdir and --redis exclude each other. With neither, TENSORPLEX_URL is the server's address, or else runs/ is read.

Lines without a level are shown whatever --level says. A line without a date is of the last day that its time fits.

Exit code: 0 when it was ended by Ctrl-C or SIGTERM, or with --no-follow; 2 when the logs cannot be read, with --no-follow
also when the server does not answer for 30 s.

Examples:
  tensorplex tail --logdir runs/
  tensorplex tail 'agent/*' learner/0 --level warning
  tensorplex tail --since 10m --grep 'loss=nan|Traceback' --no-follow
  tensorplex tail --redis trainer:8008 'agent/*'
  tensorplex tail --json | jq -r .message")]
pub struct Tail {
    /// Only clients that match one of these patterns
    pattern: Vec<Pattern>,
    /// Log directory of the server, on this machine [default: runs, if neither --redis nor TENSORPLEX_URL says otherwise]
    #[arg(long, value_name = "DIR", conflicts_with = "redis")]
    logdir: Option<PathBuf>,
    /// Broker address of a server elsewhere, instead of --logdir: the server's own (host:8008), or the Redis it reads
    /// from (host:port, redis://…, rediss://…, unix://…) [env: TENSORPLEX_URL]
    #[arg(long, value_name = "ADDR")]
    redis: Option<String>,
    #[command(flatten)]
    files: BrokerFiles,
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
    /// The logs of a directory or a server cannot be read.
    #[error("{path}: {error}")]
    Logs {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The address of the server cannot be used.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The output cannot be written.
    #[error("the output cannot be written: {0}")]
    Output(#[from] io::Error),
    /// The system refused a signal handler.
    #[error("signals cannot be caught: {0}")]
    Signals(io::Error),
}

/// Where logs are read.
enum Place {
    /// A log directory.
    Folder(PathBuf),
    /// The address of a server's broker.
    Server(String),
}

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
        match self.place() {
            Place::Folder(logdir) => {
                let folder = logdir.join(LOGS);
                let source = Folder::new(&folder);
                self.show(source, &folder, FOLDER_TICK, &end)
            }
            Place::Server(address) => {
                let shown: Address = address.parse().map_err(ConnectError::from)?;
                let waiting = Waiting::new(shown.to_string(), end.clone(), self.no_follow);
                let source = ServerSource::connect(&address, CLIENT_ID, waiting)?;
                self.show(source, Path::new(&shown.to_string()), SERVER_TICK, &end)
            }
        }
    }

    /// Where the logs are.
    fn place(&self) -> Place {
        let address = || {
            std::env::var(URL_VARIABLE)
                .ok()
                .filter(|address| !address.is_empty())
        };
        match (&self.logdir, &self.redis) {
            (Some(logdir), _) => Place::Folder(logdir.clone()),
            (None, Some(address)) => Place::Server(self.files.apply(address)),
            (None, None) => match address() {
                Some(address) => Place::Server(self.files.apply(&address)),
                None => Place::Folder(LOGDIR.into()),
            },
        }
    }

    fn show<S: Source>(
        &self,
        source: S,
        name: &Path,
        tick: Duration,
        end: &AtomicBool,
    ) -> Result<u8, TailError> {
        let about = |error| TailError::Logs {
            path: name.to_owned(),
            error,
        };
        let mut printer = Printer::new(self.json);
        let mut logs = Logs {
            tail: self,
            source,
            following: HashMap::new(),
        };
        let history = match logs.history() {
            Err(_) if end.load(Relaxed) => return Ok(FINE),
            history => history.map_err(about)?,
        };
        printer.print(history)?;
        while !self.no_follow && !end.load(Relaxed) {
            std::thread::sleep(tick);
            let mut news = Vec::new();
            let read = logs.news(&mut news);
            // What came before an error is not read again.
            printer.print(sort_by_time(news))?;
            match read {
                Err(_) if end.load(Relaxed) => {}
                read => read.map_err(about)?,
            }
        }
        Ok(FINE)
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

/// Logs that are followed.
struct Logs<'a, S> {
    tail: &'a Tail,
    source: S,
    /// A client's place in its files, in one format.
    following: HashMap<(String, bool), Follow>,
}

impl<S: Source> Logs<'_, S> {
    /// The clients that are followed, as their files are now.
    fn places(&mut self) -> io::Result<Vec<LogPlace>> {
        let mut places = self.source.list()?.unwrap_or_default();
        let patterns = &self.tail.pattern;
        let wanted = |client: &str| patterns.iter().any(|pattern| pattern.matches(client));
        places.retain(|place| patterns.is_empty() || wanted(&place.client));
        Ok(places)
    }

    fn history(&mut self) -> io::Result<Vec<LogEntry>> {
        let Tail { since, lines, .. } = *self.tail;
        let since = since.and_then(|since| Utc::now().checked_sub_signed(TimeDelta::from_std(since).ok()?));
        let count = lines.unwrap_or(if since.is_some() { usize::MAX } else { LAST });
        let wanted = Wanted {
            count,
            since,
            zone: self.tail.time_zone,
            fits: &|entry| self.tail.fits(entry),
        };
        let mut last = BTreeMap::new();
        let mut number = 0u64;
        for some in self.places()?.chunks(TOGETHER) {
            for place in some {
                expect_history(&mut self.source, place);
            }
            for place in some {
                let (follow, entries) = begin(&mut self.source, place, &wanted)?;
                self.following.insert((place.client.clone(), place.json), follow);
                number += 1;
                for (line, entry) in (0u64..).zip(entries) {
                    last.insert((entry.time, number, line), entry);
                    // Never more than are shown.
                    if last.len() > count {
                        last.pop_first();
                    }
                }
            }
        }
        Ok(last.into_values().collect())
    }

    /// Adds what came since the last look.
    fn news(&mut self, news: &mut Vec<LogEntry>) -> io::Result<()> {
        let see = &mut |entry| {
            if self.tail.fits(&entry) {
                news.push(entry);
            }
        };
        for some in self.places()?.chunks(TOGETHER) {
            for place in some {
                let follow = self
                    .following
                    .entry((place.client.clone(), place.json))
                    .or_default();
                follow.expect(&mut self.source, place);
            }
            for place in some {
                let follow = self
                    .following
                    .entry((place.client.clone(), place.json))
                    .or_default();
                follow.read(&mut self.source, place, self.tail.time_zone, see)?;
            }
        }
        Ok(())
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
