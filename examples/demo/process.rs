//! Child processes: the server and the workers. A child is killed when its handle is dropped.

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::worker::Worker;

/// Interval at which the workers are checked: 100 ms.
const CHECK_INTERVAL: Duration = Duration::from_millis(100);

pub struct Process {
    name: String,
    child: Child,
}

/// Running `tensorplex-server`.
pub struct Server {
    process: Process,
    /// Broker address for the workers.
    pub address: String,
}

impl Process {
    fn start(name: &str, command: &mut Command) -> Result<Self, Box<dyn Error>> {
        let child = command.spawn().map_err(|error| format!("{name}: {error}"))?;
        Ok(Self {
            name: name.to_owned(),
            child,
        })
    }

    pub fn start_worker(worker: &Worker) -> Result<Self, Box<dyn Error>> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("worker").args(worker.arguments());
        Self::start(&format!("worker {}", worker.number), &mut command)
    }

    /// Sends SIGTERM, and waits for a graceful shutdown.
    fn stop(mut self) -> Result<(), Box<dyn Error>> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            kill_process(pid, Signal::TERM)?;
        }
        let status = self.child.wait()?;
        if !status.success() {
            return Err(format!("{} failed: {status}", self.name).into());
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until all processes have succeeded. The first failure ends the wait.
pub fn wait_for_all(mut processes: Vec<Process>) -> Result<(), Box<dyn Error>> {
    while !processes.is_empty() {
        let mut running = Vec::new();
        for mut process in processes {
            match process.child.try_wait()? {
                None => running.push(process),
                Some(status) if status.success() => {}
                Some(status) => return Err(format!("{} failed: {status}", process.name).into()),
            }
        }
        processes = running;
        std::thread::sleep(CHECK_INTERVAL);
    }
    Ok(())
}

impl Server {
    /// Starts the server, and waits until it listens.
    pub fn start(logdir: &Path, redis: Option<&str>) -> Result<Self, Box<dyn Error>> {
        let mut command = server_command();
        command.arg("--logdir").arg(logdir).stdout(Stdio::piped());
        // The server shows its status line on the terminal; its log lines would mix with it.
        command.env("RUST_LOG", "warn");
        match redis {
            Some(redis) => command.args(["--redis", redis]),
            None => command.args(["--listen", "127.0.0.1:0"]),
        };
        let mut process = Process::start("tensorplex-server", &mut command)?;
        let output = process.child.stdout.take();
        let output = output.ok_or("tensorplex-server has no output")?;
        let mut address = redis.map(ToOwned::to_owned);
        for line in BufReader::new(output).lines() {
            let line = line?;
            println!("{line}");
            if let Some(rest) = line.trim().strip_prefix("listening on ") {
                address = rest.split(' ').next().map(ToOwned::to_owned);
            }
            // The last line of its banner.
            if line.contains("to view it:") {
                let address = address.ok_or("tensorplex-server does not say where it listens")?;
                return Ok(Self { process, address });
            }
        }
        Err("tensorplex-server ended before it was ready; its message is above".into())
    }

    pub fn stop(self) -> Result<(), Box<dyn Error>> {
        self.process.stop()
    }
}

/// The server that the same build made, one folder above the examples; else the one on the search
/// path.
fn server_command() -> Command {
    let name = "tensorplex-server";
    let example = std::env::current_exe().ok();
    let built = example.and_then(|path| Some(path.parent()?.parent()?.join(name)));
    Command::new(built.filter(|path| path.exists()).unwrap_or_else(|| name.into()))
}
