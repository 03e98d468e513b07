//! Chaos harness as a program: half of the time with a real Redis, half with the embedded broker.
//! The exit code is 1 when a guarantee was broken. The environment variable SEED repeats a run.
//!
//! chaos SECONDS

use std::process::ExitCode;
use std::time::Duration;

use tensorplex_tests::Rng;
use tensorplex_tests::chaos::{Plan, run};

fn main() -> ExitCode {
    let seconds = std::env::args().nth(1).and_then(|text| text.parse().ok());
    let Some(seconds) = seconds.filter(|&seconds: &u64| seconds > 0) else {
        eprintln!("usage: chaos SECONDS");
        return ExitCode::from(2);
    };
    let seed = Rng::seed();
    let faults: usize = [true, false]
        .map(|has_redis| {
            let report = run(Plan::new(seed, Duration::from_secs(seconds) / 2, has_redis));
            let through = if has_redis { "Redis" } else { "the embedded broker" };
            println!("through {through}: {report}");
            report.faults.len()
        })
        .iter()
        .sum();
    match faults {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
