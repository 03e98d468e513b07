//! The measurements of throughput and latency.

use std::time::{Duration, Instant};

use remotecall::{Client, ClientOptions, WhenFull};

use crate::baseline::baseline;
use crate::brpop::{brpop_in_flight, brpop_round_trip};
use crate::servers::{BrokerKind, EchoClient, Servers};

/// Scalars per measurement of throughput.
pub const SCALARS: i64 = 2_000_000;
/// Tags of the scalars.
pub const TAGS: [&str; 20] = [
    "loss/train",
    "loss/test",
    "accuracy/train",
    "accuracy/test",
    "gradient/norm",
    "learning_rate",
    "reward/mean",
    "reward/max",
    "entropy",
    "kl",
    "value/loss",
    "policy/loss",
    "fps",
    "episode/length",
    "weights/norm",
    "time/step",
    "time/data",
    "memory/used",
    "temperature",
    "epoch",
];

/// Tag of the scalar number `n`: the tags take turns.
pub fn tag(n: usize) -> &'static str {
    TAGS.get(n % TAGS.len())
        .copied()
        .expect("a remainder below the length")
}
/// Calls with a future, one at a time.
pub const ROUND_TRIPS: usize = 2_000;
/// Calls with a future, in flight at the same time.
const FUTURES: u64 = 10_000;
pub const FLUSH_TIMEOUT: Duration = Duration::from_secs(120);

pub struct Measure {
    pub name: &'static str,
    pub unit: &'static str,
    pub through: BrokerKind,
    pub run: fn(&Servers) -> f64,
}

pub const MEASURES: &[Measure] = &[
    Measure {
        name: "scalars end to end, Redis",
        unit: "per s",
        through: BrokerKind::Redis,
        run: end_to_end,
    },
    Measure {
        name: "scalars end to end, embedded",
        unit: "per s",
        through: BrokerKind::Embedded,
        run: end_to_end,
    },
    Measure {
        name: "scalars, bare program, Redis",
        unit: "per s",
        through: BrokerKind::Redis,
        run: baseline,
    },
    Measure {
        name: "scalars, bare program, embedded",
        unit: "per s",
        through: BrokerKind::Embedded,
        run: baseline,
    },
    #[cfg(feature = "tensorboard-rs")]
    Measure {
        name: "scalars, tensorboard-rs local",
        unit: "per s",
        through: BrokerKind::Nothing,
        run: crate::peer::end_to_end,
    },
    Measure {
        name: "bytes per scalar of a training",
        unit: "B",
        through: BrokerKind::Redis,
        run: bytes_per_scalar,
    },
    Measure {
        name: "one add_scalar",
        unit: "ns",
        through: BrokerKind::Redis,
        run: one_call,
    },
    #[cfg(feature = "tensorboard-rs")]
    Measure {
        name: "one add_scalar, tensorboard-rs",
        unit: "ns",
        through: BrokerKind::Nothing,
        run: crate::peer::one_call,
    },
    Measure {
        name: "future round trip, Redis",
        unit: "µs",
        through: BrokerKind::Redis,
        run: round_trip,
    },
    Measure {
        name: "future round trip p99, Redis",
        unit: "µs",
        through: BrokerKind::Redis,
        run: round_trip_p99,
    },
    Measure {
        name: "future round trip, embedded",
        unit: "µs",
        through: BrokerKind::Embedded,
        run: round_trip,
    },
    Measure {
        name: "bare XADD-XREAD ping-pong",
        unit: "µs",
        through: BrokerKind::Redis,
        run: ping_pong,
    },
    Measure {
        name: "bare XADD-XREAD ping-pong p99",
        unit: "µs",
        through: BrokerKind::Redis,
        run: ping_pong_p99,
    },
    Measure {
        name: "round trip, one BRPOP per future",
        unit: "µs",
        through: BrokerKind::Redis,
        run: brpop_round_trip,
    },
    Measure {
        name: "calls with 10,000 futures in flight, Redis",
        unit: "per s",
        through: BrokerKind::Redis,
        run: in_flight,
    },
    Measure {
        name: "calls in flight, one BRPOP per future",
        unit: "per s",
        through: BrokerKind::Redis,
        run: brpop_in_flight,
    },
];

pub fn client(setting: &Servers) -> Client {
    client_of(&setting.address)
}

pub fn client_of(address: &str) -> Client {
    let options = ClientOptions {
        when_full: WhenFull::Block(FLUSH_TIMEOUT),
        ..ClientOptions::default()
    };
    Client::connect_with(address, "tensorplex", "agent/0", options).expect("a client")
}

pub fn value(step: i64) -> f64 {
    f64::from((1.0 / (1.0 + step as f64 * 1e-3) + (step % 17) as f64 * 1e-3) as f32)
}

/// Measures from the first call to the end of the flush: all records are on disk and visible.
fn end_to_end(setting: &Servers) -> f64 {
    let client = client(setting);
    let start = Instant::now();
    send_all(&client, SCALARS);
    client.flush(FLUSH_TIMEOUT).expect("everything acknowledged");
    SCALARS as f64 / start.elapsed().as_secs_f64()
}

pub fn send_all(client: &Client, count: i64) {
    for n in 0..count {
        let step = n / TAGS.len() as i64;
        client.send("add_scalar", &(tag(n as usize), value(step), Some(step)));
    }
}

