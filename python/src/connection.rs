//! A connection to a queue, shared by a client object and its futures.

use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use remotecall::{CLOSE_TIMEOUT, Dropped};
use tensorplex::encode_queue::EncodeQueue;

use crate::background::close_in_background;
use crate::lock::lock;

/// Connections in use.
static LIVE: Mutex<Vec<Weak<Connection>>> = Mutex::new(Vec::new());
/// Calls dropped by connections that are gone.
static DROPPED: Mutex<Dropped> = Mutex::new(Dropped::NONE);

/// A client of this process. When its last owner drops it with calls outstanding, a background
/// thread flushes and closes it.
pub(crate) struct Connection {
    pub client: remotecall::Client,
    records: Arc<PendingRecords>,
}

/// Records that are encoded by a thread before they become calls.
#[derive(Default)]
pub(crate) struct PendingRecords {
    pub encoder: EncodeQueue,
    /// Number of records that could not be encoded, and the last cause. The only lock that a thread
    /// takes while detached.
    pub lost: Mutex<(u64, String)>,
}

impl Connection {
    pub fn new(client: remotecall::Client) -> Arc<Self> {
        let connection = Arc::new(Self {
            client,
            records: Arc::default(),
        });
        let mut live = lock(&LIVE);
        live.retain(|other| other.strong_count() > 0);
        live.push(Arc::downgrade(&connection));
        connection
    }

    pub fn records(&self) -> &Arc<PendingRecords> {
        &self.records
    }

    /// Number of records that could not be encoded, and the last cause.
    pub fn lost(&self) -> (u64, String) {
        // In a forked child the lock may stay held for ever: its holder exists in the parent only.
        if self.client.is_here() {
            lock(&self.records.lost).clone()
        } else {
            (0, String::new())
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let client = self.client.clone();
        let records = self.records.clone();
        let is_done = records.encoder.wait(Duration::ZERO) && client.flush(Duration::ZERO).is_ok();
        if !client.is_here() {
            return;
        }
        lock(&DROPPED).add(&client.stats().dropped);
        if is_done {
            // Returns at once: nothing is outstanding.
            let _ = client.close(Duration::ZERO);
            return;
        }
        close_in_background(move || {
            records.encoder.wait(CLOSE_TIMEOUT);
            let _ = client.close(CLOSE_TIMEOUT);
        });
    }
}

/// Takes all connections in use, and the count of calls dropped by those that are gone.
pub(crate) fn take_live() -> (Vec<Arc<Connection>>, Dropped) {
    let live = std::mem::take(&mut *lock(&LIVE));
    let dropped = std::mem::take(&mut *lock(&DROPPED));
    (live.iter().filter_map(Weak::upgrade).collect(), dropped)
}
