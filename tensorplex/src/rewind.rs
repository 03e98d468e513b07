//! Going back to a step, so that both readers of TensorBoard show one clean curve.
//!
//! ```text
//! new file     a later name
//!   version, SessionLog START at step T     the Python loader drops every point of the run from T on
//!   the last value before T of each tag     the data server drops every point of the tag from that value's step on
//!   what is logged from then on
//! ```
//!
//! A tag whose first step is T or later has no value to be stated again: its old points stay in the data server's
//! charts until it is logged again.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read};

use prost::Message as _;

use crate::tfevents::messages::{Datum, Event, SessionStatus, SummaryMetadata, Value, What};
use crate::tfevents::{ReadError, RecordReader};

/// A value that is stated again.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Kept {
    pub step: i64,
    pub wall_time: f64,
    pub value: Value,
}

/// The last value of each tag before `step`, in the order of their tags, from the files of a run, the newest first.
pub(crate) fn last_before<R: Read>(
    step: i64,
    files: impl Iterator<Item = io::Result<R>>,
) -> io::Result<Vec<Kept>> {
    let mut kept = BTreeMap::new();
    // What an earlier file says of the steps from which a later one went on is void.
    let mut limit = step;
    for file in files {
        let (found, start) = read_file(file?, limit)?;
        for (tag, value) in found {
            kept.entry(tag).or_insert(value);
        }
        limit = limit.min(start);
    }
    Ok(kept.into_values().collect())
}

/// The last value of each tag before `limit` in one file, and the lowest step from which the file goes on.
fn read_file(file: impl Read, limit: i64) -> io::Result<(HashMap<String, Kept>, i64)> {
    let mut reader = RecordReader::new(io::BufReader::new(file));
    let mut stated: HashMap<String, SummaryMetadata> = HashMap::new();
    let mut found = HashMap::new();
    let mut start = i64::MAX;
    while let Some(event) = next_event(&mut reader)? {
        match event.what {
            Some(What::SessionLog(session)) if session.status() == SessionStatus::Start => {
                start = start.min(event.step);
                found.retain(|_, kept: &mut Kept| kept.step < event.step);
            }
            Some(What::Summary(summary)) => {
                for mut value in summary.value {
                    match (&value.metadata, &value.value) {
                        (Some(metadata), _) => {
                            stated
                                .entry(value.tag.clone())
                                .or_insert_with(|| metadata.clone());
                        }
                        (None, Some(Datum::Tensor(_))) => value.metadata = stated.get(&value.tag).cloned(),
                        (None, _) => {}
                    }
                    if event.step < limit {
                        let (step, wall_time) = (event.step, event.wall_time);
                        found.insert(
                            value.tag.clone(),
                            Kept {
                                step,
                                wall_time,
                                value,
                            },
                        );
                    }
                }
            }
            _ => {}
        }
    }
    Ok((found, start))
}

/// The next event that can be read; a file may end in an unfinished one, and those of others may be damaged.
fn next_event<R: Read>(reader: &mut RecordReader<R>) -> io::Result<Option<Event>> {
    loop {
        match reader.next_record() {
            Ok(None)
            | Err(ReadError::Truncated { .. } | ReadError::BadLength { .. } | ReadError::TooLong { .. }) => {
                return Ok(None);
            }
            Err(ReadError::Io(error)) => return Err(error),
            Err(ReadError::BadPayload { .. }) => {}
            Ok(Some(payload)) => {
                if let Ok(event) = Event::decode(&payload[..]) {
                    return Ok(Some(event));
                }
            }
        }
    }
}
