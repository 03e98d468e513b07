//! A `tensorplex-server` process that a test kills and restarts at the same address.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::chaos::Clock;
use crate::{Broker, Lines, Process, SmallDisk, program, wait_for};

/// Running server with its log directory.
pub struct TestServer {
    /// Parent of the log directory, with nothing else in it: a test finds files that escaped.
    dir: tempfile::TempDir,
    logdir: PathBuf,
    /// Process whose mount namespace the server runs in, if not in this one's.
    namespace: Option<u32>,
    /// Variables added to the server's environment.
    environment: Vec<(OsString, OsString)>,
    /// Standard error of the server, over all restarts.
    log: tempfile::NamedTempFile,
    broker: BrokerAddress,
    /// Options of the program other than log directory and broker.
    options: Vec<String>,
    limits: Option<u32>,
    process: Process,
    address: String,
    /// Kept open, because a server that cannot print would end.
    _stdout: Lines,
}

/// Address of the broker between workers and server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BrokerAddress {
    /// Address of a Redis.
    Redis(String),
    /// Address that the server's embedded broker listens on.
    Embedded(String),
}

impl BrokerAddress {
    fn of(broker: &Broker) -> Self {
        match broker {
            Broker::Redis(redis) => Self::Redis(redis.address()),
            Broker::Embedded => Self::Embedded("127.0.0.1:0".to_owned()),
        }
    }
}

impl TestServer {
    /// Starts a server on a new log directory.
    pub fn start(broker: &Broker) -> Self {
        Self::start_with(broker, &[], None)
    }

    /// Starts a server with groups, and with a limit on open files.
    pub fn start_with(broker: &Broker, groups: &[&str], open_files: Option<u32>) -> Self {
        Self::start_program(broker, group_options(groups), open_files)
    }

    /// Starts a server with options of the program.
    pub fn start_with_options(broker: &Broker, options: &[&str]) -> Self {
        let options = options.iter().map(|&option| option.to_owned()).collect();
        Self::start_program(broker, options, None)
    }

    /// Starts a server with options on an existing log directory.
    pub fn start_in(broker: &Broker, logdir: &Path, options: &[&str]) -> Self {
        let options = options.iter().map(|&option| option.to_owned()).collect();
        let logdir = Some((logdir.to_owned(), None));
        Self::open(BrokerAddress::of(broker), logdir, options, None)
    }

    fn start_program(broker: &Broker, options: Vec<String>, open_files: Option<u32>) -> Self {
        Self::open(BrokerAddress::of(broker), None, options, open_files)
    }

    /// Starts a server whose log directory is on `disk`.
    pub fn start_on(broker: &Broker, disk: &SmallDisk) -> Self {
        let logdir = disk.root().join("runs");
        Self::open(
            BrokerAddress::of(broker),
            Some((logdir, Some(disk.namespace()))),
            Vec::new(),
            None,
        )
    }

    /// Starts a server with this broker address.
    pub fn start_at(broker: BrokerAddress) -> Self {
        Self::open(broker, None, Vec::new(), None)
    }

