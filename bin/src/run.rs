//! `tensorplex run`: runs a program, and logs its output.

mod capture;
mod cut;
mod line_level;
mod line_splitter;
mod remainder;
mod rows;
mod witness;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use loggerplex::{Level, Logger, LoggerplexClient};
use nix::sys::resource::{UsageWho, getrusage};
use remotecall::{Client, ClientOptions, ConnectError, FlushError};
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};
use signal_hook::iterator::Signals;

use crate::endpoint::{ENVIRONMENT, EndpointOptions, SpoolOptions};
use crate::units::{format_bytes, parse_duration};
use capture::{Capture, Copies, copy_size};
use witness::Witness;

/// Signals that are passed on to the program.
const FORWARDED: [i32; 6] = [SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGINT, SIGQUIT];
/// Variable in which the program finds the server.
const URL_VARIABLE: &str = "TENSORPLEX_URL";

/// Run a program, and log its output line by line
///
/// The output still goes where it went before, and the program sees a terminal where it saw one
/// before. The log leaves out colours, and keeps the last state of progress bars. It also gets
/// start, end, run time and peak memory. A Python traceback is logged as an error.
///
/// The program finds the server's address in TENSORPLEX_URL, so a SummaryWriter in it sends its
/// records there.
///
/// SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGUSR1 and SIGUSR2 are passed on to the program, unless it
/// gets them itself: from the terminal, or because they go to its whole process group or job.
///
/// The program does not wait for a server that is away: up to 64 MiB of lines are kept, and further
/// lines are dropped and counted. Processes that the program leaves behind can print for as long as
/// they live: a process in the background logs their output, without --spool, and ends with them.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Exit status:
  that of the program, or 128 + N when signal N ended it
  125  tensorplex failed
  126  the program cannot be started
  127  the program was not found

Examples:
  tensorplex run --client-id agent/0 -- python train.py --lr 0.1
  tensorplex run --redis redis.example:6379 --client-id agent/0 -- make")]
pub struct Run {
    #[command(flatten)]
    endpoint: EndpointOptions,
    #[command(flatten)]
    spool: SpoolOptions,
    /// Client id of the log
    #[arg(long, value_name = "ID")]
    client_id: String,
    /// Level of the lines of standard error, such as warning; default: info
    ///
    /// Standard error is then captured by itself, so its lines may come before or after those that
    /// standard output printed at the same time.
    #[arg(long, value_name = "LEVEL")]
    stderr_level: Option<Level>,
    /// Time limit for acknowledgements after the program has ended
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_duration)]
    timeout: Duration,
    /// Log standard input, at this level, instead of a program
    #[arg(long, hide = true, conflicts_with = "command")]
    remainder: Option<Level>,
    /// Program to run, with its arguments
    #[arg(required_unless_present = "remainder", last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// The program could not be run to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The address or the client id is invalid.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The command is empty.
    #[error("no command to run")]
    NoCommand,
    /// The program cannot be started.
    #[error("{program}: {error}")]
    Start {
        /// Name of the program.
        program: String,
        /// Error of the system.
        error: io::Error,
    },
    /// The output or the signals cannot be captured.
    #[error(transparent)]
    System(#[from] io::Error),
}

impl RunError {
    /// Returns the exit code: 125, 126 or 127, as for `env` and `timeout`.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Start { error, .. } if error.kind() == io::ErrorKind::NotFound => 127,
            Self::Start { .. } => 126,
            _ => 125,
        }
    }
}

/// Result of a program that has ended.
#[derive(Debug)]
#[non_exhaustive]
pub struct Ended {
    /// Exit status of the program.
    pub status: ExitStatus,
    /// Delivery of its log lines; ok when all are on the server's disk.
    pub logged: Result<(), FlushError>,
}

impl Ended {
    /// Returns the exit code of the program, or 128 + N when signal N ended it, as a shell does.
    pub fn exit_code(&self) -> u8 {
        let code = self.status.code();
        let code = code.or_else(|| self.status.signal().map(|signal| 128 + signal));
        code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
    }
}

