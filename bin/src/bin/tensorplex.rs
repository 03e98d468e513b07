//! The program `tensorplex`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tensorplex_bin::{demo, logging, send};

/// Tools for Tensorplex: hundreds of training workers, one TensorBoard, nothing lost
#[derive(Parser)]
#[command(version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Send(send::Send),
    Demo(demo::Demo),
    #[command(hide = true)]
    DemoWorker(demo::Worker),
}

fn main() -> ExitCode {
    logging::start("warn");
    match Cli::parse().command {
        Command::Send(send) => run_send(&send),
        Command::Demo(demo) => exit(demo.run()),
        Command::DemoWorker(worker) => exit(worker.run()),
    }
}

fn exit<E: std::fmt::Display>(result: Result<(), E>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tensorplex: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run_send(send: &send::Send) -> ExitCode {
    let mut report = |number, why: &str| eprintln!("tensorplex send: line {number}: {why}");
    let outcome = match send.run(std::io::stdin().lock(), &mut report) {
        Ok(outcome) => outcome,
        Err(error) => {
            eprintln!("tensorplex send: {error}");
            return ExitCode::FAILURE;
        }
    };
    if outcome.outstanding > 0 {
        eprintln!(
            "tensorplex send: {} lines were not acknowledged in time",
            outcome.outstanding
        );
    }
    match outcome.refused + outcome.outstanding {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
