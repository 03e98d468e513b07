//! Server warnings on standard error, in the form of the program `tensorplex-server`.

use std::fs::File;
use std::os::fd::AsFd;
use std::sync::Once;

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

static STARTED: Once = Once::new();

/// Sends warnings to standard error from now on, unless another subscriber is installed.
pub(crate) fn start() {
    STARTED.call_once(|| {
        // A duplicate descriptor: `std::io::stderr` has a lock, which a fork could copy while held.
        let Ok(stderr) = std::io::stderr().as_fd().try_clone_to_owned() else {
            return;
        };
        let lines = tracing_subscriber::fmt::layer()
            .with_writer(File::from(stderr))
            .with_ansi(false)
            .with_target(false);
        let _ = tracing_subscriber::registry()
            .with(LevelFilter::WARN)
            .with(lines)
            .try_init();
    });
}
