//! Chance that can be repeated: the same seed, the same schedule.

use std::hash::{BuildHasher, RandomState};

/// The environment variable that holds the seed of a run that is to be repeated.
pub const SEED: &str = "SEED";

/// A generator of random numbers (SplitMix64): eight bytes of state, and any seed is a good one.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// The numbers that belong to `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The seed in the environment, or a new one; it is printed, so that a failure can be repeated.
    ///
    /// # Panics
    /// When the environment holds something else than a number.
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

    /// Any number.
    pub fn any(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.any() % end
    }

    /// One of `choices`.
    ///
    /// # Panics
    /// When there is none.
    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }
}