impl Run {
    /// Runs the program to its end.
    ///
    /// # Errors
    /// Fails when the program cannot be started, or its output cannot be captured.
    pub fn run(&self) -> Result<Ended, RunError> {
        let address = self.endpoint.address();
        let options = ClientOptions {
            spool: self.spool.spool.clone(),
            environment: ENVIRONMENT,
            ..ClientOptions::default()
        };
        let client = Client::connect_with(&address, loggerplex::QUEUE, &self.client_id, options)?;
        let log = Logger::new(LoggerplexClient::new(client).one_way());
        if let Some(level) = self.remainder {
            capture::copy_input(&log, level)?;
            let logged = log.flush(self.timeout);
            return Ok(Ended {
                status: ExitStatus::default(),
                logged,
            });
        }
        let (program, args) = self.command.split_first().ok_or(RunError::NoCommand)?;
        let witness = Witness::start(&FORWARDED)
            .inspect_err(|error| tracing::debug!("signals to the process group may arrive twice: {error}"))
            .ok();
        // Registered before the child exists, so that its SIGCHLD is not missed.
        let mut signals = Signals::new([SIGCHLD, SIGWINCH].iter().chain(&FORWARDED))?;
        let capture = Capture::open(self.stderr_level)?;
        let terminals = capture.terminals()?;
        let mut command = Command::new(program);
        command
            .args(args)
            .env(URL_VARIABLE, &address)
            .stdout(capture.stdout()?)
            .stderr(capture.stderr()?);
        let start = Instant::now();
        let child = command.spawn().map_err(|error| {
            let program = program.to_string_lossy().into_owned();
            RunError::Start { program, error }
        })?;
        // `command` holds write ends of the pipes; while they are open, the copies do not end.
        drop(command);
        log.info(format!("started: {}", shell_quoted(&self.command)));
        let copies = capture.copy(&log)?;
        let status = wait(child, &mut signals, &terminals, witness)?;
        self.finish(copies, &address);
        log_end(&log, status, start.elapsed());
        let logged = log.flush(self.timeout);
        Ok(Ended { status, logged })
    }

    /// Copies the rest of the output, and hands over channels that processes which the program left
    /// behind still hold open.
    fn finish(&self, copies: Copies, address: &str) {
        for channel in copies.finish() {
            if let Err(error) = remainder::start(channel, address, &self.client_id) {
                eprintln!(
                    "tensorplex run: the output of processes that the program left behind is lost: {error}"
                );
            }
        }
    }
}

/// Waits for the program, and forwards signals to it.
fn wait(
    mut child: Child,
    signals: &mut Signals,
    terminals: &[File],
    mut witness: Option<Witness>,
) -> io::Result<ExitStatus> {
    let on_terminal = io::stdin().is_terminal();
    for signal in signals.forever() {
        match signal {
            SIGCHLD => {
                if let Some(status) = child.try_wait()? {
                    return Ok(status);
                }
            }
            // The program may have got SIGWINCH from the terminal before its own terminal had the
            // new size.
            SIGWINCH => {
                for terminal in terminals {
                    copy_size(&io::stdin(), terminal);
                }
                forward(&child, signal);
            }
            // The terminal sends these to the program as well.
            SIGINT | SIGQUIT if on_terminal => {}
            signal if witness.as_ref().is_some_and(|witness| witness.has_got(signal)) => {
                // A pending signal stays, so the next one needs another witness.
                witness = Witness::start(&FORWARDED).ok();
            }
            signal => forward(&child, signal),
        }
    }
    child.wait()
}

fn forward(child: &Child, signal: i32) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let (Some(pid), Some(signal)) = (pid, Signal::from_named_raw(signal)) {
        // Fails when the program has just ended; SIGCHLD will tell.
        let _ = kill_process(pid, signal);
    }
}

fn log_end(log: &Logger, status: ExitStatus, time: Duration) {
    let how = match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => match signal_hook::low_level::signal_name(signal) {
            Some(name) => format!("signal {name}"),
            None => format!("signal {signal}"),
        },
        (None, None) => status.to_string(),
    };
    let memory = match getrusage(UsageWho::RUSAGE_CHILDREN) {
        // Linux reports KiB.
        Ok(usage) => format_bytes(u64::try_from(usage.max_rss()).unwrap_or(0) << 10),
        Err(error) => error.to_string(),
    };
    let level = if status.success() {
        Level::INFO
    } else {
        Level::ERROR
    };
    let seconds = time.as_secs_f64();
    log.log(
        level,
        format!("ended: {how} after {seconds:.3} s, peak memory {memory}"),
    );
}

/// Command line in the syntax of a shell.
fn shell_quoted(command: &[OsString]) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_=./:,+@%".contains(c);
    let word = |word: &OsString| {
        let word = word.to_string_lossy().into_owned();
        if !word.is_empty() && word.chars().all(plain) {
            return word;
        }
        format!("'{}'", word.replace('\'', r"'\''"))
    };
    command.iter().map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_quoted_for_a_shell() {
        let words = ["sh", "-c", "echo 'a'", "", "--lr=0.1"].map(Into::into);
        assert_eq!(shell_quoted(&words), r"sh -c 'echo '\''a'\''' '' --lr=0.1");
    }
}
