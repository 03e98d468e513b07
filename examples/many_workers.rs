//! Eight workers, here as threads, with one run each. Run with `cargo run --example many_workers`.

use std::error::Error;
use std::time::Duration;

use tensorplex::FlushError;
use tensorplex::{Tensorplex, Writer};
use tensorplex_examples::{LocalServer, logdir, private};

fn main() -> Result<(), Box<dyn Error>> {
    let logdir = logdir("many_workers");
    let server = LocalServer::start(
        &logdir,
        Tensorplex::open(&logdir, &private(&logdir, "tensorplex"))?,
    )?;

    let mut workers = Vec::new();
    for n in 0..8 {
        let log = Writer::connect(&server.address(), &format!("worker/{n}"))?;
        workers.push(std::thread::spawn(move || newton(&log, f64::from(n) + 2.0)));
    }
    for worker in workers {
        worker.join().map_err(|_| "a worker panicked")??;
    }

    server.stop()?;
    println!("tensorboard --logdir {}", logdir.display());
    Ok(())
}

/// Computes a square root, and logs the error of each step.
fn newton(log: &Writer, number: f64) -> Result<(), FlushError> {
    let mut x = number;
    for step in 0..10 {
        log.scalar("error", (x * x - number).abs(), step);
        x = (x + number / x) / 2.0;
    }
    log.flush(Duration::from_secs(10))
}
