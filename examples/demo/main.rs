//! Demo: a server and 32 training processes that log into one TensorBoard directory. Run with make
//! demo.
//!
//! ```text
//! main        options, and the order of things
//! process     child processes: the server and the workers
//! worker      one worker: trains a model, and logs every step
//! training    the models: a bandit and a logistic regression
//! report      counts what was written
//! ```

mod process;
mod report;
mod training;
mod worker;

use std::error::Error;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::{Args, Parser, Subcommand};
use process::{Process, Server, wait_for_all};
use worker::Worker;

/// Train 32 small models in as many processes, which log through one server
///
/// Half of the workers play a bandit, half fit a logistic regression, each with another setting.
/// Removes the results of an earlier demo from the directory first, because TensorBoard would draw
/// both.
#[derive(Parser)]
#[command(name = "demo")]
struct Demo {
    #[command(subcommand)]
    role: Option<Role>,
    #[command(flatten)]
    options: Options,
}

#[derive(Subcommand)]
enum Role {
    /// One training process; the demo starts these itself
    #[command(hide = true)]
    Worker(Worker),
}

#[derive(Args)]
struct Options {
    /// Directory to write to
    #[arg(long, value_name = "DIR", default_value = "runs/demo")]
    logdir: PathBuf,
    /// Address of a Redis to go through; default: the server's embedded broker
    #[arg(long, value_name = "ADDR")]
    redis: Option<String>,
    /// Number of worker processes
    #[arg(long, value_name = "N", default_value_t = 32)]
    workers: u32,
    /// Training steps of each worker
    #[arg(long, value_name = "N", default_value_t = 300)]
    steps: u32,
    /// Pause after each step, in milliseconds; a real model would compute in this time
    #[arg(long, value_name = "MS", default_value_t = 20)]
    pace: u64,
}

fn main() -> ExitCode {
    let demo = Demo::parse();
    let result = match &demo.role {
        Some(Role::Worker(worker)) => worker.run(),
        None => demo.options.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: {error}");
            ExitCode::FAILURE
        }
    }
}

impl Options {
    fn run(&self) -> Result<(), Box<dyn Error>> {
        let start = Instant::now();
        remove_earlier_results(&self.logdir)?;
        let server = Server::start(&self.logdir, self.redis.as_deref())?;
        println!("training: {} workers, {} steps each", self.workers, self.steps);
        let start_worker = |number| {
            let worker = Worker {
                address: server.address.clone(),
                number,
                steps: self.steps,
                pace: self.pace,
            };
            Process::start_worker(&worker)
        };
        let workers = (0..self.workers)
            .map(start_worker)
            .collect::<Result<Vec<_>, _>>()?;
        wait_for_all(workers)?;
        println!("\n{0} of {0} workers done, everything acknowledged", self.workers);
        server.stop()?;
        report::print(&self.logdir, start.elapsed())
    }
}

fn remove_earlier_results(logdir: &Path) -> Result<(), Box<dyn Error>> {
    for name in ["bandit", "regression", "logs", ".tensorplex"] {
        let path = logdir.join(name);
        match std::fs::remove_dir_all(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(format!("{}: {error}", path.display()).into());
            }
            _ => {}
        }
    }
    Ok(())
}
