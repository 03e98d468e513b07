//! Cost of a call to its caller during outages: the time of each `scalar` of a worker at a steady
//! rate, while Redis is up, down or paused, and while the server's disk is full.

use std::time::{Duration, Instant};

use tensorplex::Writer;
use tensorplex_tests::{Broker, SmallDisk, TestServer};

/// Calls per measurement, in bursts like those of a training loop.
const CALLS: i64 = 100_000;
const BURST: i64 = 20;
const PAUSE: Duration = Duration::from_micros(500);

/// Prints a table of the median, the 99th percentile and the maximum of all calls.
pub fn print() {
    println!(
        "\n{:<52} {:>12} {:>12} {:>12}",
        "one scalar while, ns", "median", "p99", "longest"
    );
    let with_redis = |what, meanwhile: fn(&mut tensorplex_tests::RedisServer)| {
        let mut broker = Broker::redis();
        let server = TestServer::start(&broker);
        let Broker::Redis(redis) = &mut broker else {
            unreachable!("a Redis was asked for")
        };
        row(what, server.address(), || meanwhile(redis));
    };
    with_redis("Redis is up", |_| {});
    with_redis("Redis is down", tensorplex_tests::RedisServer::kill);
    with_redis("Redis is paused", |redis| {
        redis.signal(rustix::process::Signal::STOP);
    });

    let disk = SmallDisk::new(4 << 20, false);
    let server = TestServer::start_on(&Broker::Embedded, &disk);
    row("the disk of the server is full", server.address(), || {
        disk.fill(0);
    });
}

/// Measures the calls after `meanwhile` has made the outage.
fn row(what: &str, address: &str, meanwhile: impl FnOnce()) {
    let log = Writer::connect(address, "agent").expect("an address");
    log.scalar("loss", 0.5, 0);
    log.flush(Duration::from_secs(60)).expect("a server");
    meanwhile();
    let mut times = Vec::with_capacity(CALLS as usize);
    for step in 1..=CALLS {
        let start = Instant::now();
        log.scalar("loss", 0.5, step);
        times.push(start.elapsed().as_nanos() as u64);
        if step % BURST == 0 {
            std::thread::sleep(PAUSE);
        }
    }
    // Outstanding records are dropped, not waited for.
    let _ = log.close(Duration::ZERO);
    times.sort_unstable();
    let at = |share: usize| times.get(times.len() * share / 100).expect("at least one call");
    println!(
        "{what:<52} {:>12} {:>12} {:>12}",
        at(50),
        at(99),
        times.last().expect("at least one call")
    );
}