    /// Starts a server that uses `clock`, also after restarts.
    pub fn with_clock(broker: BrokerAddress, clock: &Clock) -> Self {
        let mut environment = Command::new("");
        clock.set_up(&mut environment);
        let environment = environment.get_envs();
        let environment = environment.filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())));
        Self::open_in(environment.collect(), broker, None, Vec::new(), None)
    }

    fn open(
        broker: BrokerAddress,
        elsewhere: Option<(PathBuf, Option<u32>)>,
        options: Vec<String>,
        open_files: Option<u32>,
    ) -> Self {
        Self::open_in(Vec::new(), broker, elsewhere, options, open_files)
    }

    fn open_in(
        environment: Vec<(OsString, OsString)>,
        broker: BrokerAddress,
        elsewhere: Option<(PathBuf, Option<u32>)>,
        options: Vec<String>,
        open_files: Option<u32>,
    ) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let (logdir, namespace) = elsewhere.unwrap_or_else(|| (dir.path().join("runs"), None));
        let log = tempfile::NamedTempFile::new().expect("a temporary file");
        let start = Start {
            logdir: &logdir,
            namespace,
            environment: &environment,
            log: log.path(),
            broker: &broker,
            options: &options,
            open_files,
        };
        let mut process = Process::start(&mut start.command());
        let (address, stdout) = wait_until_ready(&mut process, &broker);
        Self {
            dir,
            logdir,
            namespace,
            environment,
            log,
            broker,
            options,
            limits: open_files,
            process,
            address,
            _stdout: stdout,
        }
    }

    /// The log directory.
    pub fn logdir(&self) -> &Path {
        &self.logdir
    }

    /// Parent of the log directory, which holds nothing else.
    pub fn outside(&self) -> &Path {
        self.dir.path()
    }

    /// Standard error of the server so far.
    ///
    /// # Panics
    /// When it is not UTF-8.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log.path()).expect("the server's log")
    }

    /// Waits for a log line that contains all of `words`.
    ///
    /// # Panics
    /// When no such line comes in time.
    #[track_caller]
    pub fn wait_for_log(&self, words: &[&str]) {
        wait_for(&format!("{words:?} in the server's log"), || {
            let says = |line: &str| words.iter().all(|word| line.contains(word));
            self.log().lines().any(says).then_some(())
        });
    }

    /// Broker address for workers.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Kills the server with SIGKILL and starts it again at the same address on the same directory.
    pub fn kill_and_restart(&mut self) {
        self.process.kill();
        self.restart();
    }

    /// Kills the server with SIGKILL.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Peak resident memory of the process, in bytes.
    ///
    /// # Panics
    /// When the process has ended.
    pub fn peak_memory(&mut self) -> u64 {
        let path = format!("/proc/{}/status", self.process.child().id());
        let status = std::fs::read_to_string(path).expect("the state of a running process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
        kib.and_then(|kib| kib.parse::<u64>().ok()).expect("a size") << 10
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// When the server has ended already.
    pub fn signal(&mut self, signal: rustix::process::Signal) {
        self.process.signal(signal);
    }

    /// Process id.
    pub fn pid(&mut self) -> u32 {
        self.process.child().id()
    }

    /// Waits until the server ends by itself; returns its exit code, `None` after a signal.
    pub fn wait(&mut self) -> Option<i32> {
        self.process.wait().code()
    }

    /// True while the server runs.
    pub fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    /// The last three lines of the log.
    pub fn last_log_lines(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(3)..].join(" | ")
    }

    /// Starts the server and kills it after `after`, recovered or not.
    pub fn restart_and_kill(&mut self, after: std::time::Duration) {
        let mut process = Process::start(&mut self.command());
        std::thread::sleep(after);
        process.kill();
    }

    /// Sets the options of the next start.
    pub fn set_options(&mut self, options: &[&str]) {
        self.options = options.iter().map(|&option| option.to_owned()).collect();
    }

    /// Sets the groups of the next start.
    pub fn set_groups(&mut self, groups: &[&str]) {
        self.options = group_options(groups);
    }

    /// Starts the server again after its end.
    pub fn restart(&mut self) {
        self.process = Process::start(&mut self.command());
        (self.address, self._stdout) = wait_until_ready(&mut self.process, &self.broker);
    }

    /// Command that starts the server on the same directory at the same address.
    fn command(&mut self) -> Command {
        if let BrokerAddress::Embedded(address) = &mut self.broker {
            address.clone_from(&self.address);
        }
        let start = Start {
            logdir: &self.logdir,
            namespace: self.namespace,
            environment: &self.environment,
            log: self.log.path(),
            broker: &self.broker,
            options: &self.options,
            open_files: self.limits,
        };
        start.command()
    }

    /// Sends SIGHUP, as logrotate does.
    pub fn hang_up(&mut self) {
        self.process.signal(rustix::process::Signal::HUP);
    }

    /// Stops the server with SIGTERM: it has to drain its queue and exit with 0.
    ///
    /// # Panics
    /// When it exits with another code, or does not end in time.
    pub fn stop(&mut self) {
        let status = self.process.terminate();
        assert!(status.success(), "the server ended with {status}");
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the server said:\n{}", self.log());
        }
    }
}

fn group_options(groups: &[&str]) -> Vec<String> {
    let options = groups.iter().flat_map(|&group| ["--group", group]);
    options.map(str::to_owned).collect()
}

/// Waits until the server is ready; returns the broker address for workers.
fn wait_until_ready(process: &mut Process, broker: &BrokerAddress) -> (String, Lines) {
    let stdout = Lines::of(process.child().stdout.take().expect("a pipe"));
    let mut address = match broker {
        BrokerAddress::Redis(address) => Some(address.clone()),
        BrokerAddress::Embedded(_) => None,
    };
    loop {
        let line = stdout.next("the server to be ready");
        if let Some(rest) = line.trim_start().strip_prefix("listening on ") {
            address = rest.split_whitespace().next().map(str::to_owned);
        }
        if line.contains("to view it:") {
            return (address.expect("an address"), stdout);
        }
    }
}

/// Everything that starts a server.
struct Start<'a> {
    logdir: &'a Path,
    namespace: Option<u32>,
    environment: &'a [(OsString, OsString)],
    log: &'a Path,
    broker: &'a BrokerAddress,
    options: &'a [String],
    open_files: Option<u32>,
}

impl Start<'_> {
    fn command(&self) -> Command {
        let server = program("tensorplex-server");
        let mut command = match (self.open_files, self.namespace) {
            (None, None) => Command::new(&server),
            (None, Some(process)) => SmallDisk::enter(process, &server),
            (Some(limit), _) => {
                let mut shell = Command::new("sh");
                shell
                    .args(["-c", &format!("ulimit -n {limit}; exec \"$@\""), "sh"])
                    .arg(&server);
                shell
            }
        };
        let log = File::options()
            .append(true)
            .open(self.log)
            .expect("the server's log");
        let logdir = match self.namespace {
            Some(_) => &SmallDisk::seen_inside(self.logdir),
            None => self.logdir,
        };
        command.arg("--logdir").arg(logdir).env_remove("RUST_LOG");
        command.stdout(Stdio::piped()).stderr(log);
        match self.broker {
            BrokerAddress::Redis(address) => command.arg("--redis").arg(address),
            BrokerAddress::Embedded(address) => command.arg("--listen").arg(address),
        };
        command.args(self.options);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}
