//! `tensorplex tail`: follows the logs of many clients, merged by time.

mod merge;
mod outage;
mod print;

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use loggerplex::Level;
use loggerplex::format::Zone;
use loggerplex::reading::{
    ClientFiles, FolderSource, Follower, HistoryQuery, LogEntry, ServerSource, Source, prefetch_history,
    read_history,
};
use regex_lite::Regex;
use remotecall::{Address, ConnectError};
use tensorplex::layout::LOGS;
use tensorplex::logdir::{Pattern, natural_order};

use crate::credentials::CredentialOptions;
use crate::exit::{INCOMPLETE, SUCCESS, report_unmatched};
use crate::terminal::escape;
use crate::units::parse_duration;
use merge::{LastEntries, merge_by_time};
use outage::OutageNotice;
use print::Printer;

/// Default log directory.
const DEFAULT_LOGDIR: &str = "runs";
/// Variable with the server's broker address, used when neither `--logdir` nor `--redis` is given.
const URL_VARIABLE: &str = "TENSORPLEX_URL";
/// Client id for calls to the server.
const CLIENT_ID: &str = "tail";
/// Poll interval of local files: 100 ms.
const FOLDER_INTERVAL: Duration = Duration::from_millis(100);
/// Poll interval of a server: 150 ms. The server scans its files at most every 100 ms.
const SERVER_INTERVAL: Duration = Duration::from_millis(150);
/// Number of clients whose files are prefetched together.
const PREFETCH_CLIENTS: usize = 32;
/// Default number of past entries.
const DEFAULT_LINES: usize = 10;
/// Limit on a compiled regular expression: 1 MiB.
const MAX_REGEX: usize = 1 << 20;

/// Follow the logs of many clients, merged by time
///
/// Prints the last entries, and then new ones as they arrive, each after its client id, in colour
/// on a terminal unless NO_COLOR is set. Follows files across rotation, and new clients as they
/// appear.
///
/// A PATTERN selects client ids. Without one, all clients are followed.
///
/// On the server's machine, --logdir reads the files, whether the server runs or not. From
/// elsewhere, --redis asks the server; while the server is away, tail says so once, waits, and
/// continues where it stopped. Without either option, TENSORPLEX_URL is the server's address if it
/// is set, and runs/ is read otherwise.
///
/// Entries without a level pass every --level. A time without a date is taken for the latest day
/// that fits.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Patterns:
  *      any text, also across /
  ?      one character
  [abc]  one of these characters

Exit status:
  0  ended by Ctrl-C or SIGTERM, or complete (--no-follow)
  2  the logs cannot be read; with --no-follow, also when the server does
     not answer for 30 s
  3  a pattern matches no client (--no-follow), or something cannot be read
     and was left out

Examples:
  tensorplex tail --logdir runs/
  tensorplex tail 'agent/*' learner/0 --level warning
  tensorplex tail --since 10m --grep 'loss=nan|Traceback' --no-follow
  tensorplex tail --redis trainer:8008 'agent/*'
  tensorplex tail --json | jq -r .message")]
pub struct Tail {
    /// Only clients that match; several patterns may be given
    pattern: Vec<Pattern>,
    /// Log directory of a server on this machine
    #[arg(long, value_name = "DIR", conflicts_with = "redis")]
    logdir: Option<PathBuf>,
    /// Broker address of a server elsewhere [env: TENSORPLEX_URL]
    ///
    /// The address of the server itself, or of the Redis that it reads from: host:port,
    /// redis://user:password@host:port/db, rediss://… (TLS), unix:///path.
    #[arg(long, value_name = "ADDR")]
    redis: Option<String>,
    #[command(flatten)]
    credentials: CredentialOptions,
    /// Lowest level to print: debug, info3, warning, … or a number
    #[arg(long, value_name = "LEVEL")]
    level: Option<Level>,
    /// Begin with the entries since this long ago, such as 10m
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    since: Option<Duration>,
    /// Only entries whose message matches this regular expression
    #[arg(long, value_name = "REGEX", value_parser = parse_regex)]
    grep: Option<Regex>,
    /// Limit on past entries; default 10, or with --since unlimited
    #[arg(short = 'n', long, value_name = "N")]
    lines: Option<usize>,
    /// Time zone of the files, as in the server's --time-zone
    #[arg(long, value_name = "ZONE", default_value = "local")]
    time_zone: Zone,
    /// Print the past entries and exit
    #[arg(long)]
    no_follow: bool,
    /// Print one JSON object per entry
    #[arg(long)]
    json: bool,
}

