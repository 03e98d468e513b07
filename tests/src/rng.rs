//! Random numbers that a seed repeats: the same seed gives the same schedule.

use std::hash::{BuildHasher, RandomState};

/// Environment variable with the seed of the run to repeat.
pub const SEED: &str = "SEED";

/// Random number generator (SplitMix64): 8 bytes of state; any seed is valid.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// Creates the generator of `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns the seed in the environment, or a new one, and prints it, so that a failure can be
    /// repeated.
    ///
    /// # Panics
    /// When the variable `SEED` is not a number.
    pub fn seed() -> u64 {
        let seed = match std::env::var(SEED) {
            Ok(text) => text
                .parse()
                .unwrap_or_else(|error| panic!("{SEED}={text}: {error}")),
            Err(_) => RandomState::new().hash_one(0) >> 32,
        };
        eprintln!("{SEED}={seed} repeats this schedule");
        seed
    }

    /// Returns any 64-bit number.
    pub fn any(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// Returns a number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.any() % end
    }

    /// Returns one of `choices`.
    ///
    /// # Panics
    /// When `choices` is empty.
    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }
}
