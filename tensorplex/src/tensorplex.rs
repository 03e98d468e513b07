//! The object behind a server: records of many clients, each into its run.

use std::io;
use std::num::NonZeroU32;
use std::path::Path;

use remotecall::{CallContext, Durable, remote};

use crate::group::{BinName, Group, GroupError};
use crate::groups::{Groups, Spot};
use crate::runs::Runs;
use crate::scalars::Scalars;
use crate::tfevents::{Bucket, Point, bucket};
use crate::value::{RecordError, Value, check_tag};

/// Records of many clients, as event files below one directory.
///
/// Every byte is a function of the calls: the time of a record is that of the client.
pub struct Tensorplex {
    groups: Groups,
    runs: Runs,
    spot: Spot,
    counts: Counts,
}

/// What was repaired silently, since the object was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Wall times that were not finite: the time of the call took their place.
    pub wall_times: u64,
    /// Values of histograms that were not finite: they are left out.
    pub histogram_values: u64,
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
            spot: Spot::default(),
            counts: Counts::default(),
        })
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

    /// What was repaired silently.
    pub fn counts(&self) -> Counts {
        self.counts
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
        self.groups.place(cx.client_id, check_tag(tag)?, &mut self.spot)?;
        self.spot.tag.push_str(value.kind().suffix());
        let (step, wall_time) = at;
        let point = Point {
            tag: &self.spot.tag,
            step: step.unwrap_or(0),
            wall_time: self.counts.wall_time(cx, wall_time),
        };
        self.runs.append(&self.spot.run, point, value)
    }
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

/// What clients call. A step that is not given is 0; a wall time that is not given is the time of the call.
#[remote]
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
        let buckets = bucket(values.iter().copied());
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
}

impl Durable for Tensorplex {
    fn commit(&mut self) -> io::Result<()> {
        self.runs.commit()
    }

    fn checkpoint(&mut self) -> io::Result<Vec<u8>> {
        self.runs.checkpoint()
    }

    fn settings(&self) -> String {
        self.groups.settings()
    }

    fn restore(&mut self, state: &[u8]) -> io::Result<()> {
        self.runs.restore(state)
    }
}
