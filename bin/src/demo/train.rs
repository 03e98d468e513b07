//! What the demo's workers train: small, real, and the same in every run.

/// Numbers that look random and are the same for the same seed (SplitMix64, Steele et al. 2014).
pub struct Numbers(u64);

impl Numbers {
    /// The sequence of this seed.
    pub fn new(seed: u64) -> Self {
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
    pub fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Normal with mean 0 and deviation 1: the sum of twelve uniform numbers is close enough here.
    pub fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}

const FEATURES: usize = 20;

/// A point and the cloud that it is from: 0 or 1.
type Point = ([f64; FEATURES], f64);

/// Logistic regression by stochastic gradient descent on two overlapping clouds of points.
pub struct Regression {
    numbers: Numbers,
    direction: [f64; FEATURES],
    test: Vec<Point>,
    /// What is learnt.
    pub weights: Vec<f64>,
    rate: f64,
}

/// How one step went.
pub struct Step {
    /// Mean cross-entropy of the batch, before the step.
    pub train_loss: f64,
    /// Mean cross-entropy of points that are not trained on, after the step.
    pub test_loss: f64,
    /// Share of these points that is classified rightly.
    pub test_accuracy: f64,
}

impl Regression {
    /// A worker's task; the rate is what the workers differ in.
    pub fn new(seed: u64, rate: f64) -> Self {
        let mut task = Numbers::new(7);
        let direction = std::array::from_fn(|_| task.normal() * 0.35);
        let test = (0..500).map(|_| point(&mut task, &direction)).collect();
        Self {
            numbers: Numbers::new(seed),
            direction,
            test,
            weights: vec![0.0; FEATURES],
            rate,
        }
    }

    /// One batch of 64 points.
    pub fn step(&mut self) -> Step {
        const BATCH: usize = 64;
        let batch: Vec<Point> = (0..BATCH)
            .map(|_| point(&mut self.numbers, &self.direction))
            .collect();
        let (train_loss, _) = self.judge(&batch);
        let mut gradient = [0.0; FEATURES];
        for (point, label) in &batch {
            let miss = self.guess(point) - label;
            for (slope, x) in gradient.iter_mut().zip(point) {
                *slope += miss * x / BATCH as f64;
            }
        }
        for (weight, slope) in self.weights.iter_mut().zip(gradient) {
            *weight -= self.rate * slope;
        }
        let (test_loss, test_accuracy) = self.judge(&self.test);
        Step {
            train_loss,
            test_loss,
            test_accuracy,
        }
    }

    /// How likely it is that a point is from cloud 1.
    fn guess(&self, point: &[f64; FEATURES]) -> f64 {
        let score: f64 = point.iter().zip(&self.weights).map(|(x, w)| x * w).sum();
        (1.0 / (1.0 + (-score).exp())).clamp(1e-12, 1.0 - 1e-12)
    }

    /// Mean cross-entropy, and the share that is right.
    fn judge(&self, points: &[Point]) -> (f64, f64) {
        let (mut loss, mut right) = (0.0, 0.0);
        for (point, label) in points {
            let p = self.guess(point);
            loss -= label * p.ln() + (1.0 - label) * (1.0 - p).ln();
            right += f64::from(u8::from((p > 0.5) == (*label > 0.5)));
        }
        (loss / points.len() as f64, right / points.len() as f64)
    }
}

fn point(numbers: &mut Numbers, direction: &[f64; FEATURES]) -> Point {
    let label = if numbers.uniform() < 0.5 { 1.0 } else { 0.0 };
    let side = 2.0 * label - 1.0;
    (
        std::array::from_fn(|i| side * direction[i] + numbers.normal()),
        label,
    )
}

const ARMS: usize = 10;

/// A bandit with ten arms, played with the rule UCB1 (Auer et al. 2002).
pub struct Bandit {
    numbers: Numbers,
    chances: [f64; ARMS],
    pulls: [f64; ARMS],
    /// Mean reward of each arm so far.
    pub means: [f64; ARMS],
    exploration: f64,
    total: f64,
    regret: f64,
}

impl Bandit {
    /// A worker's game; exploration is what the workers differ in.
    pub fn new(seed: u64, exploration: f64) -> Self {
        let mut game = Numbers::new(11);
        Self {
            numbers: Numbers::new(seed),
            chances: std::array::from_fn(|_| 0.1 + 0.8 * game.uniform()),
            pulls: [0.0; ARMS],
            means: [0.0; ARMS],
            exploration,
            total: 0.0,
            regret: 0.0,
        }
    }

    /// Twenty rounds; returns the mean reward and the mean regret so far.
    pub fn step(&mut self) -> (f64, f64) {
        let best = self.chances.iter().copied().fold(0.0, f64::max);
        for _ in 0..20 {
            let arm = self.choose();
            let reward = f64::from(u8::from(self.numbers.uniform() < self.chances[arm]));
            self.pulls[arm] += 1.0;
            self.means[arm] += (reward - self.means[arm]) / self.pulls[arm];
            self.total += reward;
            self.regret += best - self.chances[arm];
        }
        let rounds: f64 = self.pulls.iter().sum();
        (self.total / rounds, self.regret / rounds)
    }

    fn choose(&self) -> usize {
        let rounds: f64 = self.pulls.iter().sum::<f64>() + 1.0;
        let value = |arm: usize| match self.pulls[arm] {
            0.0 => f64::INFINITY,
            pulls => self.means[arm] + self.exploration * (2.0 * rounds.ln() / pulls).sqrt(),
        };
        (0..ARMS)
            .max_by(|&a, &b| value(a).total_cmp(&value(b)))
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_learn() {
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