/// Bytes per scalar of the frames in the broker: 20 tags of a training, float32 values, a burst of
/// 20 scalars every 100 µs.
fn bytes_per_scalar(setting: &Servers) -> f64 {
    const STEPS: i64 = 5_000;
    let client = client(setting);
    let mut state = 1u64;
    let mut random = || {
        // SplitMix64 (Steele, Lea and Flood, 2014), scaled to 0 to 1.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) as f64 / u64::MAX as f64
    };
    for step in 0..STEPS {
        let start = Instant::now();
        let share = step as f64 / STEPS as f64;
        for (n, tag) in TAGS.iter().enumerate() {
            let value = match n % 5 {
                0 => (-3.0 * share).exp() * (1.0 + 0.1 * random()),
                1 => 1e-3 * (1.0 + (std::f64::consts::PI * share).cos()) / 2.0,
                2 => (random() * 64.0).floor() / 64.0,
                3 => (2.0 * random() - 1.0).exp(),
                _ => (random() * 1e5).round() / 100.0,
            };
            client.send("add_scalar", &(tag, f64::from(value as f32), Some(step)));
        }
        while start.elapsed() < Duration::from_micros(100) {
            std::hint::spin_loop();
        }
    }
    client.flush(FLUSH_TIMEOUT).expect("everything acknowledged");
    setting.bytes() as f64 / (STEPS * TAGS.len() as i64) as f64
}

/// Median time of a call, measured in batches of 100, because reading the clock takes about 30 ns.
fn one_call(setting: &Servers) -> f64 {
    let client = client(setting);
    batches(|step| {
        client.send("add_scalar", &(tag(step as usize), value(step), Some(step)));
    })
}

pub fn batches(mut call: impl FnMut(i64)) -> f64 {
    const BATCH: i64 = 100;
    let mut times: Vec<f64> = Vec::new();
    for batch in 0..2_000 {
        let start = Instant::now();
        for n in 0..BATCH {
            call(batch * BATCH + n);
        }
        times.push(start.elapsed().as_nanos() as f64 / BATCH as f64);
    }
    median(times)
}

fn round_trip(setting: &Servers) -> f64 {
    median(round_trips(setting))
}

fn round_trip_p99(setting: &Servers) -> f64 {
    p99(round_trips(setting))
}

fn round_trips(setting: &Servers) -> Vec<f64> {
    let echo = EchoClient::connect(&setting.address, "echo", "agent/0").expect("a client");
    let mut times = Vec::new();
    for n in 0..ROUND_TRIPS as u64 {
        let start = Instant::now();
        assert_eq!(echo.echo(n).get(), Ok(n));
        times.push(start.elapsed().as_nanos() as f64 / 1e3);
    }
    times
}

fn in_flight(setting: &Servers) -> f64 {
    let echo = EchoClient::connect(&setting.address, "echo", "agent/0").expect("a client");
    assert_eq!(echo.echo(0).get(), Ok(0));
    let start = Instant::now();
    for _ in 0..10 {
        let futures: Vec<_> = (0..FUTURES).map(|n| echo.echo(n)).collect();
        for (n, future) in (0..).zip(futures) {
            assert_eq!(future.get(), Ok(n));
        }
    }
    (10 * FUTURES) as f64 / start.elapsed().as_secs_f64()
}

fn ping_pong(setting: &Servers) -> f64 {
    median(ping_pongs(setting))
}

fn ping_pong_p99(setting: &Servers) -> f64 {
    p99(ping_pongs(setting))
}

/// Baseline of broker and system: two threads that answer each other over two streams.
fn ping_pongs(setting: &Servers) -> Vec<f64> {
    let (mut here, mut there) = (connection(setting), connection(setting));
    let other = std::thread::spawn(move || {
        let mut last = "0-0".to_owned();
        for _ in 0..ROUND_TRIPS {
            last = next(&mut there, "ping", &last);
            put(&mut there, "pong");
        }
    });
    let mut times = Vec::new();
    let mut last = "0-0".to_owned();
    for _ in 0..ROUND_TRIPS {
        let start = Instant::now();
        put(&mut here, "ping");
        last = next(&mut here, "pong", &last);
        times.push(start.elapsed().as_nanos() as f64 / 1e3);
    }
    other.join().expect("the other side");
    times
}

pub fn connection(setting: &Servers) -> redis::Connection {
    connection_to(&setting.address)
}

pub fn connection_to(address: &str) -> redis::Connection {
    let client = redis::Client::open(address).expect("an address");
    client.get_connection().expect("a connection")
}

fn put(connection: &mut redis::Connection, key: &str) {
    redis::cmd("XADD")
        .arg(key)
        .arg("*")
        .arg("f")
        .arg("x")
        .exec(connection)
        .expect("an answer");
}

fn next(connection: &mut redis::Connection, key: &str, last: &str) -> String {
    type Answer = Vec<(String, Vec<(String, Vec<String>)>)>;
    let mut command = redis::cmd("XREAD");
    command
        .arg("COUNT")
        .arg(1)
        .arg("BLOCK")
        .arg(0)
        .arg("STREAMS")
        .arg(key)
        .arg(last);
    let answer: Answer = command.query(connection).expect("an answer");
    let entry = answer.first().and_then(|(_, entries)| entries.first());
    entry.expect("an entry").0.clone()
}

pub fn median(times: Vec<f64>) -> f64 {
    quantile(times, 50)
}

fn p99(times: Vec<f64>) -> f64 {
    quantile(times, 99)
}

fn quantile(mut times: Vec<f64>, percent: usize) -> f64 {
    times.sort_by(f64::total_cmp);
    let time = times.get(times.len() * percent / 100);
    *time.expect("at least one measurement")
}
