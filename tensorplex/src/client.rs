//! What the worker's side offers besides the methods of [`Tensorplex`](crate::Tensorplex).

use remotecall::Mode;

use crate::TensorplexClient;
use crate::tfevents::bucket;

impl<M: Mode> TensorplexClient<M> {
    /// Records how values are distributed, as `add_histogram` does, but sorts them into buckets here: 720 bytes travel,
    /// however many values there are.
    ///
    /// ```no_run
    /// let client = tensorplex::TensorplexClient::connect("localhost:6379", "tensorplex", "agent/17")?;
    /// let weights = vec![0.5_f32; 1 << 20];
    /// client.one_way().add_histogram_from("weights", &weights, Some(100), None);
    /// # Ok::<(), remotecall::ConnectError>(())
    /// ```
    pub fn add_histogram_from<T: Copy + Into<f64>>(
        &self,
        tag: &str,
        values: &[T],
        global_step: Option<i64>,
        walltime: Option<f64>,
    ) -> M::Output<()> {
        let buckets = bucket(values.iter().map(|&value| value.into()));
        self.add_histogram_buckets(tag, &buckets, global_step, walltime)
    }
}
