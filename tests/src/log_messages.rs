//! Messages that a log worker sends and its test expects.

use crate::Rng;

/// Limit on the length of a message, as a power of two: 64 KiB.
const MAX_BITS: u64 = 16;

/// Returns the messages of one worker: one line or several, up to 64 KiB each.
pub fn log_messages(worker: u64, count: usize) -> impl Iterator<Item = String> {
    let mut rng = Rng::new(worker);
    (0..count).map(move |number| {
        let most = 2 << rng.below(MAX_BITS);
        let length = rng.below(most) as usize;
        let line = "0123456789abcdef".repeat(rng.pick(&[1, 5, 5000]));
        let text: String = format!("{line}\n").chars().cycle().take(length).collect();
        format!("{number} of {worker}: {text}.")
    })
}
