//! State that all threads of a broker share: the store, the password, the stop flag, counters.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::options::BrokerOptions;
use super::store::Store;

/// Shared state of one broker.
pub(super) struct Shared {
    store: Mutex<Store>,
    password: Option<String>,
    stopping: AtomicBool,
    connections: AtomicUsize,
    /// Number of connections that are not authenticated.
    unauthenticated: AtomicUsize,
    started: Instant,
}

impl Shared {
    /// State of a broker without data.
    pub fn new(options: &BrokerOptions) -> Self {
        Self {
            store: Mutex::new(Store::new(options.max_memory)),
            password: options.password.clone(),
            stopping: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
            unauthenticated: AtomicUsize::new(0),
            started: Instant::now(),
        }
    }

    /// Locks the store, and removes expired keys.
    pub fn store(&self) -> MutexGuard<'_, Store> {
        // A thread that panicked ends its own connection only, so poison is ignored.
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        store.advance(now);
        store
    }

    /// Seconds since the start.
    pub fn uptime_seconds(&self) -> u64 {
        self.started.elapsed().as_secs()
    }

    /// Password, if there is one.
    pub fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    /// True if clients have to authenticate.
    pub fn has_password(&self) -> bool {
        self.password.is_some()
    }

    /// True if `offered` is the password, compared in constant time. Without a password anything is
    /// accepted.
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

    /// Sets the stop flag; threads that wait still have to be woken.
    pub fn begin_stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
    }

    /// True if the stop flag is set.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Number of open connections.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Number of unauthenticated connections.
    pub fn unauthenticated(&self) -> usize {
        self.unauthenticated.load(Ordering::SeqCst)
    }

    /// Counts one more unauthenticated connection.
    pub fn unauthenticated_opened(&self) {
        self.unauthenticated.fetch_add(1, Ordering::SeqCst);
    }

    /// Counts one unauthenticated connection less: it was authenticated or closed.
    pub fn unauthenticated_ended(&self) {
        self.unauthenticated.fetch_sub(1, Ordering::SeqCst);
    }

    /// Counts one more connection.
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
