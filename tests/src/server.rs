//! A `tensorplex-server` process that can be killed and comes back at the same address.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{ChildStdout, Command, Stdio};

use crate::{Broker, Process, program};

/// A running server, with its log directory.
pub struct TestServer {
    dir: tempfile::TempDir,
    through: Through,
    groups: Vec<String>,
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

impl TestServer {
    /// Starts a server on a directory of its own.
    pub fn start(broker: &Broker) -> Self {
        Self::start_with(broker, &[], None)
    }

    /// With groups, and with a limit of open files.
    pub fn start_with(broker: &Broker, groups: &[&str], open_files: Option<u32>) -> Self {
        let through = match broker {
            Broker::Redis(redis) => Through::Redis(redis.address()),
            Broker::Embedded => Through::Own("127.0.0.1:0".to_owned()),
        };
        let dir = tempfile::tempdir().expect("a temporary folder");
        let groups: Vec<String> = groups.iter().map(|&group| group.to_owned()).collect();
        let (process, address, stdout) = spawn(dir.path(), &through, &groups, open_files);
        Self {
            dir,
            through,
            groups,
            limits: open_files,
            process,
            address,
            _stdout: stdout,
        }
    }

    /// The log directory.
    pub fn logdir(&self) -> &Path {
        self.dir.path()
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

    /// Starts it again after its end.
    pub fn restart(&mut self) {
        if let Through::Own(address) = &mut self.through {
            address.clone_from(&self.address);
        }
        let (process, address, stdout) = spawn(self.dir.path(), &self.through, &self.groups, self.limits);
        self.process = process;
        self.address = address;
        self._stdout = stdout;
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

fn spawn(
    dir: &Path,
    through: &Through,
    groups: &[String],
    open_files: Option<u32>,
) -> (Process, String, BufReader<ChildStdout>) {
    let server = program("tensorplex-server");
    let mut command = match open_files {
        None => Command::new(&server),
        Some(limit) => {
            let mut shell = Command::new("sh");
            shell
                .args(["-c", &format!("ulimit -n {limit}; exec \"$@\""), "sh"])
                .arg(&server);
            shell
        }
    };
    command.arg("--logdir").arg(dir).stdout(Stdio::piped());
    match through {
        Through::Redis(address) => command.arg("--redis").arg(address),
        Through::Own(address) => command.arg("--listen").arg(address),
    };
    for group in groups {
        command.arg("--group").arg(group);
    }
    let mut process = Process::start(&mut command);
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
        if line.contains("to look at:") {
            return (process, address.expect("an address"), stdout);
        }
    }
}
