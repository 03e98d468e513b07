//! Values of records, checked where they enter.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::routing::RoutingError;
use crate::tfevents::{Bucket, TEXT_SUFFIX, TooLong};

/// Longest tag, in bytes.
pub const MAX_TAG: usize = 1024;
/// Longest text, in bytes: 1 MiB. Readers hold ten to a hundred of them per tag.
pub const MAX_TEXT: usize = 1 << 20;
/// Most buckets of one histogram.
pub const MAX_BUCKETS: usize = 4096;

/// A record was refused. Nothing of it was written.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The tag is empty.
    #[error("the tag is empty")]
    EmptyTag,
    /// The tag is longer than [`MAX_TAG`].
    #[error("tag of {0} bytes is too long: at most {MAX_TAG} are allowed")]
    LongTag(usize),
    /// The text is longer than [`MAX_TEXT`].
    #[error("text of {0} bytes is too long: at most {MAX_TEXT} are allowed")]
    LongText(usize),
    /// More than [`MAX_BUCKETS`] buckets.
    #[error("{0} buckets in one histogram: at most {MAX_BUCKETS} are allowed")]
    ManyBuckets(usize),
    /// A bucket is not a left edge, a right edge and a count.
    #[error(
        "bucket {index} is {bucket:?}: expected a left edge, a right edge that is not smaller and a count, all finite"
    )]
    BadBucket {
        /// Its number, from 0.
        index: usize,
        /// Its content.
        bucket: Bucket,
    },
    /// The client has no place.
    #[error(transparent)]
    Routing(#[from] RoutingError),
    /// A reader of TensorBoard gives a series up when its kind changes.
    #[error("tag {tag:?} of run {run:?} is a {was}, not a {now}")]
    KindChanged {
        /// The run.
        run: String,
        /// The tag, as it is called in the run.
        tag: String,
        /// Kind of its earlier values.
        was: RecordKind,
        /// Kind of this value.
        now: RecordKind,
    },
    /// There are too many different runs and tags.
    #[error("no room for another run or tag: their names take {limit} bytes already")]
    ManyNames {
        /// The limit.
        limit: usize,
    },
    /// An array or a number is not as it must be.
    #[error("{what}: {seen}; expected {wanted}")]
    Shape {
        /// The record.
        what: &'static str,
        /// Value that was given.
        seen: String,
        /// Values that are allowed.
        wanted: String,
    },
    /// The encoder of a picture or a sound refused it.
    #[error("cannot be encoded: {0}")]
    Encoding(String),
    /// The bytes are not the message that they should be.
    #[error("not a message of this type: {0}")]
    NoMessage(String),
    /// The message says nothing that belongs to a run.
    #[error("the message holds no value, no graph and no profile")]
    NoRecord,
    /// A ready-made value is none that readers show.
    #[error("tag {tag:?}: {why}")]
    OddValue {
        /// The tag.
        tag: String,
        /// Description of the fault.
        why: String,
    },
    /// The pieces of a value did not come in order: one was dropped on the way.
    #[error("piece {chunk} of a value came without those before it; the value was dropped")]
    MissingChunk {
        /// The piece, from 0.
        chunk: u32,
    },
    /// A run that several clients share cannot be rewound by one of them.
    #[error("client {0:?} shares its run with others: it cannot be rewound")]
    SharedRun(String),
    /// Earlier records of the run could not be read.
    #[error("run {run:?} could not be read: {why}")]
    Unreadable {
        /// The run.
        run: String,
        /// The reason.
        why: String,
    },
    /// The event is too long for a record.
    #[error(transparent)]
    TooLong(#[from] TooLong),
}

/// Kind of the values of a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum RecordKind {
    /// Numbers.
    Scalar,
    /// Histograms.
    Histogram,
    /// Texts.
    Text,
    /// Images and videos.
    Image,
    /// Sound.
    Audio,
    /// Precision and recall.
    PrCurve,
    /// Parts of meshes.
    Mesh,
    /// Hyperparameters and status of a session.
    HParams,
    /// The layout of the custom scalars.
    Layout,
    /// Tensors of other dashboards.
    Tensor,
}

impl fmt::Display for RecordKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scalar => "scalar",
            Self::Histogram => "histogram",
            Self::Text => "text",
            Self::Image => "picture",
            Self::Audio => "sound",
            Self::PrCurve => "pr curve",
            Self::Mesh => "mesh",
            Self::HParams => "set of hparams",
            Self::Layout => "layout",
            Self::Tensor => "tensor",
        })
    }
}

impl RecordKind {
    /// Suffix of tags of this kind.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Text => TEXT_SUFFIX,
            _ => "",
        }
    }
}

/// A value that may be written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    Scalar(f32),
    Histogram(&'a [Bucket]),
    Text(&'a str),
}

impl<'a> Value<'a> {
    /// Any number: readers show NaN and the infinities as such.
    pub fn scalar(value: f64) -> Self {
        Self::Scalar(value as f32)
    }

    pub fn histogram(buckets: &'a [Bucket]) -> Result<Self, RecordError> {
        if buckets.len() > MAX_BUCKETS {
            return Err(RecordError::ManyBuckets(buckets.len()));
        }
        let fits = |&[left, right, count]: &Bucket| {
            left <= right && left.is_finite() && right.is_finite() && count >= 0.0 && count.is_finite()
        };
        match buckets.iter().position(|bucket| !fits(bucket)) {
            Some(index) => Err(RecordError::BadBucket {
                index,
                bucket: buckets[index],
            }),
            None => Ok(Self::Histogram(buckets)),
        }
    }

    pub fn text(text: &'a str) -> Result<Self, RecordError> {
        match text.len() {
            0..=MAX_TEXT => Ok(Self::Text(text)),
            long => Err(RecordError::LongText(long)),
        }
    }

    pub fn kind(&self) -> RecordKind {
        match self {
            Self::Scalar(_) => RecordKind::Scalar,
            Self::Histogram(_) => RecordKind::Histogram,
            Self::Text(_) => RecordKind::Text,
        }
    }
}

/// Checks a tag as it came from the caller.
pub(crate) fn check_tag(tag: &str) -> Result<&str, RecordError> {
    match tag.len() {
        0 => Err(RecordError::EmptyTag),
        1..=MAX_TAG => Ok(tag),
        long => Err(RecordError::LongTag(long)),
    }
}
