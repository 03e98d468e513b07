//! Program `tensorplex`: parses the command line and runs one command.

#![allow(
    clippy::doc_markdown,
    reason = "the doc comment of `Cli` is a help text: a terminal would show the backticks"
)]

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use tensorplex_bin::units::count;
use tensorplex_bin::{completions, doctor, drain, exit, export, inspect, logging, run, send, tail, top};

/// Tools for Tensorplex: hundreds of training workers log into one TensorBoard directory
#[derive(Parser)]
#[command(
    name = "tensorplex",
    version,
    propagate_version = true,
    after_help = "\
Examples:
  tensorplex run --client-id agent/0 -- python train.py
  tensorplex tail 'agent/*' --level warning
  tensorplex top --tag '*loss*'
  tensorplex export runs/ > scalars.csv
  tensorplex doctor runs/

See tensorplex COMMAND --help for the options of a command."
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
    Completions(completions::Completions),
}

fn main() -> ExitCode {
    let command = Cli::parse().command;
    // `tail` reports an outage itself, once, so warnings of the connection are hidden.
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
        Command::Completions(shell) => exit::code("completions", shell.run(Cli::command())),
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
            "tensorplex send: {} not acknowledged in time, and may still arrive",
            count(outcome.outstanding, "line")
        );
    }
    match outcome.refused + outcome.outstanding {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
