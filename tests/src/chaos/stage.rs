//! The processes, and what is done to them.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use super::clock::Clocks;
use super::judge::Life;
use super::ledger::Ledger;
use super::proxy::{Proxy, Target};
use super::report::Fault;
use super::schedule::{Act, Memory, Whose, Wire};
use crate::bounded::finish;
use crate::readers::script;
use crate::{Process, RedisServer, TestServer, Through, own_program, program};

/// Client ids; workers share them.
const IDS: usize = 4;
/// Every so many slots a worker is in Python, or has a spool; every tenth one both.
const IN_PYTHON: usize = 5;
const WITH_SPOOL: usize = 2;
/// Limit for the delivery of the rest by one worker, and by `tensorplex drain`: twice what each of them gives itself.
const DELIVERY_LIMIT: Duration = Duration::from_secs(150);

/// Everything that runs.
pub struct Stage {
    redis: Option<RedisServer>,
    /// It is neither killed nor paused.
    redis_answers: bool,
    server: TestServer,
    /// What the workers connect to.
    near: Proxy,
    /// What the server reads from when the broker is Redis.
    far: Option<Proxy>,
    /// The living, by slot.
    workers: Vec<Worker>,
    /// The dead.
    lives: Vec<Option<Life>>,
    ledgers: tempfile::TempDir,
    clocks: Clocks,
    /// The spools of every other slot.
    spools: tempfile::TempDir,
    faults: Vec<Fault>,
}

struct Worker {
    process: Process,
    life: usize,
    id: String,
    has_spool: bool,
}

impl Stage {
    /// Starts a server and `workers` workers, through a real Redis or through the server's own broker.
    ///
    /// # Panics
    /// When something does not start.
    pub fn start(has_redis: bool, workers: usize) -> Self {
        let redis = has_redis.then(RedisServer::start);
        let far = redis
            .as_ref()
            .map(|redis| Proxy::start(Target::Unix(redis.socket())));
        let through = match &far {
            Some(far) => Through::Redis(far.address().to_string()),
            None => Through::Own("127.0.0.1:0".to_owned()),
        };
        let clocks = Clocks::new();
        let server = TestServer::with_clock(through, &clocks.server);
        let target = match &redis {
            Some(redis) => Target::Unix(redis.socket()),
            None => Target::Tcp(server.address().parse().expect("host and port")),
        };
        let mut stage = Self {
            redis,
            redis_answers: true,
            server,
            near: Proxy::start(target),
            far,
            workers: Vec::new(),
            lives: Vec::new(),
            ledgers: tempfile::tempdir().expect("a temporary folder"),
            clocks,
            spools: tempfile::tempdir().expect("a temporary folder"),
            faults: Vec::new(),
        };
        for slot in 0..workers {
            let worker = stage.worker(slot);
            stage.workers.push(worker);
        }
        stage
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
        command.arg(self.near.address().to_string()).arg(&id);
        command.arg(life.to_string()).arg(self.ledger(life));
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

    fn ledger(&self, life: usize) -> PathBuf {
        self.ledgers.path().join(life.to_string())
    }

    /// Does one thing.
    ///
    /// # Panics
    /// When a process cannot be started, or a slot is out of range.
    pub fn act(&mut self, act: Act) {
        match act {
            Act::KillServer => self.kill_server(),
            Act::StartServer => self.server.restart(),
            Act::KillServerAgain(after) => {
                self.kill_server();
                self.server.restart_and_kill(after);
                self.server.restart();
            }
            Act::PauseServer => self.server.signal(Signal::STOP),
            Act::ResumeServer => self.server.signal(Signal::CONT),
            Act::KillWorker(slot) => self.replace(slot),
            Act::PauseWorker(slot) => self.workers[slot].process.signal(Signal::STOP),
            Act::ResumeWorker(slot) => self.workers[slot].process.signal(Signal::CONT),
            Act::Cut(wire) => self.wire(wire).cut(),
            Act::Halve(wire) => self.wire(wire).halve(),
            Act::Slow(wire, delay) => self.wire(wire).slow(delay),
            Act::Block(wire) => self.wire(wire).block(),
            Act::Clear(wire) => self.wire(wire).clear(),
            Act::StepClock(Whose::Server, seconds) => self.clocks.server.step(seconds),
            Act::StepClock(Whose::Workers, seconds) => self.clocks.workers.step(seconds),
            _ => self.act_on_redis(act),
        }
    }

    fn act_on_redis(&mut self, act: Act) {
        let Some(redis) = &mut self.redis else { return };
        match act {
            Act::KillRedis(memory) => {
                self.redis_answers = false;
                redis.kill();
                if memory == Memory::Gone {
                    redis.forget();
                }
            }
            Act::StartRedis => {
                redis.restart();
                self.redis_answers = true;
            }
            Act::PauseRedis => {
                self.redis_answers = false;
                redis.signal(Signal::STOP);
            }
            Act::ResumeRedis => {
                redis.signal(Signal::CONT);
                self.redis_answers = true;
            }
            // It stands in the server's line of faults, too, and nobody but this thread could start Redis again.
            Act::FlushRedis if self.redis_answers => drop(redis.command(&["FLUSHALL"])),
            Act::SnapshotRedis => drop(redis.command(&["SAVE"])),
            Act::HurryRedis => {
                for queue in ["tensorplex", "loggerplex"] {
                    redis.hurry(&format!("rc:{{{queue}.0}}:in"));
                }
            }
            _ => {}
        }
    }

    fn wire(&self, wire: Wire) -> &Proxy {
        match (wire, &self.far) {
            (Wire::Server, Some(far)) => far,
            _ => &self.near,
        }
    }

    fn kill_server(&mut self) {
        if !self.server.is_running() {
            self.faults.push(Fault::ServerEnded(self.server.last_words()));
        }
        self.server.kill();
    }

    /// The next one finds the spool free, if there is one.
    fn replace(&mut self, slot: usize) {
        let old = &mut self.workers[slot];
        if !old.process.is_running() {
            self.faults
                .push(Fault::NotDelivered(format!("life {} ended by itself", old.life)));
        }
        old.process.kill();
        let new = self.worker(slot);
        let old = std::mem::replace(&mut self.workers[slot], new);
        self.bury(&old, false);
    }

    fn bury(&mut self, worker: &Worker, closed: bool) {
        self.lives[worker.life] = Some(Life {
            id: worker.id.clone(),
            ledger: Ledger::read(&self.ledger(worker.life)),
            closed,
            has_spool: worker.has_spool,
        });
    }

    /// What nobody took over.
    fn drain(&mut self) {
        let mut command = Command::new(program("tensorplex"));
        command.arg("drain").arg(self.spools.path());
        command
            .args(["--timeout", "60s", "--redis"])
            .arg(self.near.address().to_string());
        command.stdout(Stdio::piped());
        let mut drain = Process::start(&mut command);
        let output = finish(drain.child(), DELIVERY_LIMIT, "the end of tensorplex drain");
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            self.faults.push(Fault::NotDelivered(format!("drain: {said}")));
        }
    }

    /// Lets the workers deliver the rest and end, and then the server; returns all lives and what went wrong.
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
            self.bury(&worker, closed);
        }
        self.drain();
        if self.server.is_running() {
            self.server.stop();
        } else {
            self.faults.push(Fault::ServerEnded(self.server.last_words()));
        }
        let lives = std::mem::take(&mut self.lives).into_iter().flatten().collect();
        (lives, std::mem::take(&mut self.faults))
    }
}
