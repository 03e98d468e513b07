//! A `tensorplex-server` process that can be killed and comes back at the same address.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};

use crate::chaos::Clock;
use crate::{Broker, Process, SmallDisk, program, wait_for};

/// A running server, with its log directory.
pub struct TestServer {
    /// Holds nothing but the log directory: what else is found there should not be.
    dir: tempfile::TempDir,
    logdir: PathBuf,
    /// The process in whose mount namespace the server runs, if it is not this one's.
    namespace: Option<u32>,
    /// What is added to its environment.
    environment: Vec<(OsString, OsString)>,
    /// What it says on standard error, over all its lives.
    log: tempfile::NamedTempFile,
    through: Through,
    /// Besides where to write and what to read from.
    options: Vec<String>,
    limits: Option<u32>,
    process: Process,
    address: String,
    /// Kept open: a server that cannot print must not be the reason of a failure.
    _stdout: BufReader<ChildStdout>,
}

/// How workers reach the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Through {
    /// By this Redis.
    Redis(String),
    /// By its own broker, on this address.
    Own(String),
}

impl Through {
    fn of(broker: &Broker) -> Self {
        match broker {
            Broker::Redis(redis) => Self::Redis(redis.address()),
            Broker::Embedded => Self::Own("127.0.0.1:0".to_owned()),
        }
    }
}

impl TestServer {
    /// Starts a server on a directory of its own.
    pub fn start(broker: &Broker) -> Self {
        Self::start_with(broker, &[], None)
    }

    /// With groups, and with a limit of open files.
    pub fn start_with(broker: &Broker, groups: &[&str], open_files: Option<u32>) -> Self {
        Self::start_program(broker, group_options(groups), open_files)
    }

    /// With options of the program.
    pub fn start_with_options(broker: &Broker, options: &[&str]) -> Self {
        let options = options.iter().map(|&option| option.to_owned()).collect();
        Self::start_program(broker, options, None)
    }

    fn start_program(broker: &Broker, options: Vec<String>, open_files: Option<u32>) -> Self {
        Self::open(Through::of(broker), None, options, open_files)
    }

    /// Starts a server on this disk.
    pub fn start_on(broker: &Broker, disk: &SmallDisk) -> Self {
        let logdir = disk.root().join("runs");
        Self::open(
            Through::of(broker),
            Some((logdir, disk.namespace())),
            Vec::new(),
            None,
        )
    }

    /// Starts a server that is reached in this way.
    pub fn through(through: Through) -> Self {
        Self::open(through, None, Vec::new(), None)
    }

