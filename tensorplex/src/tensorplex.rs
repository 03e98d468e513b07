//! The object behind a server: records of many clients, each into its run.

use std::io;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use remotecall::{CallContext, Durable, RemoteCall, RunError, ServerHandle, remote, rmp_serde};

use crate::chunks::{Chunk, ChunkBuffer};
use crate::records::{EmbeddingFiles, HPARAMS, LAYOUT_TAG, normalize};
use crate::routing::{BinName, Group, GroupError};
use crate::routing::{Destination, Groups};
use crate::runs::{Overlap, Runs, split_state};
use crate::scalars::Scalars;
use crate::tfevents::messages::{Event, EventPayload, Summary};
use crate::tfevents::{Bucket, Point, bucket};
use crate::value::{RecordError, Value, check_tag};

/// Name of the queue that a [`Tensorplex`] serves.
pub const QUEUE: &str = "tensorplex";

/// Records of many clients, as event files below one directory.
///
/// Every byte is a function of the calls: the time of a record is that of the client.
pub struct Tensorplex {
    groups: Groups,
    runs: Runs,
    destination: Destination,
    chunks: ChunkBuffer,
    counts: Counts,
    private: PathBuf,
}

/// Counters of silent corrections, since the object was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Wall times that were not finite: the time of the call took their place.
    pub wall_times: u64,
    /// Values of histograms that were not finite: they are left out.
    pub histogram_values: u64,
    /// Values that came in pieces and not whole: they are dropped.
    pub unfinished: u64,
}

impl Tensorplex {
    /// Writes runs below `logdir`. `private` is a directory for its own use, out of the readers' sight. Both are made
    /// when missing.
    ///
    /// # Errors
    /// When a directory cannot be made or what is in `private` cannot be read.
    pub fn open(logdir: &Path, private: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(logdir)?;
        std::fs::create_dir_all(private)?;
        Ok(Self {
            groups: Groups::default(),
            runs: Runs::open(logdir, Some(&private.join("files")))?,
            destination: Destination::default(),
            chunks: ChunkBuffer::default(),
            counts: Counts::default(),
            private: private.to_owned(),
        })
    }

    /// Serves the queue [`QUEUE`] at this address in a thread of its own, with its journal in the private directory.
    ///
    /// # Errors
    /// When the address or the journal cannot be used.
    pub fn serve(self, address: &str) -> Result<ServerHandle, RunError> {
        self.remote_call().start(address)
    }

    /// Writes the records of the journal and saves a checkpoint, without a broker. Then the groups may change.
    ///
    /// # Errors
    /// When the journal cannot be used, or the files cannot be written.
    pub fn recover(self) -> Result<(), RunError> {
        self.remote_call().recover()
    }

    fn remote_call(self) -> RemoteCall<Self> {
        let private = self.private.clone();
        RemoteCall::new(self)
            .queue(QUEUE)
            .environment("TENSORPLEX")
            .durable(&private)
    }

    /// Registers a group. The same groups must be registered whenever calls are repeated.
    ///
    /// # Errors
    /// When there is a group of this name.
    pub fn group(mut self, group: Group) -> Result<Self, GroupError> {
        self.groups.register(group)?;
        Ok(self)
    }

    /// Registers a group whose clients share one run.
    ///
    /// # Errors
    /// When the name cannot be used or is taken.
    pub fn normal_group(self, name: &str) -> Result<Self, GroupError> {
        self.group(Group::normal(name)?)
    }

    /// Registers a group of numbered clients, `bin_size` per chart.
    ///
    /// # Errors
    /// When the name cannot be used or is taken.
    pub fn indexed_group(self, name: &str, bin_size: NonZeroU32) -> Result<Self, GroupError> {
        self.group(Group::indexed(name, bin_size)?)
    }

    /// Registers a group whose clients share a chart when `bin_name` gives them the same name.
    ///
    /// # Errors
    /// When the name cannot be used or is taken.
    pub fn combined_group(self, name: &str, bin_name: BinName) -> Result<Self, GroupError> {
        self.group(Group::combined(name, bin_name)?)
    }

