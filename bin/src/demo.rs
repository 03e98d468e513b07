//! `tensorplex demo`: a server and 32 worker processes that train something small.

mod train;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use loggerplex::Logger;
use remotecall::{CLOSE_TIMEOUT, ConnectError, FlushError};
use tensorplex::Recorder;

use crate::server::live::size;
use train::{Bandit, Regression};

/// How often the demo looks at its workers.
const TICK: Duration = Duration::from_millis(100);
/// How long a worker waits at its end until all it logged is on the server's disk.
const FLUSH: Duration = Duration::from_secs(60);
/// One step in so many is logged as a histogram.
const HISTOGRAM_EVERY: i64 = 10;

/// Show it working: a server, and worker processes that train something small and log it
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Half of the workers play a bandit, half fit a logistic regression, each with its own setting. What an earlier demo
left in the directory is removed.

Examples:
  tensorplex demo
  tensorplex demo --redis localhost:6379 --workers 8")]
pub struct Demo {
    /// Directory to write below
    #[arg(long, value_name = "DIR", default_value = "runs/demo")]
    logdir: PathBuf,
    /// Redis to go through; without it the server is its own broker
    #[arg(long, value_name = "ADDR")]
    redis: Option<String>,
    /// Number of worker processes
    #[arg(long, default_value_t = 32)]
    workers: u32,
    /// Steps of each worker
    #[arg(long, default_value_t = 300)]
    steps: u64,
    /// Time of a step: training of real models takes its time too
    #[arg(long, default_value = "20ms", value_parser = crate::client_options::duration)]
    pace: Duration,
}

/// One worker of the demo.
#[derive(clap::Args, Debug)]
pub struct Worker {
    #[arg(long)]
    address: String,
    #[arg(long)]
    number: u32,
    #[arg(long)]
    steps: u64,
    #[arg(long, value_parser = crate::client_options::duration)]
    pace: Duration,
}

