//! `tensorplex-server`: event files and log files of many workers.

pub(crate) mod live;
mod log_options;

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use loggerplex::Loggerplex;
use remotecall::embedded::{BrokerOptions, BrokerStartError, EmbeddedBroker};
use remotecall::{FileError, RunError, ServerHandle, StatsSnapshot, read_password, warn_if_others_can_read};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tensorplex::{Group, GroupError, LOGS, PRIVATE, Tensorplex};

use crate::broker_files::BrokerFiles;
use live::Live;
use log_options::LogOptions;

/// The variable that names the file of the broker's password, for servers as for workers.
const PASSWORD_FILE: &str = "TENSORPLEX_PASSWORD_FILE";
/// How often the server looks at its threads, and the line on a terminal changes.
const TICK: Duration = Duration::from_secs(1);

/// Write the records of many training workers into TensorBoard event files and text log files
///
/// Without --redis the server is its own broker: workers connect to the address it listens on. With --redis workers
/// connect to that Redis, and the server may come and go.
#[derive(clap::Parser, Debug)]
#[command(
    version,
    after_help = "\
Examples:
  tensorplex-server --logdir runs/
  tensorplex-server --logdir runs/ --redis localhost:6379
  tensorplex-server --logdir runs/ --redis rediss://me@redis.example --redis-ca ca.pem --redis-password-file secret
  tensorplex-server --logdir runs/ --listen 0.0.0.0:8008 --password-file secret
  tensorplex-server --logdir runs/ --group learner --group agent:8
  tensorplex-server --logdir runs/ --rotate-size 100M --rotate-keep 9
  tensorplex-server --logdir runs/ --log-level debug --time-format '%FT%T%.3f' --time-zone UTC

Options of groups and of log files may change after the server was stopped, not after it was killed.

Without --redis, TENSORPLEX_PASSWORD or the file that TENSORPLEX_PASSWORD_FILE names is the password of the server's own
broker; it is needed to listen beyond this machine. Workers take it from a file too (TENSORPLEX_PASSWORD_FILE), or from
their address: redis://:PASSWORD@HOST:PORT.
SIGHUP opens the log files again by their names, as logrotate wants it after it has moved them (postrotate).
SIGTERM and Ctrl-C work off what is in the queue, save, and exit 0. RUST_LOG chooses the log lines (info)."
)]
pub struct Server {
    /// Directory to write below; TensorBoard reads it: tensorboard --logdir DIR
    #[arg(long, value_name = "DIR")]
    logdir: PathBuf,
    /// Redis or Valkey to read from: host:port, redis://user:password@host:port/db, rediss://… (TLS), unix:///path
    #[arg(
        long,
        value_name = "ADDR",
        env = "TENSORPLEX_REDIS",
        hide_env_values = true,
        conflicts_with = "listen"
    )]
    redis: Option<String>,
    #[command(flatten)]
    files: BrokerFiles,
    /// Where the server's own broker listens; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8008")]
    listen: SocketAddr,
    /// File with the password of the server's own broker as its only line
    #[arg(long, value_name = "FILE", conflicts_with = "redis")]
    password_file: Option<PathBuf>,
    /// Not an option: a password does not belong into the list of processes.
    #[arg(skip = std::env::var("TENSORPLEX_PASSWORD").ok())]
    password: Option<String>,
    /// Memory of the server's own broker, in MiB; workers keep what does not fit
    #[arg(long, value_name = "MIB", default_value_t = 1024)]
    broker_memory: usize,
    /// A group of clients: NAME (they share one run) or NAME:N (N clients per chart); may be repeated
    ///
    /// Without groups every client id is a run of its own. With groups a client id is GROUP/NAME, or
    /// GROUP/NAME/RUN for a run below the client's own, and other groups are refused.
    #[arg(long, value_name = "NAME[:N]")]
    group: Vec<String>,
    #[command(flatten)]
    logs: LogOptions,
}

/// The server could not start, or had to end.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The log directory cannot be used.
    #[error("log directory {path}: {error}")]
    Logdir {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// A group cannot be registered.
    #[error("--group: {0}")]
    Group(#[from] GroupError),
    /// The embedded broker cannot listen.
    #[error(transparent)]
    Broker(#[from] BrokerStartError),
    /// One of the two objects cannot be served.
    #[error("queue {queue}: {error}")]
    Queue {
        /// Its queue.
        queue: &'static str,
        /// Why.
        error: RunError,
    },
    /// Files for a Redis, and no Redis.
    #[error(
        "--redis-password-file, --redis-ca, --redis-cert and --redis-key are of use only with --redis; the password of \
             the server's own broker comes from --password-file"
    )]
    NoRedis,
    /// The file with the password of our own broker cannot be used.
    #[error(transparent)]
    Password(#[from] FileError),
    /// The system refused a signal handler.
    #[error("signals cannot be caught: {0}")]
    Signals(std::io::Error),
}

/// Where SIGTERM and SIGINT arrive from now on.
fn stop_signals() -> std::io::Result<Receiver<()>> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let (stop, stops) = channel();
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            for _ in signals.forever() {
                // Whoever is stopping already needs no second one.
                let _ = stop.send(());
            }
        })?;
    Ok(stops)
}

