//! `tensorplex-server`: writes the event files and log files of many workers.

mod log_options;
mod status_line;

use std::io::{self, IsTerminal, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use loggerplex::Loggerplex;
use remotecall::embedded::{BrokerOptions, BrokerStartError, EmbeddedBroker};
use remotecall::{
    FileError, JournalError, RunError, ServerHandle, StatsSnapshot, read_password, warn_if_others_can_read,
};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tensorplex::layout::{LOGS, PRIVATE};
use tensorplex::routing::GroupError;
use tensorplex::{Group, Tensorplex};

use crate::credentials::CredentialOptions;
use crate::endpoint::DEFAULT_ADDRESS;
use log_options::LogOptions;
use status_line::StatusLine;

/// Variable that names the password file of the embedded broker; workers use the same one.
const PASSWORD_FILE: &str = "TENSORPLEX_PASSWORD_FILE";
/// Interval of health checks, and of the status line on a terminal: 1 s.
const TICK: Duration = Duration::from_secs(1);

/// Write the records of many training workers into TensorBoard event files and text log files
///
/// Without --redis, the server runs a broker of its own: workers connect to the address of
/// --listen. With --redis, workers connect to that Redis, and go on logging while the server is
/// stopped.
///
/// To listen beyond this machine, the embedded broker needs a password: --password-file,
/// TENSORPLEX_PASSWORD_FILE or TENSORPLEX_PASSWORD. Workers read TENSORPLEX_PASSWORD_FILE too, or
/// take the password from their address: redis://:PASSWORD@HOST:PORT.
///
/// Change the options of groups and log files only after a clean shutdown; after a crash, start
/// once with the old values, or with --accept-new-groups.
#[derive(clap::Parser, Debug)]
#[command(
    name = "tensorplex-server",
    version,
    after_help = "\
Signals:
  SIGTERM, SIGINT  drain the queues, save a checkpoint, exit 0
  SIGHUP           reopen the log files, after logrotate has moved them

Environment:
  RUST_LOG         level of the server's own log lines; default: info

Examples:
  tensorplex-server --logdir runs/
  tensorplex-server --logdir runs/ --redis localhost:6379
  tensorplex-server --logdir runs/ --redis localhost:6379 --queue team-a
  tensorplex-server --logdir runs/ --redis rediss://me@redis.example \\
      --redis-ca ca.pem --redis-password-file secret
  tensorplex-server --logdir runs/ --listen 0.0.0.0:8008 --password-file secret
  tensorplex-server --logdir runs/ --group learner --group agent:8
  tensorplex-server --logdir runs/ --rotate-size 100M --rotate-keep 9
  tensorplex-server --logdir runs/ --log-level debug \\
      --time-format '%FT%T%.3f' --time-zone UTC"
)]
pub struct Server {
    /// Directory for event files and log files; view it with tensorboard --logdir DIR
    #[arg(long, value_name = "DIR")]
    logdir: PathBuf,
    /// Redis or Valkey to read from, instead of the embedded broker
    ///
    /// Forms: host:port, redis://user:password@host:port/db, rediss://… (TLS), unix:///path.
    #[arg(
        long,
        value_name = "ADDR",
        env = "TENSORPLEX_REDIS",
        hide_env_values = true,
        conflicts_with = "listen"
    )]
    redis: Option<String>,
    /// Prefix of this server's queues, so that several servers share one Redis
    ///
    /// Its workers and tools have the same prefix in their address: redis://host:6379?queue=NAME.
    #[arg(long, value_name = "NAME", requires = "redis")]
    queue: Option<String>,
    #[command(flatten)]
    credentials: CredentialOptions,
    /// Address of the embedded broker; port 0 takes a free port
    #[arg(long, value_name = "HOST:PORT", default_value = DEFAULT_ADDRESS, value_parser = listen_address)]
    listen: SocketAddr,
    /// File whose only line is the password of the embedded broker
    #[arg(long, value_name = "FILE", conflicts_with = "redis")]
    password_file: Option<PathBuf>,
    /// Read from the environment only: the command line is visible to every user of the machine.
    #[arg(skip = std::env::var("TENSORPLEX_PASSWORD").ok())]
    password: Option<String>,
    /// Memory limit of the embedded broker, in MiB; workers keep what exceeds it
    #[arg(long, value_name = "MIB", default_value_t = 1024)]
    broker_memory: usize,
    /// Group of clients: NAME (one run for all) or NAME:N (N clients per chart); may be repeated
    ///
    /// Without groups, every client id is a run of its own. With groups, a client id is GROUP/NAME,
    /// or GROUP/NAME/RUN for a run below the client's own, and other groups are refused.
    #[arg(long, value_name = "NAME[:N]")]
    group: Vec<String>,
    /// After a crash, first write the records in the journal by the groups of that time
    ///
    /// Without it, a server with other groups than before a crash does not start.
    #[arg(long)]
    accept_new_groups: bool,
    #[command(flatten)]
    logs: LogOptions,
}

