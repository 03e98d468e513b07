//! Everything at once: workers, server and Redis are killed, paused and set back, connections are cut, halved, slowed
//! down and blocked, by a schedule that a seed repeats. In the end what is on disk is compared with what was submitted
//! and what was acknowledged; all the while TensorBoard's two readers follow, and no byte that they may have seen
//! changes.
//!
//! ```text
//! worker × n ──► proxy ──► redis-server ◄── proxy ◄── server ──► event files, log files ──► readers, judge
//!    └── progress: submitted, confirmed ──────────────────────────────────────────────────────────► judge
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

/// A run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Repeats the schedule.
    pub seed: u64,
    /// How long things happen; then everything is whole again, and the rest is delivered.
    pub length: Duration,
    /// Worker processes at a time.
    pub workers: usize,
    /// A real Redis; otherwise the server's own broker.
    pub has_redis: bool,
}

/// Fewest workers at a time, and how many more there may be.
const WORKERS: (usize, u64) = (5, 16);

impl Plan {
    /// What belongs to `seed`.
    pub fn new(seed: u64, length: Duration, has_redis: bool) -> Self {
        Self {
            seed,
            length,
            workers: WORKERS.0 + Rng::new(seed).below(WORKERS.1) as usize,
            has_redis,
        }
    }
}

/// Carries a plan out.
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

/// What an action is called in the report; the ends of faults are not told.
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
