//! What a server in this process says about itself: warnings on standard error, as the program has them.

use std::fs::File;
use std::os::fd::AsFd;
use std::sync::Once;

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

static STARTED: Once = Once::new();

/// Sends warnings to standard error from now on.
pub(crate) fn start() {
    STARTED.call_once(|| {
        // A file of its own: the library's standard error has a lock, which a fork could find held for ever.
        let Ok(stderr) = std::io::stderr().as_fd().try_clone_to_owned() else {
            return;
        };
        let lines = tracing_subscriber::fmt::layer()
            .with_writer(File::from(stderr))
            .with_ansi(false)
            .with_target(false);
        // Whoever has set another subscriber hears it there.
        let _ = tracing_subscriber::registry()
            .with(LevelFilter::WARN)
            .with(lines)
            .try_init();
    });
}
