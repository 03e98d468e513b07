//! What happens when: a function of the seed.
//!
//! Each target has a line of faults of its own, one after the other and each with its end, so that in the end everything
//! is whole again. The lines run beside each other: a server dies while Redis is paused and a connection is slow. One fault of
//! the server empties Redis, too, unless Redis is away just then.

use std::time::Duration;

use crate::Dice;

/// One thing that is done to the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
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
    KillRedis(Memory),
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
    HurryRedis,
    /// `kill -9`; another worker takes its place.
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
    StepClock(Whose, i64),
}

/// Whose clock steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The server's.
    Server,
    /// The workers'.
    Workers,
}

/// What Redis remembers after a kill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// Nothing.
    Gone,
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
type Fault = (Act, Vec<(u64, Act)>);

/// All acts of a run, in order, with the time of each.
pub fn schedule(dice: &mut Dice, length: Duration, workers: usize, has_redis: bool) -> Vec<(Duration, Act)> {
    let length = length.as_millis() as u64;
    let mut acts = Vec::new();
    line(dice, length, 800, &mut acts, |dice| server_fault(dice, has_redis));
    line(dice, length, 500, &mut acts, |dice| worker_fault(dice, workers));
    line(dice, length, 900, &mut acts, |dice| {
        wire_fault(dice, Wire::Workers)
    });
    line(dice, length, 2_000, &mut acts, clock_fault);
    if has_redis {
        line(dice, length, 900, &mut acts, redis_fault);
        line(dice, length, 900, &mut acts, |dice| {
            wire_fault(dice, Wire::Server)
        });
    }
    acts.sort_by_key(|&(at, _)| at);
    if has_redis {
        let end = acts.last().map_or(length, |&(at, _)| at);
        acts.extend([(end + LAST, Act::HurryRedis), (end + 2 * LAST, Act::FlushRedis)]);
    }
    acts.into_iter()
        .map(|(at, act)| (Duration::from_millis(at), act))
        .collect()
}

/// Faults with pauses of `gap` milliseconds on average.
fn line(
    dice: &mut Dice,
    length: u64,
    gap: u64,
    acts: &mut Vec<(u64, Act)>,
    mut fault: impl FnMut(&mut Dice) -> Fault,
) {
    let mut at = dice.below(2 * gap);
    while at < length {
        let (begin, end) = fault(dice);
        acts.push((at, begin));
        for (after, act) in end {
            at += after;
            acts.push((at, act));
        }
        at += 1 + dice.below(2 * gap);
    }
}

fn server_fault(dice: &mut Dice, has_redis: bool) -> Fault {
    match dice.below(10) {
        0 => (
            Act::PauseServer,
            vec![(200 + dice.below(1_300), Act::ResumeServer)],
        ),
        // Ends by itself: the one that was killed while it recovered, or just after, is started once more.
        1 => (
            Act::KillServerAgain(Duration::from_millis(dice.below(60))),
            vec![],
        ),
        2 => (
            Act::KillServerAgain(Duration::from_millis(dice.below(250))),
            vec![],
        ),
        3 => (Act::KillServer, vec![(300 + dice.below(1_500), Act::StartServer)]),
        // Frames are taken away, and those after them come first: nothing else does that without breaking the connections
        // of their senders.
        4 | 5 if has_redis => {
            let flush = (300 + dice.below(500), Act::FlushRedis);
            (
                Act::PauseServer,
                vec![flush, (100 + dice.below(300), Act::ResumeServer)],
            )
        }
        _ => (Act::KillServer, vec![(0, Act::StartServer)]),
    }
}

fn redis_fault(dice: &mut Dice) -> Fault {
    match dice.below(10) {
        0 => (Act::PauseRedis, vec![(200 + dice.below(1_800), Act::ResumeRedis)]),
        1 => (Act::FlushRedis, vec![]),
        2 | 3 => (Act::HurryRedis, vec![]),
        4 | 5 => (Act::SnapshotRedis, vec![]),
        6 | 7 => (
            Act::KillRedis(Memory::Snapshot),
            vec![(dice.below(500), Act::StartRedis)],
        ),
        _ => (
            Act::KillRedis(Memory::Gone),
            vec![(dice.below(500), Act::StartRedis)],
        ),
    }
}

fn worker_fault(dice: &mut Dice, workers: usize) -> Fault {
    let slot = dice.below(workers as u64) as usize;
    match dice.below(3) {
        0 => (
            Act::PauseWorker(slot),
            vec![(dice.below(1_000), Act::ResumeWorker(slot))],
        ),
        _ => (Act::KillWorker(slot), vec![]),
    }
}

/// Up to a day to either side.
fn clock_fault(dice: &mut Dice) -> Fault {
    const DAY: i64 = 86_400;
    let whose = [Whose::Server, Whose::Workers][dice.below(2) as usize];
    (
        Act::StepClock(whose, dice.below(2 * DAY as u64) as i64 - DAY),
        vec![],
    )
}

fn wire_fault(dice: &mut Dice, wire: Wire) -> Fault {
    let clear = Act::Clear(wire);
    match dice.below(6) {
        0 | 1 => (Act::Cut(wire), vec![]),
        2 | 3 => (Act::Halve(wire), vec![]),
        4 => {
            let delay = Duration::from_millis(5 + dice.below(100));
            (Act::Slow(wire, delay), vec![(300 + dice.below(1_000), clear)])
        }
        _ => (Act::Block(wire), vec![(100 + dice.below(1_400), clear)]),
    }
}
