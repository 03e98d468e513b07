//! Cost of idle workers and servers, and of their start.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tensorplex::Writer;
use tensorplex_tests::{Broker, RawFrame, RedisServer, TestServer};

use crate::measurements::{FLUSH_TIMEOUT, client_of, connection_to};
use crate::servers::SELF;

/// Command-line word that makes this program an idle worker.
pub const IDLER: &str = "idler";
/// Duration of the measurement of idle processes.
const WATCHED: Duration = Duration::from_secs(20);
const RUNS: usize = 10_000;
const CLIENTS: u128 = 10_000;
/// Scalars that fill a journal almost to the next checkpoint, at about four bytes each.
const JOURNAL: i64 = 13_000_000;
const STREAM: &str = "rc:{tensorplex.0}:in";

pub fn print() {
    println!();
    for (name, broker) in [("Redis", Broker::redis()), ("embedded", Broker::Embedded)] {
        let [worker, server, redis] = idle(&broker);
        let row = |what: &str, percent: f64| {
            println!("{:<52} {percent:>12.3}", format!("idle {what}, % of a core"));
        };
        row(&format!("worker, {name}"), worker);
        row(&format!("server, {name}"), server);
        if let Broker::Redis(_) = broker {
            row("redis-server, for comparison", redis);
        }
    }
    println!(
        "{:<52} {:>12.1}",
        "frames per s of a worker with 10 scalars per s",
        frames_of_a_slow_worker()
    );
    println!(
        "{:<52} {:>12.0}",
        format!("memory of the server with {CLIENTS} clients, MiB"),
        memory()
    );
    println!(
        "{:<52} {:>12.0}",
        "start of a server on an empty directory, ms",
        start(0)
    );
    println!(
        "{:<52} {:>12.0}",
        format!("start of a server with {RUNS} runs, ms"),
        start(RUNS)
    );
    let (size, time) = recovery();
    println!(
        "{:<52} {time:>12.1}",
        format!("recovery of a journal of {size} MiB after a kill, s")
    );
}

/// Worker process: sends one scalar, then idles.
pub fn be_idle(address: &str) {
    let log = Writer::connect(address, "agent/0").expect("an address");
    log.scalar("loss", 0.5, 0);
    log.flush(FLUSH_TIMEOUT).expect("a server");
    println!("ready");
    let _ = std::io::stdin().lock().read_line(&mut String::new());
}