/// Parses an address to listen on; `localhost` and other host names count, with their first address.
fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let hint = "write HOST:PORT, such as 127.0.0.1:8008, localhost:8008 or [::1]:8008";
    let found = text
        .to_socket_addrs()
        .map_err(|error| format!("{error}; {hint}"))?;
    // Workers find `localhost` by IPv4 on machines without IPv6.
    let mut found: Vec<SocketAddr> = found.collect();
    found.sort_by_key(|address| !address.is_ipv4());
    found
        .first()
        .copied()
        .ok_or_else(|| format!("the host has no address; {hint}"))
}

/// The server could not start, or had to stop.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The log directory is a file.
    #[error("{} is a file: --logdir names the directory to write to", .0.display())]
    NotADirectory(PathBuf),
    /// The log directory cannot be used.
    #[error("log directory {path}: {error}")]
    Logdir {
        /// Log directory.
        path: PathBuf,
        /// Error of the system.
        error: std::io::Error,
    },
    /// A group is invalid.
    #[error("--group: {0}")]
    Group(#[from] GroupError),
    /// The groups changed after a crash.
    #[error(
        "the journal in {logdir} holds records that were accepted with {was}: start once with these groups and stop the \
         server, or add --accept-new-groups, which writes those records first"
    )]
    GroupsChanged {
        /// Log directory.
        logdir: PathBuf,
        /// Options of the former groups.
        was: String,
    },
    /// The embedded broker cannot listen.
    #[error("{error}{}", broker_hint(error))]
    Broker {
        /// Reason.
        #[from]
        error: BrokerStartError,
    },
    /// A queue cannot be served.
    #[error("queue {queue}: {error}{}", hint(error))]
    Queue {
        /// Name of the queue.
        queue: &'static str,
        /// Reason.
        error: RunError,
    },
    /// Credential files for Redis were given without `--redis`.
    #[error(
        "--redis-password-file, --redis-ca, --redis-cert and --redis-key need --redis; for the embedded broker, use \
         --password-file"
    )]
    NoRedis,
    /// The password file of the embedded broker cannot be used.
    #[error(transparent)]
    Password(#[from] FileError),
    /// A signal handler cannot be registered.
    #[error("cannot register a signal handler: {0}")]
    Signals(std::io::Error),
}

fn open_records(logdir: &Path, groups: Vec<Group>) -> Result<Tensorplex, ServerError> {
    let private = logdir.join(PRIVATE).join(tensorplex::QUEUE);
    let mut records = Tensorplex::open(logdir, &private).map_err(|error| ServerError::Logdir {
        path: logdir.to_owned(),
        error,
    })?;
    for group in groups {
        records = records.group(group)?;
    }
    Ok(records)
}

