//! Everything at once: workers, server and Redis are killed, paused and set back, connections are cut, halved, slowed
//! down and blocked, by a schedule that a seed repeats. In the end what is on disk is compared with what was submitted
//! and what was acknowledged; all the while TensorBoard's two readers follow, and no byte that they may have seen
//! changes.
//!
//! ```text
//! worker × n ──► proxy ──► redis-server ◄── proxy ◄── server ──► event files, log files ──► readers, judge
//!    └── ledger: submitted, confirmed ──────────────────────────────────────────────────────────► judge
//! ```

mod clock;
mod judge;
mod ledger;
mod proxy;
mod report;
mod schedule;
mod stage;
mod watch;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

pub use clock::Clock;
use judge::OnDisk;
pub use ledger::{Ledger, LedgerFile, value};
pub use report::{Fault, Report};
use schedule::{Act, Whose, schedule};
use stage::Stage;
use watch::Watch;

use crate::Dice;

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
            workers: WORKERS.0 + Dice::new(seed).below(WORKERS.1) as usize,
            has_redis,
        }
    }
}

/// Carries a plan out.
///
/// # Panics
/// When a process of the harness cannot be started.
pub fn run(plan: Plan) -> Report {
    let acts = schedule(
        &mut Dice::new(plan.seed),
        plan.length,
        plan.workers,
        plan.has_redis,
    );
    let mut stage = Stage::start(plan.has_redis, plan.workers);
    let watch = Watch::start(stage.server().logdir());
    let mut counts = BTreeMap::new();
    let start = Instant::now();
    for (at, act) in acts {
        std::thread::sleep(at.saturating_sub(start.elapsed()));
        stage.act(act);
        *counts.entry(name(act)).or_insert(0) += 1;
    }

    let (lives, mut faults) = stage.end();
    let (mut follower, seen) = watch.end();
    faults.extend(seen);
    let disk = OnDisk::read(stage.server().logdir(), &mut faults);
    disk.compare(&lives, &mut faults);
    let (records, lines) = disk.count();
    disk.compare_readers(&follower.look(), &mut faults);
    let sum = |of: fn(&Ledger) -> u64| lives.iter().map(|life| of(&life.ledger)).sum();
    Report {
        seed: plan.seed,
        acts: counts,
        lives: lives.len() as u64,
        submitted: sum(|ledger| ledger.submitted),
        acked: sum(|ledger| ledger.records + ledger.lines),
        records,
        lines,
        faults,
    }
}

/// What an act is called in the report; the ends of faults are not told.
fn name(act: Act) -> &'static str {
    match act {
        Act::KillServer | Act::KillServerAgain(_) => "kills of the server",
        Act::PauseServer => "pauses of the server",
        Act::KillRedis(_) => "kills of Redis",
        Act::PauseRedis => "pauses of Redis",
        Act::FlushRedis => "FLUSHALL",
        Act::SnapshotRedis => "snapshots",
        Act::HurryRedis => "clock steps of Redis",
        Act::StepClock(Whose::Server, _) => "clock steps of the server",
        Act::StepClock(Whose::Workers, _) => "clock steps of workers",
        Act::KillWorker(_) => "kills of workers",
        Act::PauseWorker(_) => "pauses of workers",
        Act::Cut(_) => "cuts",
        Act::Halve(_) => "halved connections",
        Act::Slow(..) => "slow wires",
        Act::Block(_) => "blocked wires",
        Act::StartServer
        | Act::ResumeServer
        | Act::StartRedis
        | Act::ResumeRedis
        | Act::ResumeWorker(_)
        | Act::Clear(_) => "ends",
    }
}