    /// Counters of silent corrections.
    pub fn counts(&self) -> Counts {
        Counts {
            unfinished: self.chunks.dropped,
            ..self.counts
        }
    }

    /// Bytes that wait for the next commit.
    pub fn pending_bytes(&self) -> usize {
        self.runs.pending_bytes()
    }

    fn record(
        &mut self,
        cx: &CallContext<'_>,
        tag: &str,
        value: Value<'_>,
        at: (Option<i64>, Option<f64>),
    ) -> Result<(), RecordError> {
        self.groups
            .route(cx.client_id, check_tag(tag)?, &mut self.destination)?;
        self.destination.tag.push_str(value.kind().suffix());
        let (step, wall_time) = at;
        let point = Point {
            tag: &self.destination.tag,
            step: step.unwrap_or(0),
            wall_time: self.counts.wall_time(cx, wall_time),
        };
        self.runs.set_caller(cx.producer, cx.time_ns);
        let step = point.step;
        let overlap = self.runs.append(&self.destination.run, point, value)?;
        self.warn_of_overlap(cx, step, overlap);
        Ok(())
    }

    /// Warns a process that writes a tag of another process under the same client id.
    fn warn_of_overlap(&self, cx: &CallContext<'_>, step: i64, overlap: Option<Overlap>) {
        let Some(overlap) = overlap else { return };
        let id = cx.client_id;
        let tag = &self.destination.tag;
        cx.warn(match overlap {
            Overlap::EarlierStep { last } => format!(
                "client \"{id}\" logs tag {tag:?} at step {step}, but another process logged it up to step {last} under \
                 this client id: readers show both curves. If this process continues that run, call resume() before it \
                 logs; if both run at once, give each a client id of its own"
            ),
            Overlap::Alive => format!(
                "several running processes log tag {tag:?} under client id \"{id}\": readers show their points as one \
                 curve. Give each process a client id of its own, such as \"{id}/0\" and \"{id}/1\""
            ),
        });
    }

    /// The run of a client that has one to itself.
    fn find_own_run(&mut self, cx: &CallContext<'_>) -> Result<(), RecordError> {
        if self.groups.shares_run(cx.client_id)? {
            return Err(RecordError::SharedRun(cx.client_id.to_string()));
        }
        Ok(self.groups.route(cx.client_id, NO_TAG, &mut self.destination)?)
    }

    fn record_what(
        &mut self,
        cx: &CallContext<'_>,
        what: EventPayload,
        (step, wall_time): (i64, Option<f64>),
    ) -> Result<(), RecordError> {
        let at = (step, self.counts.wall_time(cx, wall_time));
        match what {
            EventPayload::Summary(summary) => self.record_values(cx, summary, at),
            EventPayload::GraphDef(_) | EventPayload::TaggedRunMetadata(_) => {
                self.groups.route(cx.client_id, NO_TAG, &mut self.destination)?;
                self.runs.append_graph(&self.destination.run, at, what)
            }
            EventPayload::FileVersion(_) | EventPayload::SessionLog(_) => Err(RecordError::NoRecord),
        }
    }

    fn record_values(
        &mut self,
        cx: &CallContext<'_>,
        summary: Summary,
        at: (i64, f64),
    ) -> Result<(), RecordError> {
        let mut values = Vec::with_capacity(summary.value.len());
        for value in summary.value {
            let (kind, mut value) = normalize(value)?;
            self.groups
                .route(cx.client_id, check_tag(&value.tag)?, &mut self.destination)?;
            if !is_fixed(&value.tag) {
                value.tag.clone_from(&self.destination.tag);
            }
            values.push((kind, value));
        }
        if values.is_empty() {
            return Err(RecordError::NoRecord);
        }
        self.runs.set_caller(cx.producer, cx.time_ns);
        let overlap = self.runs.append_values(&self.destination.run, at, values)?;
        self.warn_of_overlap(cx, at.0, overlap);
        Ok(())
    }
}

/// A tag that stands for none when a run is looked for.
const NO_TAG: &str = "-";

/// Tags under which a dashboard looks for its settings have the same name in every run.
fn is_fixed(tag: &str) -> bool {
    tag == LAYOUT_TAG || tag.starts_with(HPARAMS)
}

