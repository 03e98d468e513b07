//! Schedule of the faults, a function of the seed.
//!
//! Each target has its own timeline: one fault after the other, each with its end, so that at the
//! end everything works again. Timelines overlap: a server dies while Redis is paused and a
//! connection is slow. One fault of the server also empties Redis, unless Redis is down at that
//! moment.

use std::time::Duration;

use crate::Rng;

/// One action on the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Kills the server with SIGKILL, and with it an embedded broker.
    KillServer,
    /// Kills the server, and once more after this time, before or during recovery.
    KillServerAgain(Duration),
    /// Starts the server on the same directory.
    StartServer,
    /// SIGSTOP.
    PauseServer,
    /// SIGCONT.
    ResumeServer,
    /// Kills Redis with SIGKILL; its content is lost or returns to the last snapshot.
    KillRedis(RedisState),
    /// Starts Redis at the same address.
    StartRedis,
    /// SIGSTOP.
    PauseRedis,
    /// SIGCONT.
    ResumeRedis,
    /// Removes all keys; connections stay.
    FlushRedis,
    /// Saves the snapshot that Redis returns to after a kill.
    SnapshotRedis,
    /// Sets the ids of stream entries one hour ahead of the clock; they step back when Redis loses
    /// its content.
    AdvanceRedisIds,
    /// Kills a worker with SIGKILL; another one replaces it.
    KillWorker(usize),
    /// SIGSTOP.
    PauseWorker(usize),
    /// SIGCONT.
    ResumeWorker(usize),
    /// Cuts all connections.
    Cut(Wire),
    /// Cuts each connection in the middle of its next chunk.
    Halve(Wire),
    /// Delays each chunk.
    Slow(Wire, Duration),
    /// Blocks all bytes; connections stay open.
    Block(Wire),
    /// Lets all bytes pass.
    Clear(Wire),
    /// Sets the offset of a clock, in seconds.
    StepClock(ClockOwner, i64),
}

/// Processes whose clock steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockOwner {
    /// The server.
    Server,
    /// All workers.
    Workers,
}

/// Content of Redis after a kill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedisState {
    /// Nothing.
    Empty,
    /// The last snapshot; nothing without one.
    Snapshot,
}

/// Connections that go through one proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// From the workers to the broker.
    Workers,
    /// From the server to Redis.
    Server,
}

/// Pause before each of the last two faults, in milliseconds. They empty Redis once more, with ids
/// that step back, and no later fault helps the workers to deliver the rest.
const LAST: u64 = 1_000;

/// A fault: its first action, and further ones, each with its delay in milliseconds.
type Fault = (Action, Vec<(u64, Action)>);

/// All actions of a run in order, each with its time.
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

/// Appends the faults of one target, with pauses of `gap` milliseconds on average.
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
        // This fault needs no end: the action itself starts the server after the second kill.
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
        // Frames disappear and later ones arrive first. No other fault does that while the senders'
        // connections stay.
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

/// Steps a clock by up to a day in either direction.
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
