//! The processes of a run, and the actions on them.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use super::clock::Clocks;
use super::progress::Progress;
use super::proxy::{Proxy, Target};
use super::report::Fault;
use super::schedule::{Action, ClockOwner, RedisState, Wire};
use super::verify::Life;
use crate::bounded::finish;
use crate::readers::script;
use crate::{BrokerAddress, Process, RedisServer, TestServer, own_program, program};

/// Number of client ids, which the workers share.
const IDS: usize = 4;
/// Every fifth worker is written in Python, every second one has a spool, every tenth one both.
const IN_PYTHON: usize = 5;
const WITH_SPOOL: usize = 2;
/// Limit for the delivery of the rest by one worker, and by `tensorplex drain`: twice what each of
/// them gives itself.
const DELIVERY_LIMIT: Duration = Duration::from_secs(150);

/// Running processes.
pub struct Cluster {
    redis: Option<RedisServer>,
    /// True while Redis is neither killed nor paused.
    redis_answers: bool,
    server: TestServer,
    /// Proxy between the workers and the broker.
    worker_proxy: Proxy,
    /// Proxy between the server and a real Redis.
    server_proxy: Option<Proxy>,
    /// Running workers, by slot.
    workers: Vec<Worker>,
    /// Ended workers, by life; `None` while the worker runs.
    lives: Vec<Option<Life>>,
    progress_files: tempfile::TempDir,
    clocks: Clocks,
    /// Spools of every second slot.
    spools: tempfile::TempDir,
    faults: Vec<Fault>,
}

struct Worker {
    process: Process,
    life: usize,
    id: String,
    has_spool: bool,
}

impl Cluster {
    /// Starts a server and `workers` workers, with a real Redis or with the server's embedded
    /// broker.
    ///
    /// # Panics
    /// When a process does not start.
    pub fn start(has_redis: bool, workers: usize) -> Self {
        let redis = has_redis.then(RedisServer::start);
        let server_proxy = redis
            .as_ref()
            .map(|redis| Proxy::start(Target::Unix(redis.socket())));
        let broker = match &server_proxy {
            Some(server_proxy) => BrokerAddress::Redis(server_proxy.address().to_string()),
            None => BrokerAddress::Embedded("127.0.0.1:0".to_owned()),
        };
        let clocks = Clocks::new();
        let server = TestServer::with_clock(broker, &clocks.server);
        let target = match &redis {
            Some(redis) => Target::Unix(redis.socket()),
            None => Target::Tcp(server.address().parse().expect("host and port")),
        };
        let mut cluster = Self {
            redis,
            redis_answers: true,
            server,
            worker_proxy: Proxy::start(target),
            server_proxy,
            workers: Vec::new(),
            lives: Vec::new(),
            progress_files: tempfile::tempdir().expect("a temporary folder"),
            clocks,
            spools: tempfile::tempdir().expect("a temporary folder"),
            faults: Vec::new(),
        };
        for slot in 0..workers {
            let worker = cluster.worker(slot);
            cluster.workers.push(worker);
        }
        cluster
    }

    /// The server.
    pub fn server(&self) -> &TestServer {
        &self.server
    }

    fn worker(&mut self, slot: usize) -> Worker {
        let life = self.lives.len();
        self.lives.push(None);
        let id = format!("agent/{}", slot % IDS);
        let mut command = match slot % IN_PYTHON {
            0 => script("chaos_worker.py"),
            _ => Command::new(own_program("test-chaos-worker")),
        };
        self.clocks.workers.set_up(&mut command);
        command.arg(self.worker_proxy.address().to_string()).arg(&id);
        command.arg(life.to_string()).arg(self.progress(life));
        let has_spool = slot.is_multiple_of(WITH_SPOOL);
        if has_spool {
            command.arg(self.spools.path());
        }
        command.stdin(Stdio::piped()).stderr(Stdio::null());
        let process = Process::start(&mut command);
        Worker {
            process,
            life,
            id,
            has_spool,
        }
    }

    fn progress(&self, life: usize) -> PathBuf {
        self.progress_files.path().join(life.to_string())
    }

