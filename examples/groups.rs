//! Groups choose the curves that share a chart. Run with cargo run --example groups.
//!
//! One learner with two losses in one run; sixteen agents, eight per chart; players whose names
//! choose their chart.

use std::error::Error;
use std::num::NonZeroU32;
use std::time::Duration;

use tensorplex::{Tensorplex, Writer};
use tensorplex_examples::{LocalServer, logdir, private};

fn main() -> Result<(), Box<dyn Error>> {
    let logdir = logdir("groups");
    let eight = NonZeroU32::MIN.saturating_add(7);
    let colour = |id: &str| {
        if id.starts_with("red") {
            "red".to_owned()
        } else {
            "blue".to_owned()
        }
    };
    let tensorplex = Tensorplex::open(&logdir, &private(&logdir, "tensorplex"))?
        .normal_group("learner")? // run learner, tags actor/loss and critic/loss
        .indexed_group("agent", eight)? // run agent/9, tag agent/reward/8-15
        .combined_group("player", Box::new(colour))?; // run player/red2, tag player/score/red
    let server = LocalServer::start(&logdir, tensorplex)?;

    let log = Writer::connect(&server.address(), "learner/actor")?;
    let critic = log.with_client_id("learner/critic")?;
    for step in 0..50 {
        log.scalar("loss", (-0.1 * step as f64).exp(), step);
        critic.scalar("loss", (-0.05 * step as f64).exp(), step);
        for n in 0..16 {
            let agent = log.with_client_id(&format!("agent/{n}"))?;
            agent.scalar("reward", (step as f64 / (n + 1) as f64).tanh(), step);
        }
        for name in ["red1", "red2", "blue1"] {
            log.with_client_id(&format!("player/{name}"))?.scalar(
                "score",
                (step * name.len() as i64) as f64,
                step,
            );
        }
    }
    log.flush(Duration::from_secs(10))?;

    server.stop()?;
    println!("tensorboard --logdir {}", logdir.display());
    Ok(())
}