fn parse_regex(text: &str) -> Result<Regex, String> {
    let built = regex_lite::RegexBuilder::new(text).size_limit(MAX_REGEX).build();
    built.map_err(|error| error.to_string())
}

/// The logs cannot be followed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TailError {
    /// The address is invalid.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The log directory is something else.
    #[error("{} is not a directory: name the log directory that contains logs/", .0.display())]
    NotADirectory(PathBuf),
    /// The logs cannot be read.
    #[error("{}: {error}", path.display())]
    Logs {
        /// Log folder, or address of the server.
        path: PathBuf,
        /// Error of the system, or of the server.
        error: io::Error,
    },
    /// The output cannot be written.
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
    /// A signal handler cannot be registered.
    #[error("cannot register a signal handler: {0}")]
    Signals(io::Error),
}

/// Location of the logs.
enum Location {
    /// A log directory.
    Folder(PathBuf),
    /// The address of a server's broker.
    Server(String),
}

impl Tail {
    /// Prints the past entries, and follows new ones until a signal ends the program.
    ///
    /// # Errors
    /// Fails when the logs cannot be read, or the output cannot be written.
    pub fn run(&self) -> Result<u8, TailError> {
        let end = Arc::new(AtomicBool::new(false));
        for number in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
            signal_hook::flag::register(number, end.clone()).map_err(TailError::Signals)?;
        }
        match self.location() {
            Location::Folder(logdir) if logdir.is_file() => Err(TailError::NotADirectory(logdir)),
            Location::Folder(logdir) => {
                let folder = logdir.join(LOGS);
                let source = FolderSource::new(&folder);
                self.follow(source, &folder, FOLDER_INTERVAL, &end)
            }
            Location::Server(address) => {
                // `Display` of an address hides its password.
                let printable: Address = address.parse().map_err(ConnectError::from)?;
                let outage = OutageNotice::new(printable.to_string(), end.clone(), self.no_follow);
                let source = ServerSource::connect(&address, CLIENT_ID, outage)?;
                self.follow(source, Path::new(&printable.to_string()), SERVER_INTERVAL, &end)
            }
        }
    }

    /// Location from the options and the environment.
    fn location(&self) -> Location {
        let address = || {
            std::env::var(URL_VARIABLE)
                .ok()
                .filter(|address| !address.is_empty())
        };
        match (&self.logdir, &self.redis) {
            (Some(logdir), _) => Location::Folder(logdir.clone()),
            (None, Some(address)) => Location::Server(self.credentials.apply(address)),
            (None, None) => match address() {
                Some(address) => Location::Server(self.credentials.apply(&address)),
                None => Location::Folder(DEFAULT_LOGDIR.into()),
            },
        }
    }

    fn follow<S: Source>(
        &self,
        source: S,
        name: &Path,
        interval: Duration,
        end: &AtomicBool,
    ) -> Result<u8, TailError> {
        let with_path = |error| TailError::Logs {
            path: name.to_owned(),
            error,
        };
        let mut printer = Printer::new(self.json);
        let mut logs = FollowedLogs {
            options: self,
            source,
            followers: HashMap::new(),
            clients: Vec::new(),
            left_out: HashSet::new(),
        };
        let history = match logs.read_history() {
            Err(_) if end.load(Relaxed) => return Ok(SUCCESS),
            history => history.map_err(with_path)?,
        };
        printer.print(history)?;
        let mut code = SUCCESS;
        if logs.report_unmatched() && self.no_follow {
            code = INCOMPLETE;
        }
        while !self.no_follow && !end.load(Relaxed) {
            std::thread::sleep(interval);
            let mut new = Vec::new();
            let read = logs.poll(&mut new);
            // Printed also after an error, because the next poll does not repeat them.
            printer.print(merge_by_time(new))?;
            match read {
                Err(_) if end.load(Relaxed) => {}
                read => read.map_err(with_path)?,
            }
        }
        Ok(if logs.left_out.is_empty() {
            code
        } else {
            INCOMPLETE
        })
    }

    /// Returns whether an entry passes `--level` and `--grep`.
    fn matches(&self, entry: &LogEntry) -> bool {
        let passes_level = self
            .level
            .zip(entry.level)
            .is_none_or(|(least, level)| level >= least);
        passes_level
            && self
                .grep
                .as_ref()
                .is_none_or(|grep| grep.is_match(&entry.message))
    }
}

