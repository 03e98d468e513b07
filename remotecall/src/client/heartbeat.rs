//! Is anybody there? A server extends its lease every second; a client whose calls wait looks for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::window::Window;

/// Looks for the server of one queue.
pub(super) struct Heartbeat {
    window: Arc<Window>,
    lease: String,
    patience: Duration,
    /// Since when somebody waits and no server was seen.
    unseen: Option<Instant>,
}

impl Heartbeat {
    pub fn new(window: Arc<Window>, lease: String, patience: Duration) -> Self {
        Self {
            window,
            lease,
            patience,
            unseen: None,
        }
    }

    /// The key that exists while there is a server.
    pub fn lease(&self) -> &str {
        &self.lease
    }

    /// Whether the answer matters to anybody.
    pub fn matters(&self) -> bool {
        self.window.waiting() > 0
    }

    /// A look found a server, or none, or no broker.
    pub fn seen(&mut self, server: bool) {
        if server || !self.matters() {
            self.unseen = None;
            if self.window.set_server_missing(false) && server {
                tracing::info!(lease = self.lease, "the server is back");
            }
            return;
        }
        let since = self.unseen.get_or_insert_with(Instant::now);
        if since.elapsed() >= self.patience && !self.window.set_server_missing(true) {
            tracing::warn!(
                lease = self.lease,
                waiting = self.window.waiting(),
                "no server for {} s: calls wait for their results until one comes",
                since.elapsed().as_secs(),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::Client;

    use super::*;

    #[test]
    fn a_server_is_missing_when_somebody_waits_and_none_is_seen_for_a_while() {
        let client = Client::connect("127.0.0.1:1", "q", "c").unwrap();
        let look = |patience| Heartbeat::new(client.handle.window.clone(), "lease".to_owned(), patience);
        let (mut at_once, mut later) = (look(Duration::ZERO), look(super::super::MISSING_AFTER));
        at_once.seen(false);
        assert!(!client.server_is_missing(), "nobody waits");
        let future = client.call::<_, ()>("add", &(1,));
        later.seen(false);
        assert!(!client.server_is_missing(), "not yet");
        at_once.seen(false);
        assert!(client.server_is_missing());
        at_once.seen(true);
        assert!(!client.server_is_missing(), "it is back");
        at_once.seen(false);
        assert!(client.server_is_missing());
        drop(future);
        at_once.seen(false);
        assert!(!client.server_is_missing(), "nobody waits any more");
        client.close(Duration::ZERO).unwrap_err();
    }
}
