//! One worker logs a curve, a histogram and a text. Run with cargo run --example quickstart.
//!
//! The server runs inside this process; with a `tensorplex-server` running,
//! `Writer::connect("127.0.0.1:8008", …)` is all.

use std::error::Error;
use std::time::Duration;

use tensorplex::{Tensorplex, Writer};
use tensorplex_examples::{LocalServer, logdir, private};

fn main() -> Result<(), Box<dyn Error>> {
    let logdir = logdir("quickstart");
    let server = LocalServer::start(
        &logdir,
        Tensorplex::open(&logdir, &private(&logdir, "tensorplex"))?,
    )?;

    let log = Writer::connect(&server.address(), "agent/17")?;
    log.text("about", "gradient descent on **x²**", 0);
    let mut x = 3.0;
    for step in 0..100 {
        log.scalar("loss", x * x, step);
        log.histogram("x", &[x, x / 2.0, x / 4.0], step);
        x -= 0.05 * 2.0 * x;
    }
    log.flush(Duration::from_secs(10))?; // all of it is on disk now, and TensorBoard sees it

    server.stop()?;
    println!("tensorboard --logdir {}", logdir.display());
    Ok(())
}
