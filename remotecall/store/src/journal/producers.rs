//! Producers: the server's memory of each sender of frames, as the checkpoint holds it.
//!
//! ```text
//! unknown ──first frame──► known ──frames──► known
//!    ▲                       │  goodbye with every ack: forgotten when its acks are published
//!    └──────── forgotten ◄───┴─ goodbye after a lost answer: 1 hour later; silence: 30 days later
//! ```
//!
//! Time here is the journal's: the newest clock of a sender among the accepted frames. So a replay forgets the same.
//!
//! A forgotten producer leaves a number, not a tombstone. Each accepted frame counts, and the server publishes the count
//! beside the acks. A broker whose count is below that of the last forgetting went back to an older state (a snapshot, a
//! replica, nothing), and may hold frames of forgotten producers: see [`Producers::is_older_than_forgotten`].

use std::collections::HashMap;

use remotecall_wire::ProducerId;
use serde::{Deserialize, Serialize};

/// Silence after which a producer is forgotten, in milliseconds of journal time: 30 days.
///
/// A spool that is older may be delivered twice: its frames start where its own record of acks ends.
pub const MAX_SILENCE_MS: u64 = 30 * 24 * 3_600_000;
/// Time after the goodbye of a producer with a lost answer, in milliseconds: 1 hour. A frame of it may still be on its way to
/// the broker.
pub const UNCERTAIN_MS: u64 = 3_600_000;
/// Longest notice to a producer, in bytes.
pub const MAX_NOTICE: usize = 512;

/// One sender of frames.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Producer {
    /// Highest frame that was accepted.
    pub watermark: u64,
    /// Calls that the server refused.
    pub refused: u64,
    /// Text of the last refusal or warning, for the log of the sender.
    pub notice: String,
    /// Journal time at which it is forgotten; 0 until the next frame of any producer.
    expires_ms: u64,
}

/// All producers that the server knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Producers {
    by_id: HashMap<ProducerId, Producer>,
    /// Frames accepted since the journal began.
    accepted: u64,
    /// The same count when a producer was forgotten last.
    forgotten_at: u64,
    /// Newest clock of a sender, in milliseconds since 1970.
    now_ms: u64,
}

/// Part of a checkpoint beside the watermarks. Checkpoints of earlier versions lack it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Details {
    accepted: u64,
    forgotten_at: u64,
    now_ms: u64,
    /// Producer, expiry, refused calls, notice.
    producers: Vec<([u8; 16], u64, u64, String)>,
}

impl Producers {
    /// Restores the producers of a checkpoint.
    pub(super) fn restore(watermarks: Vec<([u8; 16], u64)>, details: Details) -> Self {
        let mut all = Self {
            accepted: details.accepted,
            forgotten_at: details.forgotten_at,
            now_ms: details.now_ms,
            ..Self::default()
        };
        for (id, watermark) in watermarks {
            all.by_id.entry(ProducerId(id)).or_default().watermark = watermark;
        }
        for (id, expires_ms, refused, notice) in details.producers {
            let producer = all.by_id.entry(ProducerId(id)).or_default();
            (producer.expires_ms, producer.refused, producer.notice) = (expires_ms, refused, notice);
        }
        all
    }

    /// Watermarks and details for a checkpoint.
    pub(super) fn save(&self) -> (Vec<([u8; 16], u64)>, Details) {
        let watermarks = self.by_id.iter().map(|(id, it)| (id.0, it.watermark));
        let detail =
            |(id, it): (&ProducerId, &Producer)| (id.0, it.expires_ms, it.refused, it.notice.clone());
        let details = Details {
            accepted: self.accepted,
            forgotten_at: self.forgotten_at,
            now_ms: self.now_ms,
            producers: self.by_id.iter().map(detail).collect(),
        };
        (watermarks.collect(), details)
    }

    /// Highest accepted frame of a producer; 0 for one that is not known.
    pub fn watermark(&self, id: ProducerId) -> u64 {
        self.get(id).map_or(0, |producer| producer.watermark)
    }

    /// The producer, if it is known.
    pub fn get(&self, id: ProducerId) -> Option<&Producer> {
        self.by_id.get(&id)
    }

    /// Ids of all known producers.
    pub fn ids(&self) -> impl Iterator<Item = ProducerId> {
        self.by_id.keys().copied()
    }

    /// Number of known producers.
    pub fn count(&self) -> usize {
        self.by_id.len()
    }

    /// Frames accepted since the journal began: the count that is published beside the acks.
    pub fn accepted(&self) -> u64 {
        self.accepted
    }

    /// Accepts frame `seq` of a producer, whose clock showed `clock_ms`.
    pub fn accept(&mut self, id: ProducerId, seq: u64, clock_ms: u64) {
        self.accepted += 1;
        self.now_ms = self.now_ms.max(clock_ms);
        let producer = self.by_id.entry(id).or_default();
        producer.watermark = seq;
        producer.expires_ms = self.now_ms.saturating_add(MAX_SILENCE_MS);
    }

    /// Counts a refused call of a producer, and keeps the reason for its log.
    pub fn refuse(&mut self, id: ProducerId, why: &str) {
        if let Some(producer) = self.by_id.get_mut(&id) {
            producer.refused += 1;
            producer.notice = shortened(why);
        }
    }

