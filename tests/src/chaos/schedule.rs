//! What happens when: a function of the seed.
//!
//! Each target has a line of faults of its own, one after the other and each with its end, so that in the end everything
//! is whole again. The lines run beside each other: a server dies while Redis is paused and a connection is slow. One fault of
//! the server empties Redis, too, unless Redis is away just then.

use std::time::Duration;

use crate::Rng;

/// One thing that is done to the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// `kill -9`; with it dies the broker when it is the server's own.
    KillServer,
    /// Starts it and kills it again, before or while it recovers.
    KillServerAgain(Duration),
    /// Starts it on the same directory.
    StartServer,
    /// SIGSTOP.
    PauseServer,
    /// SIGCONT.
    ResumeServer,
    /// `kill -9`; what it knew is gone, or goes back to the last snapshot.
    KillRedis(RedisState),
    /// Starts it at the same address.
    StartRedis,
    /// SIGSTOP.
    PauseRedis,
    /// SIGCONT.
    ResumeRedis,
    /// All keys are gone, and no connection breaks.
    FlushRedis,
    /// What Redis goes back to.
    SnapshotRedis,
    /// The ids of entries run ahead of the clock, by an hour. When Redis forgets, they step back.
    AdvanceRedisIds,
    /// `kill -9`; another worker takes its tags.
    KillWorker(usize),
    /// SIGSTOP.
    PauseWorker(usize),
    /// SIGCONT.
    ResumeWorker(usize),
    /// Breaks all connections.
    Cut(Wire),
    /// Breaks each connection in the middle of what it carries next.
    Halve(Wire),
    /// Holds everything up for a while, each time that something comes.
    Slow(Wire, Duration),
    /// Nothing gets through, and nobody is told.
    Block(Wire),
    /// All gets through.
    Clear(Wire),
    /// The clock is off by so many seconds.
    StepClock(ClockOwner, i64),
}

/// ClockOwner clock steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockOwner {
    /// The server's.
    Server,
    /// The workers'.
    Workers,
}

/// What Redis remembers after a kill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedisState {
    /// Nothing.
    Empty,
    /// What was there at the last snapshot; nothing without one.
    Snapshot,
}

/// A way through a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// From the workers to the broker.
    Workers,
    /// From the server to Redis.
    Server,
}

/// In the end Redis forgets once more, with ids that step back: nothing that happens later helps to deliver the rest. So
/// many milliseconds lie between the last faults.
const LAST: u64 = 1_000;

/// A fault: how it begins, and what follows, each after so many milliseconds.
type Fault = (Action, Vec<(u64, Action)>);

/// All actions of a run, in order, with the time of each.
pub fn schedule(rng: &mut Rng, length: Duration, workers: usize, has_redis: bool) -> Vec<(Duration, Action)> {
    let length = length.as_millis() as u64;
    let mut actions = Vec::new();
    line(rng, length, 800, &mut actions, |rng| server_fault(rng, has_redis));
    line(rng, length, 500, &mut actions, |rng| worker_fault(rng, workers));
    line(rng, length, 900, &mut actions, |rng| {
        wire_fault(rng, Wire::Workers)
    });
    line(rng, length, 2_000, &mut actions, clock_fault);
    if has_redis {
        line(rng, length, 900, &mut actions, redis_fault);
        line(rng, length, 900, &mut actions, |rng| {
            wire_fault(rng, Wire::Server)
        });
    }
    actions.sort_by_key(|&(at, _)| at);
    if has_redis {
        let end = actions.last().map_or(length, |&(at, _)| at);
        actions.extend([
            (end + LAST, Action::AdvanceRedisIds),
            (end + 2 * LAST, Action::FlushRedis),
        ]);
    }
    actions
        .into_iter()
        .map(|(at, action)| (Duration::from_millis(at), action))
        .collect()
}

/// Faults with pauses of `gap` milliseconds on average.
fn line(
    rng: &mut Rng,
    length: u64,
    gap: u64,
    actions: &mut Vec<(u64, Action)>,
    mut fault: impl FnMut(&mut Rng) -> Fault,
) {
    let mut at = rng.below(2 * gap);
    while at < length {
        let (begin, end) = fault(rng);
        actions.push((at, begin));
        for (after, action) in end {
            at += after;
            actions.push((at, action));
        }
        at += 1 + rng.below(2 * gap);
    }
}

fn server_fault(rng: &mut Rng, has_redis: bool) -> Fault {
    match rng.below(10) {
        0 => (
            Action::PauseServer,
            vec![(200 + rng.below(1_300), Action::ResumeServer)],
        ),
        // Ends by itself: the one that was killed while it recovered, or just after, is started once more.
        1 => (
            Action::KillServerAgain(Duration::from_millis(rng.below(60))),
            vec![],
        ),
        2 => (
            Action::KillServerAgain(Duration::from_millis(rng.below(250))),
            vec![],
        ),
        3 => (
            Action::KillServer,
            vec![(300 + rng.below(1_500), Action::StartServer)],
        ),
        // Frames are taken away, and those after them come first: nothing else does that without breaking the connections
        // of their senders.
        4 | 5 if has_redis => {
            let flush = (300 + rng.below(500), Action::FlushRedis);
            (
                Action::PauseServer,
                vec![flush, (100 + rng.below(300), Action::ResumeServer)],
            )
        }
        _ => (Action::KillServer, vec![(0, Action::StartServer)]),
    }
}

fn redis_fault(rng: &mut Rng) -> Fault {
    match rng.below(10) {
        0 => (
            Action::PauseRedis,
            vec![(200 + rng.below(1_800), Action::ResumeRedis)],
        ),
        1 => (Action::FlushRedis, vec![]),
        2 | 3 => (Action::AdvanceRedisIds, vec![]),
        4 | 5 => (Action::SnapshotRedis, vec![]),
        6 | 7 => (
            Action::KillRedis(RedisState::Snapshot),
            vec![(rng.below(500), Action::StartRedis)],
        ),
        _ => (
            Action::KillRedis(RedisState::Empty),
            vec![(rng.below(500), Action::StartRedis)],
        ),
    }
}

fn worker_fault(rng: &mut Rng, workers: usize) -> Fault {
    let slot = rng.below(workers as u64) as usize;
    match rng.below(3) {
        0 => (
            Action::PauseWorker(slot),
            vec![(rng.below(1_000), Action::ResumeWorker(slot))],
        ),
        _ => (Action::KillWorker(slot), vec![]),
    }
}

/// Up to a day to either side.
fn clock_fault(rng: &mut Rng) -> Fault {
    const DAY: i64 = 86_400;
    let owner = [ClockOwner::Server, ClockOwner::Workers][rng.below(2) as usize];
    (
        Action::StepClock(owner, rng.below(2 * DAY as u64) as i64 - DAY),
        vec![],
    )
}

fn wire_fault(rng: &mut Rng, wire: Wire) -> Fault {
    let clear = Action::Clear(wire);
    match rng.below(6) {
        0 | 1 => (Action::Cut(wire), vec![]),
        2 | 3 => (Action::Halve(wire), vec![]),
        4 => {
            let delay = Duration::from_millis(5 + rng.below(100));
            (Action::Slow(wire, delay), vec![(300 + rng.below(1_000), clear)])
        }
        _ => (Action::Block(wire), vec![(100 + rng.below(1_400), clear)]),
    }
}
