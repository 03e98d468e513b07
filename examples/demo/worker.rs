//! One worker: trains a model, and logs every step.

use std::error::Error;
use std::time::Duration;

use loggerplex::{Logger, words};
use remotecall::CLOSE_TIMEOUT;
use tensorplex::Writer;

use crate::training::{Bandit, Regression};

/// Time limit for acknowledgements at the end: 60 s.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(60);
/// Steps between two histograms.
const HISTOGRAM_INTERVAL: i64 = 10;
/// Steps between two log lines.
const LINE_INTERVAL: u32 = 100;

#[derive(clap::Args)]
pub struct Worker {
    #[arg(long)]
    pub address: String,
    #[arg(long)]
    pub number: u32,
    #[arg(long)]
    pub steps: u32,
    #[arg(long)]
    pub pace: u64,
}

impl Worker {
    /// Command line of this worker.
    pub fn arguments(&self) -> Vec<String> {
        vec![
            format!("--address={}", self.address),
            format!("--number={}", self.number),
            format!("--steps={}", self.steps),
            format!("--pace={}", self.pace),
        ]
    }

    /// Even numbers play a bandit, odd numbers fit a regression; the setting grows with the number.
    pub fn run(&self) -> Result<(), Box<dyn Error>> {
        let half = self.number / 2;
        if self.number.is_multiple_of(2) {
            self.play_bandit(&format!("bandit/{half:02}"), 0.1 * f64::from(half + 1))
        } else {
            self.fit_regression(&format!("regression/{half:02}"), 0.004 * f64::from(half + 1))
        }
    }

    fn play_bandit(&self, client_id: &str, exploration: f64) -> Result<(), Box<dyn Error>> {
        let mut bandit = Bandit::new(self.number.into(), exploration);
        let about = format!("**UCB1** on a bandit with ten arms, exploration {exploration:.2}");
        self.train(client_id, &about, |step, log| {
            let (reward, regret) = bandit.step();
            log.scalar("bandit/reward", reward, step);
            log.scalar("bandit/regret", regret, step);
            if step % HISTOGRAM_INTERVAL == 0 {
                log.histogram("bandit/arms", &bandit.mean_rewards(), step);
            }
            reward
        })
    }

    fn fit_regression(&self, client_id: &str, rate: f64) -> Result<(), Box<dyn Error>> {
        let mut regression = Regression::new(self.number.into(), rate);
        let about = format!("**logistic regression** by gradient descent, rate {rate:.3}");
        self.train(client_id, &about, |step, log| {
            let result = regression.step();
            log.scalar("regression/train_loss", result.train_loss, step);
            log.scalar("regression/test_loss", result.test_loss, step);
            log.scalar("regression/test_accuracy", result.test_accuracy, step);
            if step % HISTOGRAM_INTERVAL == 0 {
                log.histogram("regression/weights", regression.weights(), step);
            }
            result.test_accuracy
        })
    }

    /// Runs the training loop; `step` trains one step, logs it, and returns the score.
    fn train(
        &self,
        client_id: &str,
        about: &str,
        mut step: impl FnMut(i64, &Writer) -> f64,
    ) -> Result<(), Box<dyn Error>> {
        let log = Writer::connect(&self.address, client_id)?;
        let lines = Logger::connect(&self.address, client_id)?;
        log.text("about", about, 0);
        lines.section("training");
        let mut score = 0.0;
        for n in 0..self.steps {
            score = step(n.into(), &log);
            if n % LINE_INTERVAL == 0 {
                lines.info_fmt("step {}: {:.3f}", words![n, score]);
            }
            std::thread::sleep(Duration::from_millis(self.pace));
        }
        lines.info_fmt("done: {:.3f} after {} steps", words![score, self.steps]);
        log.close(FLUSH_TIMEOUT)?;
        lines.flush(CLOSE_TIMEOUT)?;
        Ok(())
    }
}