/// Groups as options of this program.
fn options_of(groups: &[Group]) -> String {
    let options: Vec<String> = groups.iter().map(|group| format!("--group {group}")).collect();
    match options.is_empty() {
        true => "no --group".to_owned(),
        false => options.join(" "),
    }
}

/// Option of this program that helps with an error of a queue.
fn hint(error: &RunError) -> &'static str {
    match error {
        RunError::QueueTaken { .. } => "; --queue NAME gives this server queues of its own",
        _ => "",
    }
}

/// Options of this program that help with an error of the embedded broker.
fn broker_hint(error: &BrokerStartError) -> &'static str {
    match error {
        BrokerStartError::NoPassword(_) => {
            "; --password-file FILE or the variable TENSORPLEX_PASSWORD sets one"
        }
        BrokerStartError::Listen { .. } => {
            "; --listen HOST:PORT takes another address, with port 0 a free one"
        }
        _ => "",
    }
}

/// Registers SIGTERM and SIGINT, and returns the channel on which they arrive.
fn stop_signals() -> std::io::Result<Receiver<()>> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let (stop, stops) = channel();
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            for _ in signals.forever() {
                // Fails when the server is stopping already.
                let _ = stop.send(());
            }
        })?;
    Ok(stops)
}

/// Running server: both queues and the embedded broker.
struct Running {
    queues: [(&'static str, ServerHandle); 2],
    /// Dropped last, because the queues are read through it.
    _broker: Option<EmbeddedBroker>,
}

impl Server {
    /// Serves until SIGTERM or SIGINT.
    ///
    /// # Errors
    /// Fails when the server cannot start, or has to stop.
    pub fn run(&self) -> Result<(), ServerError> {
        let stop = stop_signals().map_err(ServerError::Signals)?;
        // Registered before the log files exist, so that no SIGHUP ends the server.
        let hangup = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(signal_hook::consts::SIGHUP, hangup.clone())
            .map_err(ServerError::Signals)?;
        // A file that reaches `ulimit -f` is a disk without room: with a handler the write fails instead of ending the
        // process.
        signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default())
            .map_err(ServerError::Signals)?;
        let running = self.start(hangup)?;
        let mut status = StatusLine::new(std::io::stderr().is_terminal());
        while stop.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) && !running.has_ended() {
            status.update(|| running.queues.each_ref().map(|(_, server)| server.stats()));
        }
        status.finish(&running.stop()?);
        Ok(())
    }

    fn start(&self, hangup: Arc<AtomicBool>) -> Result<Running, ServerError> {
        let logdir = self.logdir()?;
        let in_logdir = |error| ServerError::Logdir {
            path: logdir.clone(),
            error,
        };
        let private = |queue: &str| logdir.join(PRIVATE).join(queue);
        let lines = Loggerplex::open(&logdir.join(LOGS), &private(loggerplex::QUEUE)).map_err(in_logdir)?;
        let lines = self.logs.apply(lines, hangup);

        let (broker, address) = self.broker()?;
        let on = |queue| move |error| ServerError::Queue { queue, error };
        let records = self.serve_records(&logdir, &address)?;
        let lines = lines.serve(&address).map_err(on(loggerplex::QUEUE))?;
        self.print_banner(&logdir, broker.as_ref());
        Ok(Running {
            queues: [(tensorplex::QUEUE, records), (loggerplex::QUEUE, lines)],
            _broker: broker,
        })
    }

    fn serve_records(&self, logdir: &Path, address: &str) -> Result<ServerHandle, ServerError> {
        let in_queue = |error| ServerError::Queue {
            queue: tensorplex::QUEUE,
            error,
        };
        let groups = || {
            self.group
                .iter()
                .map(|group| Group::from_str(group))
                .collect::<Result<_, _>>()
        };
        let error = match open_records(logdir, groups()?)?.serve(address) {
            Ok(server) => return Ok(server),
            Err(error) => error,
        };
        let RunError::Journal(JournalError::OtherSettings { was, .. }) = &error else {
            return Err(in_queue(error));
        };
        let Some(former) = Group::parse_settings(was) else {
            return Err(in_queue(error));
        };
        let was = options_of(&former);
        if !self.accept_new_groups {
            let logdir = logdir.to_owned();
            return Err(ServerError::GroupsChanged { logdir, was });
        }
        tracing::warn!("writing the records in the journal with {was}, before the new groups");
        open_records(logdir, former)?.recover().map_err(in_queue)?;
        open_records(logdir, groups()?)?.serve(address).map_err(in_queue)
    }

