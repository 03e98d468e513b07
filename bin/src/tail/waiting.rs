//! What is said while a server does not answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use loggerplex::reading::Patience;

/// A server that has not answered for so long is away: longer than a busy one takes.
const AWAY_AFTER: Duration = Duration::from_secs(5);
/// How long an answer is waited for by somebody who wants to see what is there and end.
const GIVE_UP_AFTER: Duration = Duration::from_secs(30);

/// One line on standard error when the server is gone, and one when it is back.
pub(super) struct Waiting {
    server: String,
    end: Arc<AtomicBool>,
    gives_up: bool,
    is_away: bool,
}

impl Waiting {
    pub fn new(server: String, end: Arc<AtomicBool>, gives_up: bool) -> Self {
        Self {
            server,
            end,
            gives_up,
            is_away: false,
        }
    }
}

impl Patience for Waiting {
    fn goes_on(&mut self, since: Duration) -> bool {
        if !self.is_away && since >= AWAY_AFTER {
            self.is_away = true;
            eprintln!(
                "tensorplex tail: the server at {} does not answer; waiting for it",
                self.server
            );
        }
        let is_over = self.end.load(Relaxed) || self.gives_up && since >= GIVE_UP_AFTER;
        !is_over
    }

    fn answered(&mut self) {
        if std::mem::take(&mut self.is_away) {
            eprintln!("tensorplex tail: the server at {} answers again", self.server);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn goes_on(gives_up: bool, end: bool, since: Duration) -> bool {
        Waiting::new(String::new(), Arc::new(AtomicBool::new(end)), gives_up).goes_on(since)
    }

    #[test]
    fn only_who_wants_to_end_gives_up() {
        assert!(goes_on(false, false, GIVE_UP_AFTER));
        assert!(!goes_on(false, true, Duration::ZERO));
        assert!(goes_on(true, false, AWAY_AFTER));
        assert!(!goes_on(true, false, GIVE_UP_AFTER));
    }
}
