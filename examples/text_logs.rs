//! Text logs of several workers, one file each, with the workers' own time. Run with `cargo run
//! --example text_logs`.

use std::error::Error;
use std::time::Duration;

use loggerplex::{Logger, words};
use tensorplex::Tensorplex;
use tensorplex_examples::{LocalServer, logdir, private};

fn main() -> Result<(), Box<dyn Error>> {
    let logdir = logdir("text_logs");
    let server = LocalServer::start(
        &logdir,
        Tensorplex::open(&logdir, &private(&logdir, "tensorplex"))?,
    )?;

    let log = Logger::connect(&server.address(), "agent/0")?;
    log.section("start");
    log.info("two lines\nof one message");
    log.warning("nothing learnt yet");
    log.info3(words!["loss", 0.25, "of step", 7]);
    log.info_fmt("{:.1%} of {what} done", words![0.125, what = "all steps"]);
    if let Err(error) = "three".parse::<i32>() {
        log.exception("a bad setting", &error);
    }
    let other = log.with_client_id("agent/1")?;
    other.info("started too");
    log.flush(Duration::from_secs(10))?;

    server.stop()?;
    for id in ["agent/0", "agent/1"] {
        let path = logdir.join("logs").join(format!("{id}.log"));
        println!("{}:\n{}", path.display(), std::fs::read_to_string(&path)?);
    }
    Ok(())
}
