//! `tensorplex top`: live view of the workers' runs.

mod layout;
mod model;
mod screen;

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use remotecall::{AddressError, BrokerWatch};
use tensorplex::logdir::{FindError, Pattern, Watch};

use crate::endpoint::{ENVIRONMENT, EndpointOptions};
use crate::exit::SUCCESS;
use crate::terminal::supports_colour;
use crate::units::parse_duration;
use layout::View;
use model::{BrokerStatus, Model};
use screen::Screen;

/// Refresh interval of files and broker: 1 s.
const REFRESH_INTERVAL: Duration = Duration::from_secs(1);
/// Poll interval of keys and signals: 50 ms.
const INPUT_INTERVAL: Duration = Duration::from_millis(50);
/// Columns and rows of the output without a terminal.
const PLAIN_SIZE: (usize, usize) = (120, usize::MAX);

/// Show the workers' runs live: last steps and values, records per second, backlog, silent runs
///
/// Steps and values are read from the event files, so they are what the server has written. A run
/// is silent when its last record, by the worker's clock, is older than --silent-after. The backlog
/// is what waits in the broker.
///
/// On a terminal, q or Ctrl-C ends the view. Without a terminal, or with --json, top measures for
/// one second, prints once and exits.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Exit status:
  0  ended, or printed once
  2  the log directory cannot be read

Examples:
  tensorplex top --logdir runs/
  tensorplex top --redis localhost:6379 --tag '*loss*' --tag reward
  tensorplex top --json | jq '.runs[] | select(.silent) | .run'")]
pub struct Top {
    #[command(flatten)]
    endpoint: EndpointOptions,
    /// Log directory of the server, on this machine
    #[arg(long, value_name = "DIR", default_value = "runs")]
    logdir: PathBuf,
    /// Only runs that match (*, ? and [abc]); repeat for several patterns
    #[arg(long, value_name = "PATTERN")]
    run: Vec<Pattern>,
    /// Tags to show; default: the first tag of each run
    #[arg(long, value_name = "PATTERN")]
    tag: Vec<Pattern>,
    /// Age of the last record after which a run is silent
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_duration)]
    silent_after: Duration,
    /// Print one JSON object and exit
    #[arg(long)]
    json: bool,
}

/// The runs cannot be shown.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TopError {
    /// The log directory cannot be read.
    #[error(transparent)]
    Find(#[from] FindError),
    /// The broker's address is invalid.
    #[error("--redis: {0}")]
    Address(#[from] AddressError),
    /// The output cannot be written.
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
    /// A signal handler cannot be registered.
    #[error("cannot register a signal handler: {0}")]
    Signals(io::Error),
}

impl Top {
    /// Shows the runs until a key or a signal ends the view; without a terminal, prints them once.
    ///
    /// # Errors
    /// Fails when the log directory cannot be read, or the output cannot be written.
    pub fn run(&self) -> Result<u8, TopError> {
        let end = Arc::new(AtomicBool::new(false));
        for number in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
            signal_hook::flag::register(number, end.clone()).map_err(TopError::Signals)?;
        }
        let mut watch = Watch::default();
        let mut broker = BrokerWatch::with_environment(&self.endpoint.address(), &ENVIRONMENT)?;
        let address = broker.address().to_string();
        let mut model = Model::new(self.run.clone(), self.tag.clone());
        self.refresh(&mut watch, &mut broker, &mut model)?;
        if self.json || !io::stdout().is_terminal() {
            let until = Instant::now() + REFRESH_INTERVAL;
            while Instant::now() < until && !end.load(Relaxed) {
                std::thread::sleep(INPUT_INTERVAL);
            }
            self.refresh(&mut watch, &mut broker, &mut model)?;
            self.print(&model, &address)?;
            return Ok(SUCCESS);
        }
        let screen = Screen::open()?;
        while !end.load(Relaxed) {
            screen.draw(&layout::lines(&model, &self.view(&address, screen.size())))?;
            let until = Instant::now() + REFRESH_INTERVAL;
            while Instant::now() < until {
                std::thread::sleep(INPUT_INTERVAL);
                if end.load(Relaxed) || screen.quit_pressed()? {
                    return Ok(SUCCESS);
                }
            }
            self.refresh(&mut watch, &mut broker, &mut model)?;
        }
        Ok(SUCCESS)
    }

    fn refresh(
        &self,
        watch: &mut Watch,
        broker: &mut BrokerWatch,
        model: &mut Model,
    ) -> Result<(), TopError> {
        watch.look(&self.logdir, &mut |run, event| model.add_event(run, event))?;
        model.broker = BrokerStatus::query(broker);
        model.update_rates();
        Ok(())
    }

    fn view<'a>(&'a self, broker: &'a str, (width, height): (usize, usize)) -> View<'a> {
        View {
            logdir: &self.logdir,
            broker,
            silent_after: self.silent_after,
            width,
            height,
            colours: supports_colour(&io::stdout()),
        }
    }

    fn print(&self, model: &Model, broker: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if self.json {
            return writeln!(out, "{}", model.as_json(self.silent_after));
        }
        for line in layout::lines(model, &self.view(broker, PLAIN_SIZE)) {
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}
