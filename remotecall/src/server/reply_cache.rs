//! Results that were sent, kept for a while: a client whose reply was lost asks for it, and no call runs twice.

use std::collections::{HashMap, VecDeque};

use remotecall_wire::ProducerId;
use remotecall_wire::ReplyValue;

/// Most results kept, of all producers together.
const MAX_KEPT: usize = 100_000;
/// Most bytes of results kept, of all producers together.
const MAX_KEPT_BYTES: usize = 64 << 20;

type Key = (ProducerId, u64, u32);

#[derive(Default)]
pub(super) struct ReplyCache {
    replies: HashMap<Key, ReplyValue>,
    /// In the order in which they were made; the oldest go first.
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
        while self.order.len() > MAX_KEPT || self.bytes > MAX_KEPT_BYTES {
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
            kept.keep(key(n), ReplyValue::result(vec![0; MAX_KEPT_BYTES / 4]));
        }
        let there: Vec<u64> = (0..10).filter(|&n| kept.get(&key(n)).is_some()).collect();
        assert_eq!(there, [6, 7, 8, 9]);
        for n in 0..MAX_KEPT as u64 + 5 {
            kept.keep(key(n), ReplyValue::result(vec![]));
        }
        assert_eq!(kept.order.len(), MAX_KEPT);
        assert_eq!(kept.bytes, 0);
    }
}
