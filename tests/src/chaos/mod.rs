//! Chaos harness: all faults at once, by a schedule that a seed repeats.
//!
//! Workers, server and Redis are killed, paused and set back; connections are cut, halved, slowed
//! down and blocked. At the end the files are compared with what was submitted and what was
//! acknowledged. Meanwhile TensorBoard's two readers follow, and no byte that they may have read
//! changes.
//!
//! ```text
//! worker × n ──► proxy ──► redis-server ◄── proxy ◄── server ──► event files, log files ──► readers, verify
//!    └── progress: submitted, confirmed ─────────────────────────────────────────────────────────► verify
//! ```

mod clock;
mod cluster;
mod monitor;
mod progress;
mod proxy;
mod report;
mod schedule;
mod verify;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

pub use clock::Clock;
use cluster::Cluster;
use monitor::Monitor;
pub use progress::{Progress, ProgressFile, value};
pub use report::{Fault, Report};
use schedule::{Action, ClockOwner, schedule};
use verify::OnDisk;

use crate::Rng;

/// Parameters of a run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Seed of the schedule.
    pub seed: u64,
    /// Duration of the faults; after it the workers deliver the rest.
    pub length: Duration,
    /// Number of worker processes at a time.
    pub workers: usize,
    /// True for a real Redis, false for the server's embedded broker.
    pub has_redis: bool,
}

/// Fewest workers at a time, and the number of further ones that the seed may add.
const WORKERS: (usize, u64) = (5, 16);

impl Plan {
    /// Creates the plan of `seed`.
    pub fn new(seed: u64, length: Duration, has_redis: bool) -> Self {
        Self {
            seed,
            length,
            workers: WORKERS.0 + Rng::new(seed).below(WORKERS.1) as usize,
            has_redis,
        }
    }
}

/// Runs a plan.
///
/// # Panics
/// When a process of the harness cannot be started.
pub fn run(plan: Plan) -> Report {
    let actions = schedule(
        &mut Rng::new(plan.seed),
        plan.length,
        plan.workers,
        plan.has_redis,
    );
    let mut cluster = Cluster::start(plan.has_redis, plan.workers);
    let monitor = Monitor::start(cluster.server().logdir());
    let mut counts = BTreeMap::new();
    let start = Instant::now();
    for (at, action) in actions {
        std::thread::sleep(at.saturating_sub(start.elapsed()));
        cluster.apply(action);
        *counts.entry(name(action)).or_insert(0) += 1;
    }

    let (lives, mut faults) = cluster.end();
    let (mut follower, seen) = monitor.end();
    faults.extend(seen);
    let disk = OnDisk::read(cluster.server().logdir(), &mut faults);
    disk.compare(&lives, &mut faults);
    let (records, lines) = disk.count();
    disk.compare_readers(&follower.summary(), &mut faults);
    let sum = |of: fn(&Progress) -> u64| lives.iter().map(|life| of(&life.progress)).sum();
    Report {
        seed: plan.seed,
        actions: counts,
        lives: lives.len() as u64,
        submitted: sum(|progress| progress.submitted),
        acked: sum(|progress| progress.records + progress.lines),
        records,
        lines,
        faults,
    }
}

/// Name of an action in the report; the ends of faults have one name together.
fn name(action: Action) -> &'static str {
    match action {
        Action::KillServer | Action::KillServerAgain(_) => "kills of the server",
        Action::PauseServer => "pauses of the server",
        Action::KillRedis(_) => "kills of Redis",
        Action::PauseRedis => "pauses of Redis",
        Action::FlushRedis => "FLUSHALL",
        Action::SnapshotRedis => "snapshots",
        Action::AdvanceRedisIds => "clock steps of Redis",
        Action::StepClock(ClockOwner::Server, _) => "clock steps of the server",
        Action::StepClock(ClockOwner::Workers, _) => "clock steps of workers",
        Action::KillWorker(_) => "kills of workers",
        Action::PauseWorker(_) => "pauses of workers",
        Action::Cut(_) => "cuts",
        Action::Halve(_) => "halved connections",
        Action::Slow(..) => "slow wires",
        Action::Block(_) => "blocked wires",
        Action::StartServer
        | Action::ResumeServer
        | Action::StartRedis
        | Action::ResumeRedis
        | Action::ResumeWorker(_)
        | Action::Clear(_) => "ends",
    }
}
