//! Models of the demo: small, real, and the same in every run.

/// Pseudo-random numbers, the same for the same seed: SplitMix64 (Steele et al. 2014).
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0xd1b5_4a32_d192_ed03)
    }

    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// Uniform in [0, 1).
    fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Approximately normal, with mean 0 and deviation 1: the sum of twelve uniform numbers.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}

const FEATURES: usize = 20;
/// Points per training step.
const BATCH: usize = 64;

/// Point with its label: the cloud that it is from, 0 or 1.
type Point = ([f64; FEATURES], f64);

/// Logistic regression on two overlapping clouds of points, by stochastic gradient descent.
pub struct Regression {
    random: Random,
    direction: [f64; FEATURES],
    test: Vec<Point>,
    weights: Vec<f64>,
    rate: f64,
}

/// Result of one training step.
pub struct Step {
    /// Mean cross-entropy of the batch, before the step.
    pub train_loss: f64,
    /// Mean cross-entropy of the test points, after the step.
    pub test_loss: f64,
    /// Share of the test points that is classified correctly.
    pub test_accuracy: f64,
}

impl Regression {
    /// The test points are the same for all seeds; workers differ in the learning rate.
    pub fn new(seed: u64, rate: f64) -> Self {
        let mut task = Random::new(7);
        let direction = std::array::from_fn(|_| task.normal() * 0.35);
        let test = (0..500).map(|_| point(&mut task, &direction)).collect();
        Self {
            random: Random::new(seed),
            direction,
            test,
            weights: vec![0.0; FEATURES],
            rate,
        }
    }

    /// Learnt weights.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// Trains one batch.
    pub fn step(&mut self) -> Step {
        let batch: Vec<Point> = (0..BATCH)
            .map(|_| point(&mut self.random, &self.direction))
            .collect();
        let (train_loss, _) = self.evaluate(&batch);
        let mut gradient = [0.0; FEATURES];
        for (point, label) in &batch {
            let error = self.predict(point) - label;
            for (slope, x) in gradient.iter_mut().zip(point) {
                *slope += error * x / BATCH as f64;
            }
        }
        for (weight, slope) in self.weights.iter_mut().zip(gradient) {
            *weight -= self.rate * slope;
        }
        let (test_loss, test_accuracy) = self.evaluate(&self.test);
        Step {
            train_loss,
            test_loss,
            test_accuracy,
        }
    }

    /// Probability that a point is from cloud 1.
    fn predict(&self, point: &[f64; FEATURES]) -> f64 {
        let score: f64 = point.iter().zip(&self.weights).map(|(x, w)| x * w).sum();
        (1.0 / (1.0 + (-score).exp())).clamp(1e-12, 1.0 - 1e-12)
    }

    /// Mean cross-entropy, and the share that is classified correctly.
    fn evaluate(&self, points: &[Point]) -> (f64, f64) {
        let (mut loss, mut right) = (0.0, 0.0);
        for (point, label) in points {
            let p = self.predict(point);
            loss -= label * p.ln() + (1.0 - label) * (1.0 - p).ln();
            right += f64::from(u8::from((p > 0.5) == (*label > 0.5)));
        }
        (loss / points.len() as f64, right / points.len() as f64)
    }
}

/// Draws a point of a random cloud.
fn point(random: &mut Random, direction: &[f64; FEATURES]) -> Point {
    let label = if random.uniform() < 0.5 { 1.0 } else { 0.0 };
    let side = 2.0 * label - 1.0;
    (direction.map(|center| side * center + random.normal()), label)
}

/// Arms of the bandit.
const ARMS: usize = 10;
/// Rounds per training step.
const ROUNDS: usize = 20;

/// Multi-armed bandit, played with the rule UCB1 (Auer et al. 2002).
pub struct Bandit {
    random: Random,
    arms: [Arm; ARMS],
    exploration: f64,
    total: f64,
    regret: f64,
}

#[derive(Clone, Copy)]
struct Arm {
    /// Probability of a reward.
    chance: f64,
    pulls: f64,
    mean_reward: f64,
}

impl Bandit {
    /// The chances are the same for all seeds; workers differ in the exploration.
    pub fn new(seed: u64, exploration: f64) -> Self {
        let mut game = Random::new(11);
        Self {
            random: Random::new(seed),
            arms: std::array::from_fn(|_| Arm {
                chance: 0.1 + 0.8 * game.uniform(),
                pulls: 0.0,
                mean_reward: 0.0,
            }),
            exploration,
            total: 0.0,
            regret: 0.0,
        }
    }

    /// Mean reward of each arm so far.
    pub fn mean_rewards(&self) -> [f64; ARMS] {
        self.arms.map(|arm| arm.mean_reward)
    }

    /// Plays some rounds. Returns the mean reward and the mean regret so far.
    pub fn step(&mut self) -> (f64, f64) {
        let best = self.arms.iter().map(|arm| arm.chance).fold(0.0, f64::max);
        for _ in 0..ROUNDS {
            let rounds = self.rounds() + 1.0;
            let exploration = self.exploration;
            let bound = |arm: &Arm| arm.upper_bound(rounds, exploration);
            let chosen = self.arms.iter_mut().max_by(|a, b| bound(a).total_cmp(&bound(b)));
            let Some(arm) = chosen else { break };
            let reward = f64::from(u8::from(self.random.uniform() < arm.chance));
            arm.pulls += 1.0;
            arm.mean_reward += (reward - arm.mean_reward) / arm.pulls;
            self.total += reward;
            self.regret += best - arm.chance;
        }
        (self.total / self.rounds(), self.regret / self.rounds())
    }

    fn rounds(&self) -> f64 {
        self.arms.iter().map(|arm| arm.pulls).sum()
    }
}

impl Arm {
    /// Upper confidence bound; infinite until the arm was pulled once.
    fn upper_bound(&self, rounds: f64, exploration: f64) -> f64 {
        if self.pulls == 0.0 {
            return f64::INFINITY;
        }
        self.mean_reward + exploration * (2.0 * rounds.ln() / self.pulls).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_models_learn() {
        let mut regression = Regression::new(1, 0.1);
        let first = regression.step();
        let last = (0..300).map(|_| regression.step()).last().unwrap();
        let (before, after) = (first.test_loss, last.test_loss);
        assert!(after < 0.6 * before, "{after} of {before}");
        assert!(last.test_accuracy > 0.85, "{}", last.test_accuracy);
        assert!(last.train_loss < first.train_loss);
        let mut bandit = Bandit::new(1, 0.5);
        let (_, early) = bandit.step();
        let (_, late) = (0..300).map(|_| bandit.step()).last().unwrap();
        assert!(late < 0.3 * early, "{late} of {early}");
    }
}