/// Logs with their read positions.
struct FollowedLogs<'a, S> {
    options: &'a Tail,
    source: S,
    /// Read positions by client id and format; true stands for JSON.
    followers: HashMap<(String, bool), Follower>,
    /// Client ids of the first list that has some, in natural order.
    clients: Vec<String>,
    /// Entries that were left out and reported.
    left_out: HashSet<PathBuf>,
}

impl<S: Source> FollowedLogs<'_, S> {
    /// Says which patterns match no client. Returns whether there are such patterns.
    fn report_unmatched(&self) -> bool {
        let unmatched = Pattern::unmatched(&self.options.pattern, &self.clients);
        report_unmatched("tail", ["client", "clients"], &unmatched, &self.clients);
        if !unmatched.is_empty() && !self.options.no_follow {
            eprintln!("tensorplex tail: waiting for clients that match");
        }
        !unmatched.is_empty()
    }

    /// Reports what the source left out, each entry once.
    fn report_left_out(&mut self) {
        for (path, error) in self.source.take_left_out() {
            let text = format!("left out {}: {error}", path.display());
            if self.left_out.insert(path) {
                eprintln!("tensorplex tail: {}", escape(&text));
            }
        }
    }

    /// Lists the files of the clients that the patterns select.
    fn list(&mut self) -> io::Result<Vec<ClientFiles>> {
        let mut clients = self.source.list()?.unwrap_or_default();
        self.report_left_out();
        if self.clients.is_empty() {
            self.clients = clients.iter().map(|files| files.client.clone()).collect();
            self.clients.sort_by(|a, b| natural_order(a, b));
            self.clients.dedup();
        }
        let patterns = &self.options.pattern;
        let is_selected = |client: &str| patterns.iter().any(|pattern| pattern.matches(client));
        clients.retain(|files| patterns.is_empty() || is_selected(&files.client));
        Ok(clients)
    }

    fn read_history(&mut self) -> io::Result<Vec<LogEntry>> {
        let Tail { since, lines, .. } = *self.options;
        let since = since.and_then(|since| Utc::now().checked_sub_signed(TimeDelta::from_std(since).ok()?));
        let limit = lines.unwrap_or(if since.is_some() {
            usize::MAX
        } else {
            DEFAULT_LINES
        });
        let options = self.options;
        let filter = |entry: &LogEntry| options.matches(entry);
        let query = HistoryQuery::last(limit)
            .since(since)
            .zone(options.time_zone)
            .filter(&filter);
        let mut last = LastEntries::new(limit);
        for batch in self.list()?.chunks(PREFETCH_CLIENTS) {
            for files in batch {
                prefetch_history(&mut self.source, files);
            }
            for files in batch {
                match read_history(&mut self.source, files, &query) {
                    Ok((follower, entries)) => {
                        self.followers
                            .insert((files.client.clone(), files.json), follower);
                        last.add(entries);
                    }
                    Err(error) => self.source.leave_out(&files.path, error)?,
                }
            }
        }
        self.report_left_out();
        Ok(last.into_entries())
    }

    /// Appends the entries that were added since the last poll.
    fn poll(&mut self, new: &mut Vec<LogEntry>) -> io::Result<()> {
        let options = self.options;
        let emit = &mut |entry| {
            if options.matches(&entry) {
                new.push(entry);
            }
        };
        for batch in self.list()?.chunks(PREFETCH_CLIENTS) {
            for files in batch {
                let follower = self
                    .followers
                    .entry((files.client.clone(), files.json))
                    .or_default();
                follower.prefetch(&mut self.source, files);
            }
            for files in batch {
                let follower = self
                    .followers
                    .entry((files.client.clone(), files.json))
                    .or_default();
                if let Err(error) = follower.poll(&mut self.source, files, options.time_zone, emit) {
                    self.source.leave_out(&files.path, error)?;
                }
            }
        }
        self.report_left_out();
        Ok(())
    }
}
