//! Log lines of the programs themselves, on standard error.

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::terminal::supports_colour;

/// Writes `tracing` events to standard error. `RUST_LOG` selects them, such as `debug` or
/// `remotecall=debug,warn`; without it, `default` does.
pub fn start(default: &str) {
    let wanted = std::env::var("RUST_LOG").unwrap_or_default();
    let filter = wanted.parse::<Targets>().ok().filter(|_| !wanted.is_empty());
    let filter = filter.or_else(|| default.parse().ok()).unwrap_or_default();
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(supports_colour(&std::io::stderr()))
        .with_target(false);
    tracing_subscriber::registry().with(filter).with(lines).init();
}
