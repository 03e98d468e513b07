//! Blocking read: an XREAD that may wait for entries.
//!
//! The command attempts it once; the thread of the connection repeats the attempt whenever an entry
//! is added.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::error::CommandError;
use super::output::Reply;
use super::store::Store;
use super::stream::Stream;
use super::stream_id::StreamId;

/// Streams to read, each after an id.
#[derive(Debug)]
pub(super) struct BlockingRead {
    pub streams: Vec<(Bytes, StreamId)>,
    /// Limit on the entries per stream.
    pub count: usize,
    /// Timeout of the wait; `None` does not wait, zero waits for ever.
    pub block: Option<Duration>,
}

impl BlockingRead {
    /// Keys of the streams.
    pub fn keys(&self) -> impl Iterator<Item = &Bytes> {
        self.streams.iter().map(|(key, _)| key)
    }

    /// Time at which a wait that begins now ends; `None` for `BLOCK 0`, which waits for ever.
    pub fn deadline(&self) -> Option<Instant> {
        let block = self.block.filter(|block| !block.is_zero())?;
        Instant::now().checked_add(block)
    }

    /// Reply with the entries there are now; `None` when there are none.
    pub fn attempt(&self, store: &Store) -> Result<Option<Reply>, CommandError> {
        let mut found = Vec::new();
        for (key, after) in &self.streams {
            let Some(stream) = store.get::<Stream>(key)? else {
                continue;
            };
            let entries = stream.after(*after, self.count);
            if !entries.is_empty() {
                found.push(Reply::Array(vec![
                    Reply::Bulk(key.clone()),
                    Reply::Entries(entries),
                ]));
            }
        }
        Ok((!found.is_empty()).then(|| Reply::Array(found)))
    }
}