    /// Keeps a warning for the log of a producer.
    pub fn notify(&mut self, id: ProducerId, text: &str) {
        if let Some(producer) = self.by_id.get_mut(&id) {
            producer.notice = shortened(text);
        }
    }

    /// Makes a producer whose goodbye came after a lost answer expire in an hour.
    pub fn expire_soon(&mut self, id: ProducerId) {
        let soon = self.now_ms.saturating_add(UNCERTAIN_MS);
        if let Some(producer) = self.by_id.get_mut(&id) {
            producer.expires_ms = producer.expires_ms.min(soon);
        }
    }

    /// Forgets a producer. Its acks were published, and the broker holds none of its frames.
    pub fn forget(&mut self, id: ProducerId) {
        if self.by_id.remove(&id).is_some() {
            self.forgotten_at = self.accepted;
        }
    }

    /// Forgets the producers that have expired, and returns them.
    pub fn forget_expired(&mut self) -> Vec<ProducerId> {
        let now = self.now_ms;
        for producer in self
            .by_id
            .values_mut()
            .filter(|producer| producer.expires_ms == 0)
        {
            producer.expires_ms = now.saturating_add(MAX_SILENCE_MS);
        }
        let expired: Vec<ProducerId> = self
            .by_id
            .iter()
            .filter(|(_, producer)| producer.expires_ms < now)
            .map(|(&id, _)| id)
            .collect();
        for &id in &expired {
            self.forget(id);
        }
        expired
    }

    /// True for a broker that went back to a state before the last forgetting: `published` is the count of accepted frames
    /// that it holds. Frames of unknown producers in it may be frames of forgotten ones, and must not count; a live sender
    /// sends them again.
    pub fn is_older_than_forgotten(&self, published: u64) -> bool {
        published < self.forgotten_at
    }
}

/// At most [`MAX_NOTICE`] bytes of a text, on one line.
fn shortened(text: &str) -> String {
    let mut short = String::new();
    for c in text.chars().map(|c| if c.is_control() { ' ' } else { c }) {
        if short.len() + c.len_utf8() > MAX_NOTICE {
            break;
        }
        short.push(c);
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: ProducerId = ProducerId([1; 16]);
    const B: ProducerId = ProducerId([2; 16]);

    fn reloaded(producers: &Producers) -> Producers {
        let (watermarks, details) = producers.save();
        let bytes = rmp_serde::to_vec(&details).unwrap();
        Producers::restore(watermarks, rmp_serde::from_slice(&bytes).unwrap())
    }

    #[test]
    fn a_checkpoint_restores_every_producer() {
        let mut producers = Producers::default();
        producers.accept(A, 3, 1_000);
        producers.accept(B, 1, 2_000);
        producers.refuse(A, "unknown group \"x\"\nline 2");
        producers.forget(B);
        let again = reloaded(&producers);
        assert_eq!(again, producers);
        assert_eq!((again.watermark(A), again.watermark(B)), (3, 0));
        assert_eq!(again.get(A).unwrap().notice, "unknown group \"x\" line 2");
    }

    #[test]
    fn a_checkpoint_of_an_earlier_version_restores_the_watermarks() {
        let mut producers = Producers::restore(vec![(A.0, 7)], Details::default());
        assert_eq!(producers.watermark(A), 7);
        producers.accept(B, 1, 5_000);
        assert_eq!(producers.forget_expired(), [], "its silence begins now");
        producers.accept(B, 2, 5_001 + MAX_SILENCE_MS);
        assert_eq!(producers.forget_expired(), [A]);
    }

    #[test]
    fn a_silent_producer_is_forgotten_after_thirty_days_of_journal_time() {
        let mut producers = Producers::default();
        producers.accept(A, 1, 1_000);
        producers.accept(B, 1, 1_000 + MAX_SILENCE_MS);
        assert_eq!(producers.forget_expired(), []);
        producers.accept(B, 2, 1_001 + MAX_SILENCE_MS);
        assert_eq!(producers.forget_expired(), [A]);
        assert_eq!((producers.count(), producers.watermark(A)), (1, 0));
    }

    #[test]
    fn an_uncertain_goodbye_is_remembered_for_an_hour() {
        let mut producers = Producers::default();
        producers.accept(A, 1, 1_000);
        producers.expire_soon(A);
        producers.accept(B, 1, 1_000 + UNCERTAIN_MS);
        assert_eq!(producers.forget_expired(), []);
        producers.accept(B, 2, 1_001 + UNCERTAIN_MS);
        assert_eq!(producers.forget_expired(), [A]);
    }

    #[test]
    fn a_broker_with_a_count_from_before_the_forgetting_is_older() {
        let mut producers = Producers::default();
        producers.accept(A, 1, 0);
        assert!(!producers.is_older_than_forgotten(0), "nothing is forgotten");
        producers.forget(A);
        assert!(producers.is_older_than_forgotten(0));
        assert!(!producers.is_older_than_forgotten(1));
        assert!(!reloaded(&producers).is_older_than_forgotten(1));
        assert!(reloaded(&producers).is_older_than_forgotten(0));
    }
}
