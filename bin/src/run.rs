//! `tensorplex run`: runs a program, and logs its output.

mod capture;
mod line_splitter;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use loggerplex::{Level, Logger, LoggerplexClient};
use nix::sys::resource::{UsageWho, getrusage};
use remotecall::{Client, ClientOptions, ConnectError, FlushError};
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};
use signal_hook::iterator::Signals;

use crate::endpoint::{ENVIRONMENT, EndpointOptions, SpoolOptions};
use crate::units::{format_bytes, parse_duration};
use capture::{Capture, copy_size};

/// Time for which the output of processes that the program left behind is still captured: 1 s.
const ORPHAN_TIME: Duration = Duration::from_secs(1);

/// Run a program, and log its output line by line
///
/// The output still goes where it went before, and the program sees a terminal where it saw one
/// before. The log leaves out colours, and keeps the last state of a progress bar. It also gets
/// start, end, run time and peak memory.
///
/// SIGTERM, SIGHUP, SIGUSR1 and SIGUSR2 are passed on to the program. So are SIGINT and SIGQUIT,
/// except on a terminal, which sends Ctrl-C to the program itself.
///
/// The program does not wait for a server that is away: up to 64 MiB of lines are kept, and further
/// lines are dropped and counted. Processes that the program leaves behind are captured for one
/// more second.
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
    /// Time limit for acknowledgements after the program has ended
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_duration)]
    timeout: Duration,
    /// Program to run, with its arguments
    #[arg(required = true, last = true, value_name = "COMMAND")]
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
        let (program, args) = self.command.split_first().ok_or(RunError::NoCommand)?;
        let options = ClientOptions {
            spool: self.spool.spool.clone(),
            environment: ENVIRONMENT,
            ..ClientOptions::default()
        };
        let client = Client::connect_with(
            &self.endpoint.address(),
            loggerplex::QUEUE,
            &self.client_id,
            options,
        )?;
        let log = Logger::new(LoggerplexClient::new(client).one_way());
        // Registered before the child exists, so that its SIGCHLD is not missed.
        let mut signals = Signals::new([
            SIGCHLD, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGINT, SIGQUIT, SIGWINCH,
        ])?;
        let capture = Capture::open()?;
        let terminals = capture.terminals()?;
        let mut command = Command::new(program);
        command
            .args(args)
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
        let copies = capture.copy(&log);
        let status = wait(child, &mut signals, &terminals)?;
        finish(copies);
        log_end(&log, status, start.elapsed());
        let logged = log.flush(self.timeout);
        Ok(Ended { status, logged })
    }
}

/// Waits for the program, and forwards signals to it.
fn wait(mut child: Child, signals: &mut Signals, terminals: &[File]) -> io::Result<ExitStatus> {
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

/// Waits for the rest of the output for a limited time, because a process left behind may hold it
/// open.
fn finish(copies: Vec<JoinHandle<()>>) {
    let end = Instant::now() + ORPHAN_TIME;
    for copy in copies {
        while !copy.is_finished() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(2));
        }
        if copy.is_finished() && copy.join().is_err() {
            tracing::error!("the thread that copies the output panicked; its later lines are not logged");
        }
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
