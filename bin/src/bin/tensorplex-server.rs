//! Program `tensorplex-server`: parses the command line and serves.

use std::process::ExitCode;

use clap::Parser;
use tensorplex_bin::{logging, server::Server};

fn main() -> ExitCode {
    let server = Server::parse();
    logging::start("info");
    match server.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tensorplex-server: {error}");
            ExitCode::FAILURE
        }
    }
}