/// The demo did not go as it should.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A program could not be started or waited for.
    #[error("{program}: {error}")]
    Program {
        /// Which.
        program: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// The server ended before it listened.
    #[error("tensorplex-server ended before it was ready; its message is above")]
    Server,
    /// A worker or the server failed.
    #[error("{0} failed: {1}")]
    Failed(String, std::process::ExitStatus),
    /// A worker has no connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// Not everything arrived.
    #[error(transparent)]
    Flush(#[from] FlushError),
    /// The result cannot be read.
    #[error("{path}: {error}")]
    Result {
        /// Where.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
}

/// A process that ends with this value.
struct Process {
    name: String,
    child: Child,
}

impl Demo {
    /// Runs the demo; what it wrote stays.
    ///
    /// # Errors
    /// When something does not start, fails, or does not arrive.
    pub fn run(&self) -> Result<(), DemoError> {
        let start = Instant::now();
        self.clear()?;
        let (server, address) = self.start_server()?;
        println!("training: {} workers, {} steps each", self.workers, self.steps);
        let mut workers = Vec::new();
        for number in 0..self.workers {
            workers.push(self.start_worker(number, &address)?);
        }
        self.wait_for(workers)?;
        server.end()?;
        self.conclude(start.elapsed())
    }

    /// Removes what an earlier demo left here: the same steps again would draw every curve twice.
    fn clear(&self) -> Result<(), DemoError> {
        for name in ["bandit", "regression", "logs", ".tensorplex"] {
            let path = self.logdir.join(name);
            match std::fs::remove_dir_all(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(DemoError::Result { path, error });
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn start_server(&self) -> Result<(Process, String), DemoError> {
        let mut command = sibling("tensorplex-server");
        command.arg("--logdir").arg(&self.logdir).stdout(Stdio::piped());
        // The demo shows the progress itself.
        command.stderr(Stdio::inherit()).env("RUST_LOG", "warn");
        match &self.redis {
            Some(redis) => command.arg("--redis").arg(redis),
            None => command.args(["--listen", "127.0.0.1:0"]),
        };
        let mut server = Process::start("tensorplex-server", &mut command)?;
        let mut address = self.redis.clone();
        let Some(output) = server.child.stdout.take() else {
            return Err(DemoError::Server);
        };
        for line in BufReader::new(output).lines() {
            let line = line.map_err(|error| DemoError::Program {
                program: server.name.clone(),
                error,
            })?;
            println!("{line}");
            if let Some(rest) = line.trim().strip_prefix("listening on ") {
                address = rest.split_whitespace().next().map(str::to_owned);
            }
            if line.contains("to look at:") {
                return address.map(|address| (server, address)).ok_or(DemoError::Server);
            }
        }
        Err(DemoError::Server)
    }

    fn start_worker(&self, number: u32, address: &str) -> Result<Process, DemoError> {
        let mut command = sibling("tensorplex");
        command.args(["demo-worker", "--address", address]);
        command.args([
            "--number",
            &number.to_string(),
            "--steps",
            &self.steps.to_string(),
        ]);
        command.args(["--pace", &format!("{}ms", self.pace.as_millis())]);
        Process::start(&format!("worker {number}"), &mut command)
    }

    /// Waits for all of them; the first that fails ends the demo. On a terminal the server shows the progress.
    fn wait_for(&self, mut workers: Vec<Process>) -> Result<(), DemoError> {
        let all = workers.len();
        while !workers.is_empty() {
            let mut still = Vec::new();
            for mut worker in workers {
                match worker.child.try_wait() {
                    Ok(None) => still.push(worker),
                    Ok(Some(status)) if status.success() => {}
                    Ok(Some(status)) => return Err(DemoError::Failed(worker.name.clone(), status)),
                    Err(error) => {
                        return Err(DemoError::Program {
                            program: worker.name.clone(),
                            error,
                        });
                    }
                }
            }
            workers = still;
            std::thread::sleep(TICK);
        }
        println!("\n{all} of {all} workers done, everything acknowledged");
        Ok(())
    }

    fn conclude(&self, time: Duration) -> Result<(), DemoError> {
        let mut found = Found::default();
        found.look(&self.logdir).map_err(|error| DemoError::Result {
            path: self.logdir.clone(),
            error,
        })?;
        let dir = self.logdir.display();
        println!();
        println!("written in {:.1} s:", time.as_secs_f64());
        println!(
            "  {dir}/bandit, {dir}/regression   {} event files, {}",
            found.events.0,
            size(found.events.1)
        );
        println!(
            "  {dir}/logs                     {} log files, {}",
            found.logs.0,
            size(found.logs.1)
        );
        println!();
        println!("look at it:  tensorboard --logdir {dir}");
        Ok(())
    }
}

/// Number and bytes of what was written.
#[derive(Default)]
struct Found {
    events: (u64, u64),
    logs: (u64, u64),
}

impl Found {
    fn look(&mut self, dir: &Path) -> std::io::Result<()> {
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                self.look(&entry.path())?;
                continue;
            }
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let kind = match () {
                () if name.contains("tfevents") => &mut self.events,
                () if name.ends_with(".log") => &mut self.logs,
                () => continue,
            };
            kind.0 += 1;
            kind.1 += entry.metadata()?.len();
        }
        Ok(())
    }
}

impl Process {
    fn start(name: &str, command: &mut Command) -> Result<Self, DemoError> {
        let child = command.spawn().map_err(|error| DemoError::Program {
            program: name.to_owned(),
            error,
        })?;
        Ok(Self {
            name: name.to_owned(),
            child,
        })
    }

    /// Asks it to end, and waits.
    fn end(mut self) -> Result<(), DemoError> {
        let failed = |error| DemoError::Program {
            program: "tensorplex-server".to_owned(),
            error,
        };
        if let Some(pid) = i32::try_from(self.child.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw)
        {
            rustix::process::kill_process(pid, rustix::process::Signal::TERM)
                .map_err(|error| failed(error.into()))?;
        }
        match self.child.wait().map_err(failed)? {
            status if status.success() => Ok(()),
            status => Err(DemoError::Failed(self.name.clone(), status)),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program that lies beside this one.
fn sibling(name: &str) -> Command {
    let beside = std::env::current_exe().ok().map(|path| path.with_file_name(name));
    Command::new(beside.filter(|path| path.exists()).unwrap_or_else(|| name.into()))
}

impl Worker {
    /// Trains, and logs every step.
    ///
    /// # Errors
    /// When not everything arrived.
    pub fn run(&self) -> Result<(), DemoError> {
        let half = self.number / 2;
        match self.number % 2 {
            0 => self.bandit(&format!("bandit/{half:02}"), 0.1 * f64::from(half + 1)),
            _ => self.regression(&format!("regression/{half:02}"), 0.004 * f64::from(half + 1)),
        }
    }

    fn bandit(&self, id: &str, exploration: f64) -> Result<(), DemoError> {
        let mut bandit = Bandit::new(self.number.into(), exploration);
        let about = format!("**UCB1** on a bandit with ten arms, exploration {exploration:.2}");
        self.train(id, &about, |step, log| {
            let (reward, regret) = bandit.step();
            log.scalar("bandit/reward", reward, step);
            log.scalar("bandit/regret", regret, step);
            if step % HISTOGRAM_EVERY == 0 {
                log.histogram("bandit/arms", &bandit.means, step);
            }
            reward
        })
    }

    fn regression(&self, id: &str, rate: f64) -> Result<(), DemoError> {
        let mut regression = Regression::new(self.number.into(), rate);
        let about = format!("**logistic regression** by gradient descent, rate {rate:.3}");
        self.train(id, &about, |step, log| {
            let result = regression.step();
            log.scalar("regression/train_loss", result.train_loss, step);
            log.scalar("regression/test_loss", result.test_loss, step);
            log.scalar("regression/test_accuracy", result.test_accuracy, step);
            if step % HISTOGRAM_EVERY == 0 {
                log.histogram("regression/weights", &regression.weights, step);
            }
            result.test_accuracy
        })
    }

    fn train(
        &self,
        id: &str,
        about: &str,
        mut step: impl FnMut(i64, &Recorder) -> f64,
    ) -> Result<(), DemoError> {
        let log = Recorder::connect(&self.address, id)?;
        let lines = Logger::connect(&self.address, id)?;
        log.text("about", about, 0);
        lines.section("training");
        let mut score = 0.0;
        for n in 0..self.steps {
            score = step(n as i64, &log);
            if n % 100 == 0 {
                lines.info(format!("step {n}: {score:.3}"));
            }
            std::thread::sleep(self.pace);
        }
        lines.info(format!("done: {score:.3} after {} steps", self.steps));
        log.close(FLUSH)?;
        lines.flush(CLOSE_TIMEOUT)?;
        Ok(())
    }
}
