//! What the programs say about themselves: structured lines on standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Sends `tracing` lines to standard error; `RUST_LOG` chooses which, `info` when it is not set.
pub fn start(default: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
}
