//! Many worker processes, one log directory, both readers of TensorBoard.

use std::collections::BTreeMap;
use std::process::Command;

use tensorplex_tests::{Broker, Follower, Process, Series, Summary, TestServer, summary, worker_program};

const WORKERS: u64 = 200;
/// Scalars per worker in the full test.
const ALL: u64 = 1_000;
/// Scalars per worker in its variants. TensorBoard's Python reader takes as long for them as
/// everything else does.
const SOME: u64 = 250;
/// Scalars per worker while processes are killed repeatedly.
const KILLED: u64 = 500;

fn start_workers(server: &TestServer, ids: u64, each: u64, pace: u64) -> Vec<Process> {
    let worker = worker_program();
    let start = |n: u64| {
        let mut command = Command::new(&worker);
        command
            .arg(server.address())
            .arg(format!("agent/{}", n % ids))
            .arg(format!("value/{n}"));
        command.arg(each.to_string()).arg(pace.to_string());
        Process::start(&mut command)
    };
    (0..WORKERS).map(start).collect()
}

fn wait_for(workers: Vec<Process>) {
    for (n, mut worker) in workers.into_iter().enumerate() {
        let status = worker.wait();
        assert!(status.success(), "worker {n} ended with {status}");
    }
}

/// Checks that each worker's tag has all points, once and in order.
#[track_caller]
fn check(seen: &Summary, ids: u64, each: u64) {
    for (reader, runs) in [("Rust", &seen.rust), ("Python", &seen.python)] {
        let mut expected = BTreeMap::new();
        for n in 0..WORKERS {
            let tags: &mut BTreeMap<String, Series> =
                expected.entry(format!("agent/{}", n % ids)).or_default();
            tags.insert(format!("value/{n}"), points(each));
        }
        assert_eq!(
            runs.keys().collect::<Vec<_>>(),
            expected.keys().collect::<Vec<_>>(),
            "{reader} reader"
        );
        for (run, tags) in &expected {
            assert_eq!(&runs[run], tags, "{reader} reader, run {run}");
        }
    }
}

fn points(each: u64) -> Series {
    Series::of_scalars((0..each as i64).map(|step| (step, step as f32 * 0.5)))
}

/// Runs 200 processes, and checks the points while the server runs and after it stopped.
fn all_arrive_once(broker: &Broker, ids: u64, each: u64) {
    let mut server = TestServer::start(broker);
    let mut follower = Follower::start(server.logdir());
    wait_for(start_workers(&server, ids, each, 0));
    check(&follower.wait_for(WORKERS * each), ids, each);
    server.stop();
    check(&summary(server.logdir()), ids, each);
}

#[test]
fn one_client_id_through_redis() {
    all_arrive_once(&Broker::redis(), 1, SOME);
}

#[test]
fn twenty_five_client_ids_through_redis() {
    all_arrive_once(&Broker::redis(), 25, ALL);
}

#[test]
fn two_hundred_client_ids_through_redis() {
    all_arrive_once(&Broker::redis(), 200, SOME);
}

#[test]
fn one_client_id_through_the_embedded_broker() {
    all_arrive_once(&Broker::Embedded, 1, SOME);
}

#[test]
fn twenty_five_client_ids_through_the_embedded_broker() {
    all_arrive_once(&Broker::Embedded, 25, ALL);
}

#[test]
fn two_hundred_client_ids_through_the_embedded_broker() {
    all_arrive_once(&Broker::Embedded, 200, SOME);
}

/// Kills the server repeatedly while the workers log and the readers follow.
fn a_killed_server_loses_nothing(broker: &Broker) {
    let mut server = TestServer::start(broker);
    let mut follower = Follower::start(server.logdir());
    let workers = start_workers(&server, 25, KILLED, 4_000);
    for part in 1..=4 {
        wait_until_written(&server, part * 10_000);
        server.kill_and_restart();
    }
    wait_for(workers);
    check(&follower.wait_for(WORKERS * KILLED), 25, KILLED);
    server.stop();
    check(&summary(server.logdir()), 25, KILLED);
}

/// Waits until the event files hold about `points` points.
fn wait_until_written(server: &TestServer, points: u64) {
    tensorplex_tests::wait_for("event files to grow", || {
        (bytes_below(&server.logdir().join("agent")) > points * 40).then_some(())
    });
}

fn bytes_below(dir: &std::path::Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return 0;
    };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => bytes_below(&entry.path()),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

#[test]
fn a_killed_server_loses_nothing_through_redis() {
    a_killed_server_loses_nothing(&Broker::redis());
}

#[test]
fn a_killed_server_loses_nothing_through_the_embedded_broker() {
    a_killed_server_loses_nothing(&Broker::Embedded);
}

#[test]
fn a_killed_redis_loses_nothing() {
    let mut broker = Broker::redis();
    let mut server = TestServer::start(&broker);
    let mut follower = Follower::start(server.logdir());
    let workers = start_workers(&server, 25, KILLED, 4_000);
    for part in 1..=4 {
        wait_until_written(&server, part * 10_000);
        let Broker::Redis(redis) = &mut broker else {
            unreachable!()
        };
        redis.kill_and_restart();
    }
    wait_for(workers);
    check(&follower.wait_for(WORKERS * KILLED), 25, KILLED);
    server.stop();
    check(&summary(server.logdir()), 25, KILLED);
}