fn decoded<M: prost::Message + Default>(bytes: &[u8]) -> Result<M, RecordError> {
    M::decode(bytes).map_err(|why| RecordError::NoMessage(why.to_string()))
}

impl Counts {
    /// The time of a record. One that is not finite would make TensorBoard give up the file.
    fn wall_time(&mut self, cx: &CallContext<'_>, given: Option<f64>) -> f64 {
        match given {
            Some(time) if time.is_finite() => return time,
            Some(_) => self.wall_times += 1,
            None => {}
        }
        cx.time_ns as f64 / 1e9
    }
}

/// Methods that clients call. The default step is 0, the default wall time the time of the call.
#[remote(environment = "TENSORPLEX")]
impl Tensorplex {
    /// Records a number.
    ///
    /// # Errors
    /// When the tag or the client cannot be used.
    pub fn add_scalar(
        &mut self,
        #[ctx] cx: &CallContext<'_>,
        tag: &str,
        scalar_value: f64,
        global_step: Option<i64>,
        walltime: Option<f64>,
    ) -> Result<(), RecordError> {
        self.record(cx, tag, Value::scalar(scalar_value), (global_step, walltime))
    }

    /// Records several numbers of one step, as [`add_scalar`](Self::add_scalar) for each would.
    ///
    /// # Errors
    /// The first that `add_scalar` returns; the other numbers are recorded.
    pub fn add_scalars(
        &mut self,
        #[ctx] cx: &CallContext<'_>,
        tag_scalar_dict: &Scalars,
        global_step: Option<i64>,
        walltime: Option<f64>,
    ) -> Result<(), RecordError> {
        let mut outcome = Ok(());
        for (tag, value) in tag_scalar_dict.iter() {
            let one = self.add_scalar(cx, tag, value, global_step, walltime);
            outcome = outcome.and(one);
        }
        outcome
    }

    /// Records how values are distributed; those that are not finite are left out.
    ///
    /// # Errors
    /// When the tag or the client cannot be used.
    pub fn add_histogram(
        &mut self,
        #[ctx] cx: &CallContext<'_>,
        tag: &str,
        values: &[f64],
        global_step: Option<i64>,
        walltime: Option<f64>,
    ) -> Result<(), RecordError> {
        let odd = values.iter().filter(|value| !value.is_finite()).count();
        self.counts.histogram_values += odd as u64;
        let buckets = bucket(values);
        self.add_histogram_buckets(cx, tag, &buckets, global_step, walltime)
    }

    /// Records a distribution that is sorted into buckets already: left edge, right edge, count.
    ///
    /// # Errors
    /// When the tag, a bucket or the client cannot be used.
    pub fn add_histogram_buckets(
        &mut self,
        #[ctx] cx: &CallContext<'_>,
        tag: &str,
        buckets: &[Bucket],
        global_step: Option<i64>,
        walltime: Option<f64>,
    ) -> Result<(), RecordError> {
        self.record(cx, tag, Value::histogram(buckets)?, (global_step, walltime))
    }

    /// Records a text, shown as Markdown.
    ///
    /// # Errors
    /// When the tag, the text or the client cannot be used.
    pub fn add_text(
        &mut self,
        #[ctx] cx: &CallContext<'_>,
        tag: &str,
        text_string: &str,
        global_step: Option<i64>,
        walltime: Option<f64>,
    ) -> Result<(), RecordError> {
        self.record(cx, tag, Value::text(text_string)?, (global_step, walltime))
    }

    /// Records the values of a serialized `tensorflow.Summary`, all or none of them.
    ///
    /// # Errors
    /// When the bytes are no summary, or a tag, a value or the client cannot be used.
    pub fn add_summary(
        &mut self,
        #[ctx] cx: &CallContext<'_>,
        summary: &[u8],
        global_step: Option<i64>,
        walltime: Option<f64>,
    ) -> Result<(), RecordError> {
        let summary = EventPayload::Summary(decoded(summary)?);
        self.record_what(cx, summary, (global_step.unwrap_or(0), walltime))
    }

