//! Messages that a log worker sends, and that a test expects.

use crate::Rng;

/// Longest message: 64 KiB.
const MAX_BITS: u64 = 16;

/// The messages of the worker with this number: of one line or several, of all sizes up to 64 KiB.
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
