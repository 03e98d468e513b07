//! Scaling: records per second through Redis against one growing parameter, with defaults for all
//! others.

use std::io::{BufRead, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use remotecall::{Client, ClientOptions, WhenFull};
use tensorplex::records::{Array, Image};
use tensorplex::{QUEUE, Writer};

use crate::measurements::{FLUSH_TIMEOUT, TAGS, median, value};
use crate::servers::{BrokerKind, SELF, Servers};

/// Scalars per measurement.
const SCALARS: usize = 1_000_000;
/// Measurements per point; the point is their median.
const ROUNDS: usize = 3;
/// Command-line word that makes this program a worker.
pub const WORKER: &str = "worker";

/// Prints and returns a table of parameter, value and records per second.
pub fn print() -> Vec<(&'static str, usize, f64)> {
    let mut points: Vec<(&'static str, usize, f64)> = Vec::new();
    println!(
        "\n{:<40} {:>8} {:>12} {:>8}",
        "through Redis, records per s", "", "median", "to last"
    );
    let mut row = |what: &'static str, n: usize, measure: &dyn Fn() -> f64| {
        let rate = median((0..ROUNDS).map(|_| measure()).collect());
        let before = points
            .last()
            .filter(|(last, ..)| *last == what)
            .map(|&(.., rate)| rate);
        let ratio = before
            .map(|before: f64| format!("{:.2}", rate / before))
            .unwrap_or_default();
        println!("{what:<40} {n:>8} {rate:>12.0} {ratio:>8}");
        points.push((what, n, rate));
    };
    for n in [1, 10, 100, 1_000, 10_000] {
        row("client ids", n, &|| ids_and_tags(n, 20));
    }
    for n in [1, 10, 100, 1_000, 10_000] {
        row("tags", n, &|| ids_and_tags(1, n));
    }
    for n in [1, 2, 4, 8, 16, 32, 64] {
        row("worker processes", n, &|| processes(n));
    }
    for n in [1, 10, 50, 200, 1000] {
        row("linger, ms", n, &|| linger(n as u64));
    }
    row("scalars", 1, &|| {
        mix(SCALARS, |log, n| log.scalar("loss", value(n), n))
    });
    let buckets: Vec<_> = (0..64).map(|n| [f64::from(n), f64::from(n + 1), 3.0]).collect();
    row("histograms of 64 buckets", 1, &|| {
        mix(50_000, |log, n| {
            log.client()
                .expect("a remote writer")
                .add_histogram_buckets("weights", &buckets, Some(n), None);
        })
    });
    let text = "word ".repeat((64 << 10) / 5);
    row("texts of 64 KiB", 1, &|| {
        mix(2_000, |log, n| log.text("note", &text, n))
    });
    let pixels: Vec<u8> = (0..512 * 512 * 3u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    row("images of 512 by 512, noise", 1, &|| {
        mix(100, |log, n| {
            let pixels = Array::new(&[512, 512, 3], pixels.clone()).expect("as many pixels");
            log.add(Image::new("photo", pixels, "HWC").expect("an image"), n);
        })
    });
    points
}

/// Worker process: waits for a line, sends, waits for the acknowledgement of everything, and prints
/// a line.
pub fn work(address: &str, id: &str, count: &str) {
    let count: usize = count.parse().expect("a number");
    let client = client(address, id, ClientOptions::default());
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).expect("a line");
    send(std::slice::from_ref(&client), &TAGS, count);
    client.flush(FLUSH_TIMEOUT).expect("everything acknowledged");
    println!("done");
}

fn client(address: &str, id: &str, options: ClientOptions) -> Client {
    let options = ClientOptions {
        when_full: WhenFull::Block(FLUSH_TIMEOUT),
        ..options
    };
    Client::connect_with(address, QUEUE, id, options).expect("a client")
}

fn send(clients: &[Client], tags: &[impl AsRef<str>], count: usize) {
    for n in 0..count {
        let step = (n / tags.len()) as i64;
        let client = clients.get(n % clients.len()).expect("at least one client");
        let tag = tags.get(n % tags.len()).expect("at least one tag");
        client.send("add_scalar", &(tag.as_ref(), value(step), Some(step)));
    }
}

fn ids_and_tags(ids: usize, tags: usize) -> f64 {
    let setting = Servers::start(BrokerKind::Redis);
    let first = client(&setting.address, "agent/0", ClientOptions::default());
    let others = (1..ids).map(|n| first.with_client_id(&format!("agent/{n}")).expect("an id"));
    let clients: Vec<Client> = std::iter::once(first.clone()).chain(others).collect();
    let tags: Vec<String> = (0..tags).map(|n| format!("tag/{n}")).collect();
    let start = Instant::now();
    send(&clients, &tags, SCALARS);
    first.flush(FLUSH_TIMEOUT).expect("everything acknowledged");
    SCALARS as f64 / start.elapsed().as_secs_f64()
}

fn processes(count: usize) -> f64 {
    let setting = Servers::start(BrokerKind::Redis);
    let each = SCALARS / count;
    let start = |n: usize| {
        let mut worker = Command::new(SELF);
        worker.args([WORKER, &setting.address, &format!("agent/{n}"), &each.to_string()]);
        worker.stdin(Stdio::piped()).stdout(Stdio::piped());
        worker.spawn().expect("a process")
    };
    let mut workers: Vec<Child> = (0..count).map(start).collect();
    let start = Instant::now();
    for worker in &mut workers {
        worker
            .stdin
            .take()
            .expect("a pipe")
            .write_all(b"go\n")
            .expect("a worker");
    }
    for worker in &mut workers {
        assert!(worker.wait().expect("its end").success());
    }
    (each * count) as f64 / start.elapsed().as_secs_f64()
}

fn linger(ms: u64) -> f64 {
    let setting = Servers::start(BrokerKind::Redis);
    let options = ClientOptions {
        linger: Duration::from_millis(ms),
        ..ClientOptions::default()
    };
    let client = client(&setting.address, "agent/0", options);
    let start = Instant::now();
    send(std::slice::from_ref(&client), &TAGS, SCALARS);
    client.flush(FLUSH_TIMEOUT).expect("everything acknowledged");
    SCALARS as f64 / start.elapsed().as_secs_f64()
}

fn mix(count: usize, record: impl Fn(&Writer, i64)) -> f64 {
    let setting = Servers::start(BrokerKind::Redis);
    let log = Writer::connect(&setting.address, "agent/0").expect("an address");
    let start = Instant::now();
    for n in 0..count {
        record(&log, n as i64);
        // The window does not block when full, so a flush empties it from time to time.
        if n % (count / 20).max(1) == 0 {
            log.flush(FLUSH_TIMEOUT).expect("everything acknowledged");
        }
    }
    log.flush(FLUSH_TIMEOUT).expect("everything acknowledged");
    count as f64 / start.elapsed().as_secs_f64()
}
