//! The project's own programs, built once, and processes that end with the test.

use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::sync::OnceLock;
use std::time::Duration;

use crate::bounded::end_of;
use crate::wait::DEADLINE;

/// Limit for a build of the programs from scratch, while other tests wait for the same build.
const BUILD_LIMIT: Duration = Duration::from_secs(1800);
/// Limit for the end of a process that has to deliver first: a client gives up after 10 s, a busy
/// machine needs more.
const END_LIMIT: Duration = DEADLINE.saturating_mul(2);

/// Targets of the build, the same as in `make python`. Another choice would give the dependencies
/// other features, and cargo would compile them once more.
const WORKSPACE: &[&str] = &[
    "--workspace",
    "--exclude",
    "remotecall-macros",
    "--lib",
    "--bins",
    "--examples",
];

/// Path of a program of the package `tensorplex-bin`. The first call builds all programs.
///
/// # Panics
/// When the build fails or does not end within 30 minutes.
pub fn program(name: &str) -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT
        .get_or_init(|| match cfg!(feature = "mutants") {
            true => build(&["--package", "tensorplex-bin", "--bins", "--features", "mutants"]),
            false => build(WORKSPACE),
        })
        .join(name)
}

/// Path of an example. The first call builds all examples.
///
/// # Panics
/// When the build fails or does not end within 30 minutes.
pub fn example(name: &str) -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| build(WORKSPACE)).join("examples").join(name)
}

fn build(what: &[&str]) -> PathBuf {
    let mut dir = std::env::current_exe().expect("the test's own path");
    dir.pop();
    if dir.ends_with("deps") {
        dir.pop();
    }
    let mut command = Command::new(env!("CARGO"));
    command.args(["build", "--quiet"]).args(what);
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    // `cargo test` sets these variables for this package. Build scripts, such as that of ring, read
    // them, and cargo would compile ring and everything above it once more.
    for (name, _) in std::env::vars_os() {
        if name
            .to_str()
            .is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"))
        {
            command.env_remove(name);
        }
    }
    if let Some(target) = dir.parent() {
        command.arg("--target-dir").arg(target);
    }
    if dir.ends_with("release") {
        command.arg("--release");
    }
    let mut cargo = Process::start(&mut command);
    let status = end_of(cargo.child(), BUILD_LIMIT);
    let status = status.unwrap_or_else(|| panic!("waited {BUILD_LIMIT:?} for {command:?}"));
    assert!(status.success(), "the programs do not build");
    dir
}

/// Path of this package's worker program.
///
/// # Panics
/// When the program is missing.
pub fn worker_program() -> PathBuf {
    own_program("test-worker")
}

/// Path of a program of this package.
///
/// # Panics
/// When the program is missing.
pub fn own_program(name: &str) -> PathBuf {
    let path = program(name);
    assert!(
        path.exists(),
        "{} is missing; run the tests with cargo test",
        path.display()
    );
    path
}

/// Child process; dropping the value kills it.
pub struct Process(Child);

impl Process {
    /// Starts `command`.
    ///
    /// # Panics
    /// When the command cannot be started.
    pub fn start(command: &mut Command) -> Self {
        Self(
            command
                .spawn()
                .unwrap_or_else(|error| panic!("{command:?}: {error}")),
        )
    }

    /// The child process, for its pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    /// Kills the process with SIGKILL and waits for its end.
    pub fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    /// Sends SIGTERM and waits for the end.
    ///
    /// # Panics
    /// When the process has ended already, or does not end in time.
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal(rustix::process::Signal::TERM);
        self.wait()
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// When the process has ended already.
    pub fn signal(&mut self, signal: rustix::process::Signal) {
        send(&self.0, signal);
    }

    /// Diagnosis of a process that hangs: its threads with their kernel stacks, where readable, and
    /// its TCP connections.
    pub fn whereabouts(&self) -> String {
        let read = |path: PathBuf| std::fs::read_to_string(path).unwrap_or_default();
        let paths = |path: PathBuf| {
            let entries = std::fs::read_dir(path).into_iter().flatten();
            entries.filter_map(|entry| Some(entry.ok()?.path()))
        };
        let process = PathBuf::from(format!("/proc/{}", self.0.id()));
        let threads = paths(process.join("task")).map(|task| {
            let (name, stack) = (read(task.join("comm")), read(task.join("stack")));
            format!(
                "{} {:?}\n",
                name.trim(),
                stack.lines().take(4).collect::<Vec<_>>()
            )
        });
        let links = paths(process.join("fd")).filter_map(|file| std::fs::read_link(file).ok());
        let links: Vec<String> = links.map(|link| link.display().to_string()).collect();
        let connections = read(process.join("net/tcp"));
        let own = connections.lines().filter(|line| {
            let node = line
                .split_whitespace()
                .nth(9)
                .map(|node| format!("socket:[{node}]"));
            node.is_some_and(|node| links.contains(&node))
        });
        threads.chain(own.map(|line| format!("{line}\n"))).collect()
    }

    /// True while the process runs.
    ///
    /// # Panics
    /// When the system cannot tell the state of the process.
    pub fn is_running(&mut self) -> bool {
        self.0.try_wait().expect("the state of a process").is_none()
    }

    /// Waits for the end.
    ///
    /// # Panics
    /// When the process does not end within two minutes; the message says where its threads are.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        let status = self.wait_at_most(END_LIMIT);
        status.unwrap_or_else(|| {
            panic!(
                "waited {END_LIMIT:?} for the end of process {}\n{}",
                self.0.id(),
                self.whereabouts()
            )
        })
    }

    /// Waits for the end; `None` when `limit` has passed.
    pub fn wait_at_most(&mut self, limit: Duration) -> Option<ExitStatus> {
        end_of(&mut self.0, limit)
    }
}

/// Sends a signal.
///
/// # Panics
/// When the process has ended already.
pub(crate) fn send(process: &Child, signal: rustix::process::Signal) {
    let pid = i32::try_from(process.id())
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    rustix::process::kill_process(pid.expect("a process id"), signal).expect("a running process");
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