    /// Applies an action.
    ///
    /// # Panics
    /// When a process cannot be started, or a slot is out of range.
    pub fn apply(&mut self, action: Action) {
        match action {
            Action::KillServer => self.kill_server(),
            Action::StartServer => self.server.restart(),
            Action::KillServerAgain(after) => {
                self.kill_server();
                self.server.restart_and_kill(after);
                self.server.restart();
            }
            Action::PauseServer => self.server.signal(Signal::STOP),
            Action::ResumeServer => self.server.signal(Signal::CONT),
            Action::KillWorker(slot) => self.replace(slot),
            Action::PauseWorker(slot) => self.workers[slot].process.signal(Signal::STOP),
            Action::ResumeWorker(slot) => self.workers[slot].process.signal(Signal::CONT),
            Action::Cut(wire) => self.wire(wire).cut(),
            Action::Halve(wire) => self.wire(wire).halve(),
            Action::Slow(wire, delay) => self.wire(wire).slow(delay),
            Action::Block(wire) => self.wire(wire).block(),
            Action::Clear(wire) => self.wire(wire).clear(),
            Action::StepClock(ClockOwner::Server, seconds) => self.clocks.server.step(seconds),
            Action::StepClock(ClockOwner::Workers, seconds) => self.clocks.workers.step(seconds),
            _ => self.apply_to_redis(action),
        }
    }

    fn apply_to_redis(&mut self, action: Action) {
        let Some(redis) = &mut self.redis else { return };
        match action {
            Action::KillRedis(state) => {
                self.redis_answers = false;
                redis.kill();
                if state == RedisState::Empty {
                    redis.remove_snapshot();
                }
            }
            Action::StartRedis => {
                redis.restart();
                self.redis_answers = true;
            }
            Action::PauseRedis => {
                self.redis_answers = false;
                redis.signal(Signal::STOP);
            }
            Action::ResumeRedis => {
                redis.signal(Signal::CONT);
                self.redis_answers = true;
            }
            // The server's timeline has this action too. A command to a paused Redis would block
            // this thread, which is the one that resumes Redis.
            Action::FlushRedis if self.redis_answers => drop(redis.command(&["FLUSHALL"])),
            Action::SnapshotRedis => drop(redis.command(&["SAVE"])),
            Action::AdvanceRedisIds => {
                for queue in ["tensorplex", "loggerplex"] {
                    redis.advance_ids(&format!("rc:{{{queue}.0}}:in"));
                }
            }
            _ => {}
        }
    }

    fn wire(&self, wire: Wire) -> &Proxy {
        match (wire, &self.server_proxy) {
            (Wire::Server, Some(server_proxy)) => server_proxy,
            _ => &self.worker_proxy,
        }
    }

    fn kill_server(&mut self) {
        if !self.server.is_running() {
            self.faults.push(Fault::ServerEnded(self.server.last_log_lines()));
        }
        self.server.kill();
    }

    /// Kills the worker before it starts the next one, so that its spool is free.
    fn replace(&mut self, slot: usize) {
        let old = &mut self.workers[slot];
        if !old.process.is_running() {
            self.faults
                .push(Fault::NotDelivered(format!("life {} ended by itself", old.life)));
        }
        old.process.kill();
        let new = self.worker(slot);
        let old = std::mem::replace(&mut self.workers[slot], new);
        self.record_end(&old, false);
    }

    fn record_end(&mut self, worker: &Worker, closed: bool) {
        self.lives[worker.life] = Some(Life {
            id: worker.id.clone(),
            progress: Progress::read(&self.progress(worker.life)),
            closed,
            has_spool: worker.has_spool,
        });
    }

    /// Delivers the spools that no later worker took over.
    fn drain(&mut self) {
        let mut command = Command::new(program("tensorplex"));
        command.arg("drain").arg(self.spools.path());
        command
            .args(["--timeout", "60s", "--redis"])
            .arg(self.worker_proxy.address().to_string());
        command.stdout(Stdio::piped());
        let mut drain = Process::start(&mut command);
        let output = finish(drain.child(), DELIVERY_LIMIT, "the end of tensorplex drain");
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            self.faults.push(Fault::NotDelivered(format!("drain: {said}")));
        }
    }

    /// Has the workers deliver the rest and end, then stops the server; returns all lives and
    /// faults.
    pub fn end(&mut self) -> (Vec<Life>, Vec<Fault>) {
        let mut workers = std::mem::take(&mut self.workers);
        for worker in &mut workers {
            drop(worker.process.child().stdin.take());
        }
        for mut worker in workers {
            let status = worker.process.wait_at_most(DELIVERY_LIMIT);
            let closed = status.is_some_and(|status| status.success());
            if !closed {
                let how = status.map_or_else(
                    || {
                        format!(
                            "did not end within {DELIVERY_LIMIT:?}: {}",
                            worker.process.whereabouts()
                        )
                    },
                    |status| format!("ended with {status}"),
                );
                self.faults
                    .push(Fault::NotDelivered(format!("life {} {how}", worker.life)));
            }
            worker.process.kill();
            self.record_end(&worker, closed);
        }
        self.drain();
        if self.server.is_running() {
            self.server.stop();
        } else {
            self.faults.push(Fault::ServerEnded(self.server.last_log_lines()));
        }
        let lives = std::mem::take(&mut self.lives).into_iter().flatten().collect();
        (lives, std::mem::take(&mut self.faults))
    }
}
