//! `tensorplex top`: what the workers do now.

mod frame;
mod screen;
mod state;

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use remotecall::{AddressError, BrokerWatch};
use tensorplex::logdir::{FindError, Pattern, Watch};

use crate::client_options::{ENVIRONMENT, Target, duration};
use crate::exit::FINE;
use crate::terminal::has_colours;
use frame::Look;
use screen::Screen;
use state::{Broker, State};

/// How often the files and the broker are looked at.
const EVERY: Duration = Duration::from_secs(1);
/// How often a key or a signal is noticed.
const TICK: Duration = Duration::from_millis(50);
/// The size of what is printed when there is no terminal.
const PRINTED: (usize, usize) = (120, usize::MAX);

/// Show what the workers do now: last steps and values, records per second, the backlog, silent runs
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Runs, steps and values are those in the event files: what the server has acknowledged. A run is silent when its last record,
by the worker's clock, is older than --silent-after. The backlog is what waits in the broker.

Keys: q or Ctrl-C ends it. Without a terminal it looks for a second, prints what it sees once and ends; so does --json.

Exit code: 0; 2 when the log directory cannot be read.

Examples:
  tensorplex top --logdir runs/
  tensorplex top --logdir runs/ --redis localhost:6379 --tag '*loss*' --tag reward
  tensorplex top --logdir runs/ --json | jq '.runs[] | select(.silent) | .run'")]
pub struct Top {
    #[command(flatten)]
    target: Target,
    /// Log directory of the server, on this machine
    #[arg(long, value_name = "DIR", default_value = "runs")]
    logdir: PathBuf,
    /// Only runs that match one of these patterns
    #[arg(long, value_name = "PATTERN")]
    run: Vec<Pattern>,
    /// Tags whose last values are shown (the first one of each run)
    #[arg(long, value_name = "PATTERN")]
    tag: Vec<Pattern>,
    /// A run is silent when nothing came for so long
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    silent_after: Duration,
    /// Print one JSON object and end
    #[arg(long)]
    json: bool,
}

/// There is nothing to show.
#[derive(Debug, thiserror::Error)]
pub enum TopError {
    /// The log directory cannot be read.
    #[error(transparent)]
    Find(#[from] FindError),
    /// The broker's address is none.
    #[error("--redis: {0}")]
    Address(#[from] AddressError),
    /// The output cannot be written.
    #[error("the output cannot be written: {0}")]
    Output(#[from] io::Error),
    /// The system refused a signal handler.
    #[error("signals cannot be caught: {0}")]
    Signals(io::Error),
}

impl Top {
    /// Shows what the workers do until it is told to end; without a terminal once.
    ///
    /// # Errors
    /// When the log directory cannot be read or the output cannot be written.
    pub fn run(&self) -> Result<u8, TopError> {
        let end = Arc::new(AtomicBool::new(false));
        for number in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
            signal_hook::flag::register(number, end.clone()).map_err(TopError::Signals)?;
        }
        let mut watch = Watch::default();
        let mut broker = BrokerWatch::with_environment(&self.target.address(), &ENVIRONMENT)?;
        let shown = broker.address().to_string();
        let mut state = State::new(self.run.clone(), self.tag.clone());
        self.look(&mut watch, &mut broker, &mut state)?;
        if self.json || !io::stdout().is_terminal() {
            let until = Instant::now() + EVERY;
            while Instant::now() < until && !end.load(Relaxed) {
                std::thread::sleep(TICK);
            }
            self.look(&mut watch, &mut broker, &mut state)?;
            self.print(&state, &shown)?;
            return Ok(FINE);
        }
        let screen = Screen::open()?;
        while !end.load(Relaxed) {
            screen.draw(&frame::lines(&state, &self.how(&shown, screen.size())))?;
            let until = Instant::now() + EVERY;
            while Instant::now() < until {
                std::thread::sleep(TICK);
                if end.load(Relaxed) || screen.wants_to_end()? {
                    return Ok(FINE);
                }
            }
            self.look(&mut watch, &mut broker, &mut state)?;
        }
        Ok(FINE)
    }

    fn look(&self, watch: &mut Watch, broker: &mut BrokerWatch, state: &mut State) -> Result<(), TopError> {
        watch.look(&self.logdir, &mut |run, event| state.event(run, event))?;
        state.broker = Broker::look(broker);
        state.turn();
        Ok(())
    }

    fn how<'a>(&'a self, broker: &'a str, (width, height): (usize, usize)) -> Look<'a> {
        Look {
            logdir: &self.logdir,
            broker,
            silent_after: self.silent_after,
            width,
            height,
            colours: has_colours(&io::stdout()),
        }
    }

    fn print(&self, state: &State, broker: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if self.json {
            return writeln!(out, "{}", state.as_json(self.silent_after));
        }
        for line in frame::lines(state, &self.how(broker, PRINTED)) {
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}
