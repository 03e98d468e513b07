//! `tensorplex top`: live view of the workers' runs.

mod controls;
mod keys;
mod layout;
mod model;
mod screen;

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use remotecall::{AddressError, BrokerWatch};
use tensorplex::logdir::{FindError, Pattern, Watch, natural_order};

use crate::endpoint::{ENVIRONMENT, EndpointOptions};
use crate::exit::{INCOMPLETE, SUCCESS, report_left_out, report_unmatched};
use crate::terminal::supports_colour;
use crate::units::parse_duration;
use controls::Controls;
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
/// On a terminal, the view scrolls, sorts and filters: h shows the keys, and q or Ctrl-C ends it. Without a terminal, or with --json, top measures for
/// one second, prints once and exits.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Exit status:
  0  ended, or printed once
  2  the log directory cannot be read
  3  something below it cannot be read and was left out, or a pattern matches
     no run

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
            return Ok(self.report(&model));
        }
        let screen = Screen::open()?;
        let mut controls = Controls::default();
        while !end.load(Relaxed) {
            let draw = |controls: &mut Controls| {
                let view = self.view(&address, screen.size());
                screen.draw(&layout::lines(&model, &view, controls))
            };
            draw(&mut controls)?;
            let until = Instant::now() + REFRESH_INTERVAL;
            while Instant::now() < until && !end.load(Relaxed) {
                std::thread::sleep(INPUT_INTERVAL);
                let keys = screen.keys()?;
                if !keys.iter().all(|key| controls.press(*key)) {
                    end.store(true, Relaxed);
                } else if !keys.is_empty() {
                    draw(&mut controls)?;
                }
            }
            self.refresh(&mut watch, &mut broker, &mut model)?;
        }
        drop(screen);
        report_left_out("top", &model.left_out);
        Ok(if model.left_out.is_empty() {
            SUCCESS
        } else {
            INCOMPLETE
        })
    }

    /// Names what was left out, and patterns that match nothing. Returns the exit code.
    fn report(&self, model: &Model) -> u8 {
        report_left_out("top", &model.left_out);
        let mut names: Vec<String> = model.names.iter().cloned().collect();
        names.sort_by(|a, b| natural_order(a, b));
        let unmatched = Pattern::unmatched(&self.run, &names);
        report_unmatched("top", ["run", "runs"], &unmatched, &names);
        if model.left_out.is_empty() && unmatched.is_empty() {
            SUCCESS
        } else {
            INCOMPLETE
        }
    }

    fn refresh(
        &self,
        watch: &mut Watch,
        broker: &mut BrokerWatch,
        model: &mut Model,
    ) -> Result<(), TopError> {
        model.left_out = watch.look(&self.logdir, &mut |run, event| model.add_event(run, event))?;
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
            is_interactive: !self.json && io::stdout().is_terminal(),
        }
    }

    fn print(&self, model: &Model, broker: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if self.json {
            return writeln!(out, "{}", model.as_json(self.silent_after));
        }
        for line in layout::lines(model, &self.view(broker, PLAIN_SIZE), &mut Controls::default()) {
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}
