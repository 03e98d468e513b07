//! Reply cache: results kept so that a client can query a lost reply, and no call runs twice.

use std::collections::{HashMap, VecDeque};

use remotecall_wire::ProducerId;
use remotecall_wire::ReplyValue;

/// Limit on the cached results of all producers.
const MAX_REPLIES: usize = 100_000;
/// Limit on the bytes of cached results of all producers, 64 MiB.
const MAX_BYTES: usize = 64 << 20;

/// Producer, number of the frame, index of the call.
type Key = (ProducerId, u64, u32);

/// Results of the latest calls.
#[derive(Default)]
pub(super) struct ReplyCache {
    replies: HashMap<Key, ReplyValue>,
    /// Keys in order of their calls; the oldest is evicted first.
    order: VecDeque<Key>,
    bytes: usize,
}

impl ReplyCache {
    pub fn keep(&mut self, key: Key, reply: ReplyValue) {
        self.bytes += reply.len();
        if let Some(before) = self.replies.insert(key, reply) {
            self.bytes -= before.len();
        } else {
            self.order.push_back(key);
        }
        while self.order.len() > MAX_REPLIES || self.bytes > MAX_BYTES {
            let Some(oldest) = self.order.pop_front() else {
                return;
            };
            if let Some(gone) = self.replies.remove(&oldest) {
                self.bytes -= gone.len();
            }
        }
    }

    pub fn get(&self, key: &Key) -> Option<&ReplyValue> {
        self.replies.get(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_results_go_first() {
        let mut kept = ReplyCache::default();
        let key = |n: u64| (ProducerId([0; 16]), n, 0);
        for n in 0..10 {
            kept.keep(key(n), ReplyValue::result(vec![0; MAX_BYTES / 4]));
        }
        let there: Vec<u64> = (0..10).filter(|&n| kept.get(&key(n)).is_some()).collect();
        assert_eq!(there, [6, 7, 8, 9]);
        for n in 0..MAX_REPLIES as u64 + 5 {
            kept.keep(key(n), ReplyValue::result(vec![]));
        }
        assert_eq!(kept.order.len(), MAX_REPLIES);
        assert_eq!(kept.bytes, 0);
    }
}