/// CPU time of worker, server and redis-server, in percent of one core; 0 for redis-server without
/// Redis.
fn idle(broker: &Broker) -> [f64; 3] {
    let mut server = TestServer::start(broker);
    let mut worker = Command::new(SELF);
    worker
        .args([IDLER, server.address()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut worker: Child = worker.spawn().expect("a process");
    let mut line = String::new();
    let mut output = BufReader::new(worker.stdout.take().expect("a pipe"));
    output.read_line(&mut line).expect("a line");
    // A server is idle after ten seconds.
    std::thread::sleep(WATCHED);
    let processes = [Some(worker.id()), Some(server.pid()), redis_pid(broker)];
    let times = || processes.map(|pid| pid.map_or(Duration::ZERO, processor_time));
    let before = times();
    std::thread::sleep(WATCHED);
    let after = times();
    drop(worker.stdin.take());
    worker.wait().expect("its end");
    server.stop();
    let mut used = after
        .into_iter()
        .zip(before)
        .map(|(after, before)| after - before);
    [(); 3].map(|()| {
        let used = used.next().expect("three processes");
        used.as_secs_f64() / WATCHED.as_secs_f64() * 100.0
    })
}

fn redis_pid(broker: &Broker) -> Option<u32> {
    let Broker::Redis(redis) = broker else { return None };
    let info: String = redis::from_redis_value(redis.command(&["INFO", "server"])).expect("a text");
    let line = info.lines().find_map(|line| line.strip_prefix("process_id:"));
    Some(
        line.and_then(|pid| pid.trim().parse().ok())
            .expect("its process id"),
    )
}

/// CPU time of all threads of a process, in nanoseconds (proc(5), `schedstat`).
fn processor_time(pid: u32) -> Duration {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("a process");
    let of_task = |task: std::io::Result<std::fs::DirEntry>| {
        let path = task.expect("a thread").path().join("schedstat");
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0)
    };
    Duration::from_nanos(tasks.map(of_task).sum())
}

fn frames_of_a_slow_worker() -> f64 {
    let redis = RedisServer::start();
    let mut ask = connection_to(&redis.address());
    let broker = Broker::Redis(redis);
    let mut server = TestServer::start(&broker);
    let log = Writer::connect(server.address(), "agent/0").expect("an address");
    let start = Instant::now();
    for step in 0..100 {
        log.scalar("loss", 0.5, step);
        std::thread::sleep(Duration::from_millis(100));
    }
    log.flush(FLUSH_TIMEOUT).expect("a server");
    let time = start.elapsed();
    let mut about = redis::cmd("XINFO");
    let about: redis::Value = about.arg("STREAM").arg(STREAM).query(&mut ask).expect("a stream");
    server.stop();
    entries_added(&about) as f64 / time.as_secs_f64()
}

fn entries_added(reply: &redis::Value) -> i64 {
    let redis::Value::Array(items) = reply else {
        return 0;
    };
    let pairs = items.chunks_exact(2);
    let mut found = pairs.filter_map(|pair| match pair {
        [redis::Value::BulkString(name), redis::Value::Int(count)] if name == b"entries-added" => {
            Some(*count)
        }
        _ => None,
    });
    found.next().unwrap_or(0)
}

/// Memory of the server's process after each of `producers` producers has sent a frame.
fn memory() -> f64 {
    let redis = RedisServer::start();
    let mut ask = connection_to(&redis.address());
    let broker = Broker::Redis(redis);
    let mut server = TestServer::start(&broker);
    let mut last = RawFrame::new(0u128.to_be_bytes(), 1, 0);
    for n in 0..CLIENTS {
        let mut frame = RawFrame::new(n.to_be_bytes(), 1, 0);
        frame.call(&format!("agent/{n}"), "add_scalar", &("loss", 0.5, 1));
        frame.send(&mut ask, "tensorplex");
        last = frame;
    }
    last.wait_for_ack(&mut ask, "tensorplex");
    let peak = server.peak_memory() as f64 / f64::from(1 << 20);
    server.stop();
    peak
}

/// Time until the server is ready, with `runs` runs in its directory.
fn start(runs: usize) -> f64 {
    let broker = Broker::redis();
    let mut server = TestServer::start(&broker);
    let client = client_of(server.address());
    for n in 0..runs {
        let client = client.with_client_id(&format!("agent/{n}")).expect("an id");
        client.send("add_scalar", &("loss", 0.5, Some(1)));
    }
    client.flush(FLUSH_TIMEOUT).expect("everything acknowledged");
    drop(client);
    server.stop();
    let start = Instant::now();
    server.restart();
    let time = start.elapsed();
    server.stop();
    time.as_secs_f64() * 1e3
}

/// Size of the journal in MiB, and seconds until a killed server is ready again.
fn recovery() -> (u64, f64) {
    let mut server = TestServer::start(&Broker::Embedded);
    let client = client_of(server.address());
    crate::measurements::send_all(&client, JOURNAL);
    client.flush(FLUSH_TIMEOUT).expect("everything acknowledged");
    server.kill();
    let size = size_of(&server.logdir().join(".tensorplex"));
    let start = Instant::now();
    server.restart();
    let time = start.elapsed();
    server.stop();
    (size >> 20, time.as_secs_f64())
}

fn size_of(path: &std::path::Path) -> u64 {
    let metadata = std::fs::metadata(path).expect("it is there");
    match metadata.is_dir() {
        false => metadata.len(),
        true => {
            let entries = std::fs::read_dir(path).expect("a folder");
            entries
                .map(|entry| size_of(&entry.expect("an entry").path()))
                .sum()
        }
    }
}