    /// Starts one that has this clock, in all its lives.
    pub fn with_clock(through: Through, clock: &Clock) -> Self {
        let mut environment = Command::new("");
        clock.set_up(&mut environment);
        let environment = environment.get_envs();
        let environment = environment.filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())));
        Self::open_in(environment.collect(), through, None, Vec::new(), None)
    }

    fn open(
        through: Through,
        elsewhere: Option<(PathBuf, u32)>,
        options: Vec<String>,
        open_files: Option<u32>,
    ) -> Self {
        Self::open_in(Vec::new(), through, elsewhere, options, open_files)
    }

    fn open_in(
        environment: Vec<(OsString, OsString)>,
        through: Through,
        elsewhere: Option<(PathBuf, u32)>,
        options: Vec<String>,
        open_files: Option<u32>,
    ) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let (logdir, namespace) = match elsewhere {
            Some((logdir, process)) => (logdir, Some(process)),
            None => (dir.path().join("runs"), None),
        };
        let log = tempfile::NamedTempFile::new().expect("a temporary file");
        let start = Start {
            logdir: &logdir,
            namespace,
            environment: &environment,
            log: log.path(),
            through: &through,
            options: &options,
            open_files,
        };
        let mut process = Process::start(&mut start.command());
        let (address, stdout) = wait_until_ready(&mut process, &through);
        Self {
            dir,
            logdir,
            namespace,
            environment,
            log,
            through,
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

    /// The directory that holds the log directory, and nothing else.
    pub fn outside(&self) -> &Path {
        self.dir.path()
    }

    /// What it has said on standard error.
    ///
    /// # Panics
    /// When that is not UTF-8.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log.path()).expect("the server's log")
    }

    /// Waits until it has said a line that contains all of `words`.
    ///
    /// # Panics
    /// When it has not said it in time.
    #[track_caller]
    pub fn wait_for_log(&self, words: &[&str]) {
        wait_for(&format!("{words:?} in the server's log"), || {
            let says = |line: &str| words.iter().all(|word| line.contains(word));
            self.log().lines().any(says).then_some(())
        });
    }

    /// Where workers connect.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// `kill -9`, and a new one at the same address and on the same directory.
    pub fn kill_and_restart(&mut self) {
        self.process.kill();
        self.restart();
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// The most memory that the process has had so far, in bytes.
    ///
    /// # Panics
    /// When the system does not tell.
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
    /// When it has ended already.
    pub fn signal(&mut self, signal: rustix::process::Signal) {
        self.process.signal(signal);
    }

    /// Its process id.
    pub fn pid(&mut self) -> u32 {
        self.process.child().id()
    }

    /// Waits until it has ended by itself; returns its exit code, if it was no signal.
    pub fn wait(&mut self) -> Option<i32> {
        self.process.wait().code()
    }

    /// Whether it has not ended by itself.
    pub fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    /// The last lines that it said.
    pub fn last_words(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(3)..].join(" | ")
    }

    /// Starts it and kills it after a moment, whether or not it has recovered by then.
    pub fn restart_and_kill(&mut self, after: std::time::Duration) {
        let mut process = Process::start(&mut self.command());
        std::thread::sleep(after);
        process.kill();
    }

    /// Other groups, from the next start on.
    pub fn regroup(&mut self, groups: &[&str]) {
        self.options = group_options(groups);
    }

    /// Starts it again after its end.
    pub fn restart(&mut self) {
        self.process = Process::start(&mut self.command());
        (self.address, self._stdout) = wait_until_ready(&mut self.process, &self.through);
    }

    /// On the same directory, at the same address.
    fn command(&mut self) -> Command {
        if let Through::Own(address) = &mut self.through {
            address.clone_from(&self.address);
        }
        let start = Start {
            logdir: &self.logdir,
            namespace: self.namespace,
            environment: &self.environment,
            log: self.log.path(),
            through: &self.through,
            options: &self.options,
            open_files: self.limits,
        };
        start.command()
    }

    /// SIGHUP, as logrotate sends it.
    pub fn hang_up(&mut self) {
        self.process.signal(rustix::process::Signal::HUP);
    }

    /// SIGTERM: it must drain and exit with 0.
    ///
    /// # Panics
    /// When it does not.
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

/// Waits until it is ready; returns where workers connect.
fn wait_until_ready(process: &mut Process, through: &Through) -> (String, BufReader<ChildStdout>) {
    let mut stdout = BufReader::new(process.child().stdout.take().expect("a pipe"));
    let mut address = match through {
        Through::Redis(address) => Some(address.clone()),
        Through::Own(_) => None,
    };
    loop {
        let mut line = String::new();
        let read = stdout.read_line(&mut line).expect("the server's output");
        assert!(read > 0, "the server ended before it was ready");
        if let Some(rest) = line.trim().strip_prefix("listening on ") {
            address = rest.split_whitespace().next().map(str::to_owned);
        }
        if line.contains("to view it:") {
            return (address.expect("an address"), stdout);
        }
    }
}

/// How a server is started.
struct Start<'a> {
    logdir: &'a Path,
    namespace: Option<u32>,
    environment: &'a [(OsString, OsString)],
    log: &'a Path,
    through: &'a Through,
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
        match self.through {
            Through::Redis(address) => command.arg("--redis").arg(address),
            Through::Own(address) => command.arg("--listen").arg(address),
        };
        command.args(self.options);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}
