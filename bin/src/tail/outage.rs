//! Outage notices: what the user sees while a server does not reply.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use loggerplex::reading::WaitPolicy;

/// Time without a reply after which an outage is reported: 5 s, longer than a busy server takes.
const NOTICE_AFTER: Duration = Duration::from_secs(5);
/// Time without a reply after which `--no-follow` gives up: 30 s.
const GIVE_UP_AFTER: Duration = Duration::from_secs(30);

/// Prints one line on standard error when the server stops replying, and one when it replies again.
pub(super) struct OutageNotice {
    server: String,
    /// Set by a signal that ends the program.
    end: Arc<AtomicBool>,
    gives_up: bool,
    is_reported: bool,
}

impl OutageNotice {
    pub fn new(server: String, end: Arc<AtomicBool>, gives_up: bool) -> Self {
        Self {
            server,
            end,
            gives_up,
            is_reported: false,
        }
    }
}

impl WaitPolicy for OutageNotice {
    fn keep_waiting(&mut self, waited: Duration) -> bool {
        if !self.is_reported && waited >= NOTICE_AFTER {
            self.is_reported = true;
            eprintln!(
                "tensorplex tail: the server at {} does not answer; waiting for it",
                self.server
            );
        }
        let is_over = self.end.load(Relaxed) || (self.gives_up && waited >= GIVE_UP_AFTER);
        !is_over
    }

    fn reply_arrived(&mut self) {
        if std::mem::take(&mut self.is_reported) {
            eprintln!("tensorplex tail: the server at {} answers again", self.server);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keeps_waiting(gives_up: bool, end: bool, waited: Duration) -> bool {
        OutageNotice::new(String::new(), Arc::new(AtomicBool::new(end)), gives_up).keep_waiting(waited)
    }

    #[test]
    fn only_no_follow_and_signals_end_the_wait() {
        assert!(keeps_waiting(false, false, GIVE_UP_AFTER));
        assert!(!keeps_waiting(false, true, Duration::ZERO));
        assert!(keeps_waiting(true, false, NOTICE_AFTER));
        assert!(!keeps_waiting(true, false, GIVE_UP_AFTER));
    }
}
