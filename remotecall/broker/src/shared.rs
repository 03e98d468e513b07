//! What all threads of a broker share: the store, the password, the wish to stop.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::BrokerOptions;
use super::store::Store;

/// State of one broker.
pub(super) struct Shared {
    store: Mutex<Store>,
    password: Option<String>,
    stopping: AtomicBool,
    connections: AtomicUsize,
    /// Of them, those that have not said the password.
    strangers: AtomicUsize,
    started: Instant,
}

impl Shared {
    /// A broker without data.
    pub fn new(options: &BrokerOptions) -> Self {
        Self {
            store: Mutex::new(Store::new(options.max_memory)),
            password: options.password.clone(),
            stopping: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
            strangers: AtomicUsize::new(0),
            started: Instant::now(),
        }
    }

    /// The store, at the present time: what has expired is gone.
    pub fn store(&self) -> MutexGuard<'_, Store> {
        // A panic elsewhere ends its own connection; the others go on.
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        store.advance(now);
        store
    }

    /// Time since the start.
    pub fn uptime_seconds(&self) -> u64 {
        self.started.elapsed().as_secs()
    }

    /// What clients have to say, if anything.
    pub fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    /// Whether clients have to authenticate.
    pub fn has_password(&self) -> bool {
        self.password.is_some()
    }

    /// Whether `offered` is the password; the time taken does not tell how much of it is right.
    pub fn accepts(&self, offered: &[u8]) -> bool {
        let Some(password) = &self.password else {
            return true;
        };
        let differing = password
            .bytes()
            .zip(offered)
            .fold(0, |bits, (want, got)| bits | (want ^ got));
        password.len() == offered.len() && differing == 0
    }

    /// Tells every thread to leave; they still have to be woken.
    pub fn begin_stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
    }

    /// Whether threads should leave.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Connections open now.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Connections that have not said the password.
    pub fn strangers(&self) -> usize {
        self.strangers.load(Ordering::SeqCst)
    }

    /// Counts one stranger more.
    pub fn stranger_came(&self) {
        self.strangers.fetch_add(1, Ordering::SeqCst);
    }

    /// Counts one stranger less: it said the password, or left.
    pub fn stranger_went(&self) {
        self.strangers.fetch_sub(1, Ordering::SeqCst);
    }

    /// Counts one connection more.
    pub fn connection_opened(&self) {
        self.connections.fetch_add(1, Ordering::SeqCst);
    }

    /// Counts one connection less.
    pub fn connection_closed(&self) {
        self.connections.fetch_sub(1, Ordering::SeqCst);
    }
}

// By hand: neither data nor the password belongs in a log.
impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("connections", &self.connections())
            .finish_non_exhaustive()
    }
}
