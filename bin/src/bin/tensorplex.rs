//! The program `tensorplex`.

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use tensorplex_bin::{
    completions, demo, doctor, drain, exit, export, inspect, logging, run, send, tail, top,
};

/// Tools for Tensorplex: hundreds of training workers, one TensorBoard, nothing lost
#[derive(Parser)]
#[command(
    version,
    propagate_version = true,
    after_help = "\
Examples:
  tensorplex run --client-id agent/0 -- python train.py
  tensorplex tail 'agent/*' --level warning
  tensorplex top --tag '*loss*'
  tensorplex export runs/ > scalars.csv
  tensorplex doctor runs/

tensorplex COMMAND --help has more."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Run(run::Run),
    Send(send::Send),
    Drain(drain::Drain),
    Tail(tail::Tail),
    Top(top::Top),
    Export(export::Export),
    Inspect(inspect::Inspect),
    Doctor(doctor::Doctor),
    Demo(demo::Demo),
    Completions(completions::Completions),
    #[command(hide = true)]
    DemoWorker(demo::Worker),
}

fn main() -> ExitCode {
    let command = Cli::parse().command;
    // `tail` says itself, once, that the server is away.
    logging::start(if matches!(command, Command::Tail(_)) {
        "error"
    } else {
        "warn"
    });
    match command {
        Command::Run(run) => run_program(&run),
        Command::Send(send) => run_send(&send),
        Command::Drain(drain) => exit::code("drain", drain.run()),
        Command::Tail(tail) => exit::code("tail", tail.run()),
        Command::Top(top) => exit::code("top", top.run()),
        Command::Export(export) => exit::code("export", export.run()),
        Command::Inspect(inspect) => exit::code("inspect", inspect.run()),
        Command::Doctor(doctor) => exit::code("doctor", doctor.run()),
        Command::Demo(demo) => run_demo(demo.run()),
        Command::Completions(shell) => exit::code("completions", shell.run(Cli::command())),
        Command::DemoWorker(worker) => run_demo(worker.run()),
    }
}

fn run_demo<E: std::fmt::Display>(result: Result<(), E>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tensorplex: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run_program(run: &run::Run) -> ExitCode {
    match run.run() {
        Ok(ended) => {
            if let Err(error) = &ended.logged {
                eprintln!("tensorplex run: {error}");
            }
            ended.exit_code().into()
        }
        Err(error) => {
            eprintln!("tensorplex run: {error}");
            error.exit_code().into()
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