    fn logdir(&self) -> Result<PathBuf, ServerError> {
        if self.logdir.is_file() {
            return Err(ServerError::NotADirectory(self.logdir.clone()));
        }
        let make = || {
            std::fs::create_dir_all(&self.logdir)?;
            self.logdir.canonicalize()
        };
        make().map_err(|error| ServerError::Logdir {
            path: self.logdir.clone(),
            error,
        })
    }

    /// Starts the embedded broker if it is wanted. Returns it with the address to read from.
    fn broker(&self) -> Result<(Option<EmbeddedBroker>, String), ServerError> {
        if let Some(redis) = &self.redis {
            let address = self.credentials.apply(redis);
            let address = match &self.queue {
                Some(queue) => remotecall::Address::with_parameter(&address, "queue", queue),
                None => address,
            };
            return Ok((None, address));
        }
        if !self.credentials.is_empty() {
            return Err(ServerError::NoRedis);
        }
        let mut options = BrokerOptions::new(self.listen);
        options.max_memory = self.broker_memory << 20;
        options.password = self.broker_password()?;
        let broker = EmbeddedBroker::start(options)?;
        let address = broker.own_address();
        Ok((Some(broker), address))
    }

    fn broker_password(&self) -> Result<Option<String>, ServerError> {
        let from_environment = || std::env::var_os(PASSWORD_FILE).filter(|path| !path.is_empty());
        let file = self.password_file.clone();
        let Some(path) = file.or_else(|| from_environment().map(PathBuf::from)) else {
            return Ok(self.password.clone());
        };
        warn_if_others_can_read(&path);
        Ok(Some(read_password(&path)?))
    }

    /// Prints the banner. Nothing reads it as a rule, so a closed standard output is no error.
    fn print_banner(&self, logdir: &std::path::Path, broker: Option<&EmbeddedBroker>) {
        let _ = self.write_banner(&mut std::io::stdout().lock(), logdir, broker);
    }

    fn write_banner(
        &self,
        out: &mut impl Write,
        logdir: &std::path::Path,
        broker: Option<&EmbeddedBroker>,
    ) -> io::Result<()> {
        writeln!(out, "tensorplex-server {}", env!("CARGO_PKG_VERSION"))?;
        match (
            broker,
            self.redis.as_deref().map(str::parse::<remotecall::Address>),
        ) {
            (Some(broker), _) => writeln!(out, "  listening on {} (embedded broker)", broker.address())?,
            (None, Some(Ok(address))) => match &self.queue {
                Some(queue) => writeln!(
                    out,
                    "  reading from {address}, for workers at {address}?queue={queue}"
                )?,
                None => writeln!(out, "  reading from {address}")?,
            },
            _ => {}
        }
        writeln!(out, "  writing to   {}", logdir.display())?;
        writeln!(out, "  to view it:  tensorboard --logdir {}", logdir.display())?;
        out.flush()
    }
}

impl Running {
    fn has_ended(&self) -> bool {
        self.queues.iter().any(|(_, server)| server.has_ended())
    }

    /// Stops both queues, also when the first one fails.
    fn stop(self) -> Result<[StatsSnapshot; 2], ServerError> {
        let stop = |(queue, server): (_, ServerHandle)| {
            server.stop().map_err(|error| ServerError::Queue { queue, error })
        };
        let [records, lines] = self.queues.map(stop);
        Ok([records?, lines?])
    }
}