    /// Records a serialized `tensorflow.Event` at its own step and time: a summary, a graph or a profile.
    ///
    /// # Errors
    /// When the bytes are no such event, or a tag, a value or the client cannot be used.
    pub fn add_event(&mut self, #[ctx] cx: &CallContext<'_>, event: &[u8]) -> Result<(), RecordError> {
        let event: Event = decoded(event)?;
        let what = event.what.ok_or(RecordError::NoRecord)?;
        self.record_what(cx, what, (event.step, Some(event.wall_time)))
    }

    /// Writes the files of an embedding: a serialized [`EmbeddingFiles`].
    ///
    /// # Errors
    /// When the bytes are none, or the client cannot be used.
    pub fn add_embedding(&mut self, #[ctx] cx: &CallContext<'_>, files: &[u8]) -> Result<(), RecordError> {
        let mut files: EmbeddingFiles = decoded(files)?;
        files.check()?;
        files.wall_time = self.counts.wall_time(cx, Some(files.wall_time));
        self.groups
            .route(cx.client_id, &files.tag, &mut self.destination)?;
        self.runs.append_embedding(&self.destination.run, &files)
    }

    /// Takes a piece of what is too long for one call, and records the whole with its last piece: as an event, or as an
    /// embedding. `value` is a number that the caller draws at random; `index` counts from 0 to `count` - 1.
    ///
    /// # Errors
    /// When a piece before it is missing; with the last one, those of [`add_event`](Self::add_event) or
    /// [`add_embedding`](Self::add_embedding).
    pub fn add_piece(
        &mut self,
        #[ctx] cx: &CallContext<'_>,
        value: u64,
        index: u32,
        count: u32,
        is_embedding: bool,
        bytes: &[u8],
    ) -> Result<(), RecordError> {
        let piece = Chunk {
            value,
            index,
            count,
            bytes,
        };
        match self.chunks.take(cx.client_id, piece)? {
            Some(whole) if is_embedding => self.add_embedding(cx, &whole),
            Some(whole) => self.add_event(cx, &whole),
            None => Ok(()),
        }
    }

    /// Goes back to a step: what the client logged from it on counts no more, in either reader of TensorBoard.
    ///
    /// # Errors
    /// When the client shares its run with others, or cannot be used; when what it wrote cannot be read.
    pub fn rewind(&mut self, #[ctx] cx: &CallContext<'_>, step: i64) -> Result<(), RecordError> {
        self.find_own_run(cx)?;
        let wall_time = self.counts.wall_time(cx, None);
        self.runs.rewind(&self.destination.run, (step, wall_time))
    }

    /// Says that a new process goes on under this client id. If its first scalar is at a step that was logged before, or at
    /// an earlier one, the client is rewound to that step; if it is at a later one, nothing happens.
    ///
    /// # Errors
    /// When the client shares its run with others, or cannot be used.
    pub fn resume(&mut self, #[ctx] cx: &CallContext<'_>) -> Result<(), RecordError> {
        self.find_own_run(cx)?;
        self.runs.resume(&self.destination.run)
    }
}

impl Durable for Tensorplex {
    fn commit(&mut self) -> io::Result<()> {
        self.runs.commit()
    }

    fn checkpoint(&mut self) -> io::Result<Vec<u8>> {
        let chunks = rmp_serde::to_vec(&self.chunks).map_err(io::Error::other)?;
        let mut state = (chunks.len() as u64).to_le_bytes().to_vec();
        state.extend(chunks);
        state.extend(self.runs.checkpoint()?);
        Ok(state)
    }

    fn wants_checkpoint(&self) -> bool {
        self.runs.wants_checkpoint()
    }

    fn settings(&self) -> String {
        self.groups.settings()
    }

    fn restore(&mut self, state: &[u8]) -> io::Result<()> {
        let cut_off = || io::Error::new(io::ErrorKind::InvalidData, "the state is cut off");
        let (chunks, runs) = split_state(state).ok_or_else(cut_off)?;
        self.chunks =
            rmp_serde::from_slice(chunks).map_err(|why| io::Error::new(io::ErrorKind::InvalidData, why))?;
        self.runs.restore(runs)
    }
}
