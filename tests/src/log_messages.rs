//! Messages that a log worker sends, and that a test expects.

use crate::Dice;

/// Longest message: 64 KiB.
const MAX_BITS: u64 = 16;

/// The messages of the worker with this number: of one line or several, of all sizes up to 64 KiB.
pub fn log_messages(worker: u64, count: usize) -> impl Iterator<Item = String> {
    let mut dice = Dice::new(worker);
    (0..count).map(move |number| {
        let most = 2 << dice.below(MAX_BITS);
        let length = dice.below(most) as usize;
        let line = "0123456789abcdef".repeat(dice.pick(&[1, 5, 5000]));
        let text: String = format!("{line}\n").chars().cycle().take(length).collect();
        format!("{number} of {worker}: {text}.")
    })
}
