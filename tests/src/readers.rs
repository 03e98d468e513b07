//! TensorBoard's two readers, started through `tests/readers.py`.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Output, Stdio};
use std::time::Duration;

use serde::Deserialize;

use crate::bounded::finish;
use crate::{Lines, Process};

/// Limit for one answer of the readers: each of the two has 120 s for a pass (`LOAD_LIMIT` in
/// loaders.py).
const READERS_LIMIT: Duration = Duration::from_secs(300);
/// Limit for the end of the readers; after it they are killed.
const QUIT_LIMIT: Duration = Duration::from_secs(10);

/// Series of a directory as both readers show them, without the points.
#[derive(Debug, Deserialize)]
pub struct Summary {
    /// True when both readers reached the awaited number of points; `None` without such a wait.
    #[serde(default)]
    pub reached: Option<bool>,
    /// Series of the Rust data server, by run and tag.
    pub rust: BTreeMap<String, BTreeMap<String, Series>>,
    /// Series of the Python loader, by run and tag.
    pub python: BTreeMap<String, BTreeMap<String, Series>>,
}

/// One series as a reader shows it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Series {
    /// `scalar`, `tensor` or `blob`.
    pub kind: String,
    /// Plugin that shows the series.
    pub plugin: String,
    /// Number of points.
    pub count: u64,
    /// Step of the first point.
    pub first: Option<i64>,
    /// Step of the last point.
    pub last: Option<i64>,
    /// True when each step is greater than the one before.
    pub increasing: bool,
    /// Checksum over steps and values; scalars only.
    pub sha256: Option<String>,
}

/// Interpreter with TensorBoard installed.
fn python() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace");
    std::env::var_os("TENSORPLEX_PYTHON").map_or_else(|| root.join(".venv/bin/python"), PathBuf::from)
}

/// Command that runs a script of this package, with TensorBoard and the package `tensorplex`.
pub(crate) fn script(name: &str) -> Command {
    let mut command = Command::new(python());
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(name));
    command
}

fn run(command: &mut Command) -> Output {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| {
        panic!("{command:?}: {error}; `make setup` installs TensorBoard and its readers")
    });
    let output = finish(&mut child, READERS_LIMIT, &format!("the end of {command:?}"));
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Starts both readers and returns the series that they show in `logdir`.
///
/// # Panics
/// When the readers cannot be run.
pub fn summary(logdir: &Path) -> Summary {
    let output = run(script("readers.py").arg("summary").arg(logdir));
    serde_json::from_slice(&output.stdout).expect("a summary")
}

/// Starts both readers and returns all points that they show in `logdir`.
///
/// # Panics
/// When the readers cannot be run.
pub fn dump(logdir: &Path) -> serde_json::Value {
    let output = run(script("readers.py").arg("dump").arg(logdir));
    serde_json::from_slice(&output.stdout).expect("a dump")
}

/// Answers of the dashboards' backends for `logdir`, in the form of `tests/plugins.py`.
///
/// # Panics
/// When the readers cannot be run or a backend answers with an error.
pub fn plugins(logdir: &Path) -> serde_json::Value {
    let output = run(script("plugins.py").arg(logdir));
    serde_json::from_slice(&output.stdout).expect("the answers")
}

/// Checks TensorBoard's pages in a browser; `args` are those of `tests/dashboards.py`.
///
/// # Panics
/// When something is missing on the pages.
pub fn dashboards(args: &[&str]) {
    run(script("dashboards.py").args(args));
}

/// Both readers following one directory.
pub struct Follower {
    process: Process,
    commands: ChildStdin,
    answers: Lines,
}

impl Follower {
    /// Starts both readers on `logdir`.
    ///
    /// # Panics
    /// When they do not start.
    pub fn start(logdir: &Path) -> Self {
        let mut command = script("readers.py");
        command
            .arg("follow")
            .arg(logdir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut process = Process::start(&mut command);
        let commands = process.child().stdin.take().expect("a pipe");
        let answers = Lines::of(process.child().stdout.take().expect("a pipe"));
        let mut follower = Self {
            process,
            commands,
            answers,
        };
        // The first answer proves that both readers run.
        follower.ask("summary");
        follower
    }

    /// Waits until both readers show `points` scalar points, and returns what they show.
    ///
    /// # Panics
    /// When they do not within two minutes; the message says what they show.
    pub fn wait_for(&mut self, points: u64) -> Summary {
        let answer = self.ask(&format!("await {points} 120 summary"));
        assert_eq!(
            answer.reached,
            Some(true),
            "{points} points wanted, readers show {}",
            answer.counts()
        );
        answer
    }

    /// Has both readers read what is new, and returns the series that they show.
    ///
    /// # Panics
    /// When the readers have ended, or do not answer in time.
    pub fn summary(&mut self) -> Summary {
        self.ask("summary")
    }

    fn ask(&mut self, command: &str) -> Summary {
        writeln!(self.commands, "{command}").expect("the readers take commands");
        let what = format!("the answer of TensorBoard's readers to {command:?}");
        let line = self.answers.next_within(READERS_LIMIT, &what);
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        // The readers are children of the script, which ends them when it quits.
        let _ = writeln!(self.commands, "quit");
        let _ = self.process.wait_at_most(QUIT_LIMIT);
    }
}

impl Series {
    /// The series that both readers should show for these points.
    pub fn of_scalars(points: impl IntoIterator<Item = (i64, f32)>) -> Self {
        use sha2::Digest;
        let mut bytes = Vec::new();
        let mut steps = Vec::new();
        for (step, value) in points {
            steps.push(step);
            bytes.extend(step.to_le_bytes());
            bytes.extend(value.to_le_bytes());
        }
        let hash = sha2::Sha256::digest(&bytes);
        Self {
            kind: "scalar".into(),
            plugin: "scalars".into(),
            count: steps.len() as u64,
            first: steps.first().copied(),
            last: steps.last().copied(),
            increasing: steps.is_sorted_by(|a, b| a < b),
            sha256: Some(hash.iter().map(|byte| format!("{byte:02x}")).collect()),
        }
    }
}

impl Summary {
    /// Number of scalar points in each reader, as text.
    pub fn counts(&self) -> String {
        let count = |runs: &BTreeMap<String, BTreeMap<String, Series>>| -> u64 {
            runs.values()
                .flat_map(BTreeMap::values)
                .filter(|s| s.kind == "scalar")
                .map(|s| s.count)
                .sum()
        };
        format!(
            "{} (Rust) and {} (Python)",
            count(&self.rust),
            count(&self.python)
        )
    }
}
