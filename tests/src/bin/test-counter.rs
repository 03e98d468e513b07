//! Journaled counter: its server, and a process that calls it.
//!
//! ```text
//! test-counter serve DIR ADDRESS   serves a counter with its journal in DIR, at the broker ADDRESS
//! test-counter own DIR LISTEN      the same with an embedded broker
//! test-counter call ADDRESS ID COUNT IN_FLIGHT
//!     adds one COUNT times, with IN_FLIGHT calls in flight; prints each result, in the order of the calls
//! ```

use std::collections::VecDeque;
use std::error::Error;
use std::path::Path;

use remotecall::embedded::{BrokerOptions, EmbeddedBroker};
use remotecall::{RemoteCall, RemoteFuture, remote};
use tensorplex_tests::DEADLINE;

struct Counter {
    count: u64,
}

#[remote]
impl Counter {
    pub fn add(&mut self, n: u64) -> u64 {
        self.count += n;
        self.count
    }

    #[remote(read)]
    pub fn count(&self) -> u64 {
        self.count
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["serve", dir, address] => serve(dir, address),
        ["own", dir, listen] => {
            let broker = EmbeddedBroker::start(BrokerOptions::new(listen.parse()?))?;
            serve(dir, &broker.address().to_string())
        }
        ["call", address, id, count, in_flight] => call(address, id, count.parse()?, in_flight.parse()?),
        _ => Err(
            "usage: test-counter serve DIR ADDRESS | own DIR LISTEN | call ADDRESS ID COUNT IN_FLIGHT".into(),
        ),
    }
}

fn serve(dir: &str, address: &str) -> Result<(), Box<dyn Error>> {
    println!("at {address}");
    let server = RemoteCall::new(Counter { count: 0 }).journal(Path::new(dir));
    Ok(server.run(address)?)
}

fn call(address: &str, id: &str, count: usize, in_flight: usize) -> Result<(), Box<dyn Error>> {
    let counter = CounterClient::connect(address, "remotecall", id)?;
    let mut on_their_way = VecDeque::new();
    for _ in 0..count {
        on_their_way.push_back(counter.add(1));
        if on_their_way.len() == in_flight {
            on_their_way.pop_front().map(end).transpose()?;
        }
    }
    on_their_way.into_iter().try_for_each(end)?;
    Ok(counter.client().close(DEADLINE)?)
}

/// Prints the value or the error of a call.
///
/// # Errors
/// When the future does not end within the deadline.
fn end(future: RemoteFuture<u64>) -> Result<(), Box<dyn Error>> {
    match future.get_timeout(DEADLINE) {
        Ok(Some(value)) => println!("{value}"),
        Ok(None) => return Err("a future hangs".into()),
        Err(error) => println!("{error:?}"),
    }
    Ok(())
}