/// Everything that runs.
struct Running {
    queues: [(&'static str, ServerHandle); 2],
    /// Ends last: the queues are read over it.
    _broker: Option<EmbeddedBroker>,
}

impl Server {
    /// Serves until SIGTERM or SIGINT.
    ///
    /// # Errors
    /// When the server cannot start or has to end.
    pub fn run(&self) -> Result<(), ServerError> {
        let stop = stop_signals().map_err(ServerError::Signals)?;
        // Before anything can be moved away.
        let hangup = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(signal_hook::consts::SIGHUP, hangup.clone())
            .map_err(ServerError::Signals)?;
        let running = self.start(hangup)?;
        let mut live = Live::new(std::io::stderr().is_terminal());
        while stop.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) && !running.has_ended() {
            live.show(|| running.queues.each_ref().map(|(_, server)| server.stats()));
        }
        live.end(&running.stop()?);
        Ok(())
    }

    fn start(&self, hangup: Arc<AtomicBool>) -> Result<Running, ServerError> {
        let logdir = self.logdir()?;
        let in_logdir = |error| ServerError::Logdir {
            path: logdir.clone(),
            error,
        };
        let private = |queue: &str| logdir.join(PRIVATE).join(queue);
        let mut records = Tensorplex::open(&logdir, &private(tensorplex::QUEUE)).map_err(in_logdir)?;
        for group in &self.group {
            records = records.group(Group::from_str(group)?)?;
        }
        let lines = Loggerplex::open(&logdir.join(LOGS), &private(loggerplex::QUEUE)).map_err(in_logdir)?;
        let lines = self.logs.apply(lines, hangup);

        let (broker, address) = self.broker()?;
        let on = |queue| move |error| ServerError::Queue { queue, error };
        let records = records.serve(&address).map_err(on(tensorplex::QUEUE))?;
        let lines = lines.serve(&address).map_err(on(loggerplex::QUEUE))?;
        self.introduce(&logdir, broker.as_ref());
        Ok(Running {
            queues: [(tensorplex::QUEUE, records), (loggerplex::QUEUE, lines)],
            _broker: broker,
        })
    }

    fn logdir(&self) -> Result<PathBuf, ServerError> {
        let make = || {
            std::fs::create_dir_all(&self.logdir)?;
            self.logdir.canonicalize()
        };
        make().map_err(|error| ServerError::Logdir {
            path: self.logdir.clone(),
            error,
        })
    }

    /// The broker of our own, if wanted, and the address to read from.
    fn broker(&self) -> Result<(Option<EmbeddedBroker>, String), ServerError> {
        if let Some(redis) = &self.redis {
            return Ok((None, self.files.apply(redis)));
        }
        if self.files.are_named() {
            return Err(ServerError::NoRedis);
        }
        let mut options = BrokerOptions::new(self.listen);
        options.max_memory = self.broker_memory << 20;
        options.password = self.own_password()?;
        let broker = EmbeddedBroker::start(options)?;
        let address = broker.own_address();
        Ok((Some(broker), address))
    }

    fn own_password(&self) -> Result<Option<String>, ServerError> {
        let of_environment = || std::env::var_os(PASSWORD_FILE).filter(|path| !path.is_empty());
        let file = self.password_file.clone();
        let Some(path) = file.or_else(|| of_environment().map(PathBuf::from)) else {
            return Ok(self.password.clone());
        };
        warn_if_others_can_read(&path);
        Ok(Some(read_password(&path)?))
    }

    fn introduce(&self, logdir: &std::path::Path, broker: Option<&EmbeddedBroker>) {
        println!("tensorplex-server {}", env!("CARGO_PKG_VERSION"));
        match (
            broker,
            self.redis.as_deref().map(str::parse::<remotecall::Address>),
        ) {
            (Some(broker), _) => println!("  listening on {} (its own broker)", broker.address()),
            (None, Some(Ok(address))) => println!("  reading from {address}"),
            _ => {}
        }
        println!("  writing to   {}", logdir.display());
        println!("  to look at:  tensorboard --logdir {}", logdir.display());
    }
}

impl Running {
    fn has_ended(&self) -> bool {
        self.queues.iter().any(|(_, server)| server.has_ended())
    }

    /// Both are stopped, whatever the first one says.
    fn stop(self) -> Result<[StatsSnapshot; 2], ServerError> {
        let stop = |(queue, server): (_, ServerHandle)| {
            server.stop().map_err(|error| ServerError::Queue { queue, error })
        };
        let [records, lines] = self.queues.map(stop);
        Ok([records?, lines?])
    }
}
