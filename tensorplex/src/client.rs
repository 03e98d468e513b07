//! Methods of the client besides those of [`Tensorplex`](crate::Tensorplex).

use prost::Message as _;
use remotecall::Mode;

use crate::TensorplexClient;
use crate::records::{Encode, RecordContent, encode_or_refuse};
use crate::tfevents::messages::Event;
use crate::tfevents::{Real, bucket};
use crate::value::RecordError;

/// Longest record that travels in one call; longer ones are cut into pieces of this size: 512 KiB.
///
/// With what a frame already holds, less than 256 KiB, a piece stays below the 1 MiB that is the smallest
/// `proto-max-bulk-len` of Redis.
pub const CHUNK_SIZE: usize = 512 << 10;

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
    pub fn add_histogram_from<T: Real>(
        &self,
        tag: &str,
        values: &[T],
        global_step: Option<i64>,
        walltime: Option<f64>,
    ) -> M::Output<()> {
        let buckets = bucket(values);
        self.add_histogram_buckets(tag, &buckets, global_step, walltime)
    }

    /// Records one of the [`records`](crate::records), encoded here, in the caller's thread. What is longer than [`CHUNK_SIZE`]
    /// travels in pieces, and is recorded whole or not at all.
    ///
    /// # Errors
    /// When the record cannot be encoded. What the server says is in the result of the call.
    pub fn add(
        &self,
        record: impl Encode,
        global_step: Option<i64>,
        walltime: f64,
    ) -> Result<M::Output<()>, RecordError> {
        let record = encode_or_refuse(record, walltime)?;
        let (step, wall_time) = record.at.unwrap_or((global_step.unwrap_or(0), walltime));
        Ok(match record.content {
            RecordContent::Event(what) => {
                let event = Event {
                    wall_time,
                    step,
                    what: Some(what),
                    source_metadata: None,
                };
                self.send_whole(&event.encode_to_vec(), false)?
            }
            RecordContent::Embedding(mut files) => {
                files.step = step;
                self.send_whole(&files.encode_to_vec(), true)?
            }
        })
    }

    fn send_whole(&self, bytes: &[u8], is_embedding: bool) -> Result<M::Output<()>, RecordError> {
        if bytes.len() <= CHUNK_SIZE {
            return Ok(match is_embedding {
                true => self.add_embedding(bytes),
                false => self.add_event(bytes),
            });
        }
        let value = getrandom::u64().map_err(|why| RecordError::Encoding(why.to_string()))?;
        let count = bytes.len().div_ceil(CHUNK_SIZE) as u32;
        let send = |(index, piece): (u32, &[u8])| self.add_piece(value, index, count, is_embedding, piece);
        let calls = (0..).zip(bytes.chunks(CHUNK_SIZE)).map(send);
        calls.last().ok_or(RecordError::NoRecord)
    }
}
