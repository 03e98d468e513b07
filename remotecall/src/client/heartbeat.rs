//! Heartbeat: tells a client with outstanding calls whether its queue has a server.
//!
//! A server extends its lease every second. The reader looks for the lease while futures wait.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::window::Window;

/// Presence of the server of one queue.
pub(super) struct Heartbeat {
    window: Arc<Window>,
    lease: String,
    timeout: Duration,
    /// Start of the time in which futures wait and no server was seen.
    unseen: Option<Instant>,
}

impl Heartbeat {
    pub fn new(window: Arc<Window>, lease: String, timeout: Duration) -> Self {
        Self {
            window,
            lease,
            timeout,
            unseen: None,
        }
    }

    /// Key that exists while the queue has a server.
    pub fn lease(&self) -> &str {
        &self.lease
    }

    /// True if futures wait, so that the presence of a server matters.
    pub fn matters(&self) -> bool {
        self.window.waiting() > 0
    }

    /// Records one look: `server` is false when there is no lease, or no broker to ask.
    pub fn seen(&mut self, server: bool) {
        if server || !self.matters() {
            self.unseen = None;
            if self.window.set_server_missing(false) && server {
                tracing::info!(lease = self.lease, "a server holds the lease again");
            }
            return;
        }
        let since = self.unseen.get_or_insert_with(Instant::now);
        if since.elapsed() >= self.timeout && !self.window.set_server_missing(true) {
            tracing::warn!(
                lease = self.lease,
                waiting = self.window.waiting(),
                "no server has held the lease for {} s; futures wait until one does",
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
    fn a_server_counts_as_missing_when_futures_wait_past_the_timeout() {
        let client = Client::connect("127.0.0.1:1", "q", "c").unwrap();
        let look = |timeout| Heartbeat::new(client.handle.window.clone(), "lease".to_owned(), timeout);
        let (mut at_once, mut later) = (look(Duration::ZERO), look(super::super::MISSING_AFTER));
        at_once.seen(false);
        assert!(!client.server_is_missing(), "no future waits");
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
        assert!(!client.server_is_missing(), "no future waits any more");
        client.close(Duration::ZERO).unwrap_err();
    }
}
