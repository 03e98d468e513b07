//! Remote calls as the original made them, for comparison: a flag key and a list per call, one
//! BRPOP per future.
//!
//! ```text
//! client: SET flag 1, LPUSH queue call     server: BRPOP queue, EXISTS flag, LPUSH result
//!         BRPOP result, DEL flag
//! ```
//!
//! Written in Rust, without pickle and Lua script: only the transport, at its best.

use std::thread::JoinHandle;
use std::time::Instant;

use crate::measurements::{ROUND_TRIPS, connection, median};
use crate::servers::Servers;

/// Calls in flight at a time.
const FUTURES: usize = 5_000;

pub fn brpop_round_trip(setting: &Servers) -> f64 {
    let server = serve(setting, ROUND_TRIPS);
    let mut client = connection(setting);
    let mut times = Vec::new();
    for n in 0..ROUND_TRIPS {
        let start = Instant::now();
        call(&mut client, n);
        get(&mut client, n);
        times.push(start.elapsed().as_nanos() as f64 / 1e3);
    }
    server.join().expect("the server");
    median(times)
}

pub fn brpop_in_flight(setting: &Servers) -> f64 {
    let server = serve(setting, FUTURES);
    let mut client = connection(setting);
    let start = Instant::now();
    (0..FUTURES).for_each(|n| call(&mut client, n));
    (0..FUTURES).for_each(|n| get(&mut client, n));
    let seconds = start.elapsed().as_secs_f64();
    server.join().expect("the server");
    FUTURES as f64 / seconds
}

fn call(client: &mut redis::Connection, n: usize) {
    redis::pipe()
        .set(format!("flag:{n}"), 1)
        .ignore()
        .lpush("queue", n)
        .ignore()
        .exec(client)
        .expect("a queued call");
}

fn get(client: &mut redis::Connection, n: usize) {
    let mut command = redis::cmd("BRPOP");
    let (_, result): (String, usize) = command
        .arg(format!("result:{n}"))
        .arg(0)
        .query(client)
        .expect("a result");
    assert_eq!(result, n);
    redis::cmd("DEL")
        .arg(format!("flag:{n}"))
        .exec(client)
        .expect("an answer");
}

fn serve(setting: &Servers, calls: usize) -> JoinHandle<()> {
    let mut server = connection(setting);
    std::thread::spawn(move || {
        for _ in 0..calls {
            let (_, n): (String, usize) = redis::cmd("BRPOP")
                .arg("queue")
                .arg(0)
                .query(&mut server)
                .expect("a call");
            let waits: bool = redis::cmd("EXISTS")
                .arg(format!("flag:{n}"))
                .query(&mut server)
                .expect("an answer");
            assert!(waits);
            redis::cmd("LPUSH")
                .arg(format!("result:{n}"))
                .arg(n)
                .exec(&mut server)
                .expect("an answer");
        }
    })
}
