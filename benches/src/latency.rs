//! Latency from `add_scalar` to the scalar in its event file, at fractions of the highest rate.
//!
//! An event has the time of its call, by the same clock as the thread that reads the growing file.

use std::fs::File;
use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use remotecall::Client;
use tensorplex::tfevents::{FOOTER, HEADER};

use crate::measurements::{FLUSH_TIMEOUT, TAGS, client, tag, value};
use crate::servers::{BrokerKind, Servers};

const TIME: Duration = Duration::from_secs(4);
/// Step of the training loop, which logs a burst of scalars; and polling interval of the file.
const STEP: Duration = Duration::from_millis(1);
/// Scalars that determine the highest rate.
const PROBE: usize = 3_000_000;

pub fn print() {
    println!(
        "\n{:<44} {:>8} {:>8} {:>8}",
        "from add_scalar to the file, ms", "median", "p99", "longest"
    );
    for (name, through) in [("Redis", BrokerKind::Redis), ("embedded", BrokerKind::Embedded)] {
        let most = highest_rate(through);
        for percent in [10, 50, 90] {
            let rate = most * f64::from(percent) / 100.0;
            let times = latencies(through, rate);
            let at = |share: usize| {
                let time = times.get((times.len() - 1) * share / 100);
                time.expect("at least one record") * 1e3
            };
            let what = format!("{name}, {percent} % of {:.1} million per s", most / 1e6);
            println!("{what:<44} {:>8.1} {:>8.1} {:>8.1}", at(50), at(99), at(100));
        }
    }
}

fn log(client: &Client, from: usize, count: usize) {
    for n in from..from + count {
        let step = (n / TAGS.len()) as i64;
        client.send("add_scalar", &(tag(n), value(step), Some(step)));
    }
}

fn highest_rate(through: BrokerKind) -> f64 {
    let setting = Servers::start(through);
    let client = client(&setting);
    let start = Instant::now();
    log(&client, 0, PROBE);
    client.flush(FLUSH_TIMEOUT).expect("everything acknowledged");
    PROBE as f64 / start.elapsed().as_secs_f64()
}

/// Latencies in seconds, sorted.
fn latencies(through: BrokerKind, rate: f64) -> Vec<f64> {
    let setting = Servers::start(through);
    let client = client(&setting);
    log(&client, 0, 1);
    client.flush(FLUSH_TIMEOUT).expect("everything acknowledged");
    let folder = std::fs::read_dir(setting.dir.path().join("agent/0")).expect("a run");
    let path = folder
        .map(|file| file.expect("a file").path())
        .next()
        .expect("a file");
    let mut file = File::open(path).expect("a file");
    // Records written before do not count.
    std::io::copy(&mut file, &mut std::io::sink()).expect("a file");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| watch(file, &done));
        let (start, mut sent) = (Instant::now(), 1);
        while start.elapsed() < TIME {
            let wanted = (start.elapsed().as_secs_f64() * rate) as usize;
            log(&client, sent, wanted.saturating_sub(sent));
            sent = sent.max(wanted);
            std::thread::sleep(STEP);
        }
        client.flush(FLUSH_TIMEOUT).expect("everything acknowledged");
        done.store(true, Relaxed);
        let mut times = reader.join().expect("all records");
        assert_eq!(times.len(), sent - 1, "the first one was there before");
        times.sort_by(f64::total_cmp);
        times
    })
}

/// Age of each record when the reader first sees it.
fn watch(mut file: File, done: &AtomicBool) -> Vec<f64> {
    let (mut ages, mut unread) = (Vec::new(), Vec::new());
    loop {
        let is_last = done.load(Relaxed);
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("a clock")
            .as_secs_f64();
        file.read_to_end(&mut unread).expect("a file");
        let mut at = 0;
        while let Some(payload) = unread.get(at..).and_then(payload) {
            if let [0x09, time @ ..] = payload {
                let time = time.first_chunk().map_or(0.0, |time| f64::from_le_bytes(*time));
                ages.push((now - time).max(0.0));
            }
            at += HEADER + payload.len() + FOOTER;
        }
        unread.drain(..at);
        if is_last {
            return ages;
        }
        std::thread::sleep(STEP);
    }
}

/// Payload of the first record, if it is complete.
fn payload(bytes: &[u8]) -> Option<&[u8]> {
    let length = u64::from_le_bytes(*bytes.first_chunk()?) as usize;
    let end = HEADER + length;
    bytes.get(HEADER..end).filter(|_| bytes.len() >= end + FOOTER)
}
