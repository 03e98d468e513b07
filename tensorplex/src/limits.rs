//! Limits of records, all checked before memory is taken.

pub use crate::client::CHUNK_SIZE;
pub use crate::encode_queue::MAX_QUEUED_BYTES;
pub use crate::runs::MAX_NAMES;
pub use crate::value::{MAX_BUCKETS, MAX_TAG, MAX_TEXT};
