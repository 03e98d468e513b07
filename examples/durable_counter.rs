//! An object that survives kill -9: its calls are journaled, and it saves its own state. Run twice
//! with `cargo run --example durable_counter -- counter`: the second run continues where the first
//! one was killed.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use remotecall::{Durable, RemoteCall, remote};
use tensorplex_examples::Broker;

#[derive(Default)]
struct Counter {
    total: i64,
}

#[remote]
impl Counter {
    /// Adds, and returns the new total.
    pub fn add(&mut self, delta: i64) -> i64 {
        self.total += delta;
        self.total
    }
}

/// Replay without this trait, by `.journal(dir)`, repeats every call since the beginning. With it,
/// by `.durable(dir)`, replay repeats only the calls after the last checkpoint.
impl Durable for Counter {
    /// Nothing to do: the effects of calls are visible only in their results.
    fn commit(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn checkpoint(&mut self) -> io::Result<Vec<u8>> {
        Ok(self.total.to_le_bytes().to_vec())
    }

    fn restore(&mut self, state: &[u8]) -> io::Result<()> {
        let bytes = state.try_into().map_err(|_| io::ErrorKind::InvalidData)?;
        self.total = i64::from_le_bytes(bytes);
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let dir = PathBuf::from(std::env::args().nth(1).ok_or("usage: durable_counter DIR")?);
    let broker = Broker::start()?;
    let address = broker.address();
    let _server = RemoteCall::new(Counter::default())
        .queue("counter")
        .durable(&dir)
        .start(&address)?;

    let counter = CounterClient::connect(&address, "counter", "alice")?;
    let futures: Vec<_> = (0..1000).map(|_| counter.add(1)).collect();
    for future in futures {
        println!("{}", future.get()?); // whatever was printed once is never forgotten
    }
    // Ends the process as kill -9 does: nothing is saved.
    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL)?;
    Ok(())
}
