//! `tensorplex run`: a program whose output is also a log.

mod capture;
mod fold;

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

use crate::client_options::{ENVIRONMENT, Spooling, Target, duration};
use crate::server::live::size;
use capture::{Capture, copy_size};

/// How long output may still come after the program has ended: from processes that it left behind.
const LEFT_BEHIND: Duration = Duration::from_secs(1);

/// Run a program; what it prints goes where it always goes, and line by line into its log
#[derive(clap::Args, Debug)]
#[command(after_help = "\
The program sees a terminal where it would see one. Of progress bars the log has the last state, and no colours. Start,
end, time and peak memory are logged as well. The exit code is that of the program, or 128 and the number of the signal
that ended it; 125 when tensorplex itself fails, 126 or 127 when the program cannot be started.

SIGTERM, SIGHUP, SIGUSR1 and SIGUSR2 are passed on; SIGINT and SIGQUIT too, except on a terminal, which sends Ctrl-C to
the program itself. When the server is away the program goes on; what does not fit into 64 MiB is not logged, and
counted. A process that the program leaves behind is captured for one second more.

Examples:
  tensorplex run --client-id agent/0 -- python train.py --lr 0.1
  tensorplex run --redis redis.example:6379 --client-id agent/0 -- make")]
pub struct Run {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    spooling: Spooling,
    /// Client id of the log
    #[arg(long)]
    client_id: String,
    /// How long to wait for the server after the program has ended
    #[arg(long, default_value = "10s", value_parser = duration)]
    timeout: Duration,
    /// The program and its arguments
    #[arg(required = true, last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// The program did not run to its end under our eyes.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The options do not lead to a server.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// There is no command.
    #[error("no command to run")]
    NoCommand,
    /// The program cannot be started.
    #[error("{program}: {error}")]
    Start {
        /// Which.
        program: String,
        /// What the system said.
        error: io::Error,
    },
    /// The system refused something else.
    #[error(transparent)]
    System(#[from] io::Error),
}

impl RunError {
    /// As `env` and `timeout` have it.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Start { error, .. } if error.kind() == io::ErrorKind::NotFound => 127,
            Self::Start { .. } => 126,
            _ => 125,
        }
    }
}

/// A program that has ended.
#[derive(Debug)]
pub struct Ended {
    /// How.
    pub status: ExitStatus,
    /// Whether its lines are on the server's disk.
    pub logged: Result<(), FlushError>,
}

impl Ended {
    /// That of the program; when a signal ended it, 128 and its number, as a shell has it.
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
    /// When it cannot be started or watched.
    pub fn run(&self) -> Result<Ended, RunError> {
        let (program, args) = self.command.split_first().ok_or(RunError::NoCommand)?;
        let options = ClientOptions {
            spool: self.spooling.spool.clone(),
            environment: ENVIRONMENT,
            ..ClientOptions::default()
        };
        let client = Client::connect_with(
            &self.target.address(),
            loggerplex::QUEUE,
            &self.client_id,
            options,
        )?;
        let log = Logger::new(LoggerplexClient::new(client).one_way());
        // Before there is a child: none of its signals is missed.
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
        // It holds ends that the program writes to, and the copies would wait for it.
        drop(command);
        log.info(format!("started: {}", shown(&self.command)));
        let copies = capture.copy(&log);
        let status = wait(child, &mut signals, &terminals)?;
        finish(copies);
        log_end(&log, status, start.elapsed());
        let logged = log.flush(self.timeout);
        Ok(Ended { status, logged })
    }
}

/// Waits for the program, and passes signals on to it.
fn wait(mut child: Child, signals: &mut Signals, terminals: &[File]) -> io::Result<ExitStatus> {
    let on_terminal = io::stdin().is_terminal();
    for signal in signals.forever() {
        match signal {
            SIGCHLD => {
                if let Some(status) = child.try_wait()? {
                    return Ok(status);
                }
            }
            // The terminal may have sent it to the program as well: before the size was right.
            SIGWINCH => {
                for terminal in terminals {
                    copy_size(&io::stdin(), terminal);
                }
                pass_on(&child, signal);
            }
            // The terminal has sent it to the program as well.
            SIGINT | SIGQUIT if on_terminal => {}
            signal => pass_on(&child, signal),
        }
    }
    child.wait()
}

fn pass_on(child: &Child, signal: i32) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let (Some(pid), Some(signal)) = (pid, Signal::from_named_raw(signal)) {
        // It may have ended already, which the next signal tells.
        let _ = kill_process(pid, signal);
    }
}

/// Waits for the rest of the output, but not for ever: a process that was left behind may hold it open.
fn finish(copies: Vec<JoinHandle<()>>) {
    let end = Instant::now() + LEFT_BEHIND;
    for copy in copies {
        while !copy.is_finished() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(2));
        }
        if copy.is_finished() && copy.join().is_err() {
            tracing::error!("a thread that copies output has failed");
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
        // In KiB on Linux.
        Ok(usage) => size(u64::try_from(usage.max_rss()).unwrap_or(0) << 10),
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

/// The command as one would type it.
fn shown(command: &[OsString]) -> String {
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
    fn a_command_is_shown_as_one_would_type_it() {
        let words = ["sh", "-c", "echo 'a'", "", "--lr=0.1"].map(Into::into);
        assert_eq!(shown(&words), r"sh -c 'echo '\''a'\''' '' --lr=0.1");
    }
}
