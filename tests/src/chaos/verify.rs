//! Compares the files with the records that were submitted and the records that were acknowledged.

use std::collections::BTreeMap;
use std::path::Path;

use prost::Message;
use tensorplex::tfevents::RecordReader;
use tensorplex::tfevents::messages::{Datum, Event, EventPayload};

use super::monitor::files;
use super::progress::{Progress, value};
use super::report::Fault;
use crate::{Series, Summary};

/// One life of a worker: one process, from its start to its end.
#[derive(Clone, Debug)]
pub struct Life {
    /// Client id of the worker.
    pub id: String,
    /// Progress that the worker wrote down.
    pub progress: Progress,
    /// True when the worker ended by itself with everything acknowledged.
    pub closed: bool,
    /// True with a spool: accepted records survive the worker.
    pub has_spool: bool,
}

/// Numbers and values under one client id, by tag, in the order of the file.
type Tags = BTreeMap<String, Vec<(u64, u32)>>;

/// Content of the files, by client id.
#[derive(Debug, Default)]
pub struct OnDisk {
    records: BTreeMap<String, Tags>,
    lines: BTreeMap<String, Tags>,
}

impl OnDisk {
    /// Reads a log directory.
    pub fn read(logdir: &Path, faults: &mut Vec<Fault>) -> Self {
        let mut found = Self::default();
        for (path, bytes) in files(logdir) {
            let below = path.strip_prefix(logdir).unwrap_or(&path);
            let text = below.to_string_lossy().into_owned();
            if let Some(name) = text.strip_prefix("logs/") {
                let id = name.strip_suffix(".log").unwrap_or(name);
                let tags = found.lines.entry(id.to_owned()).or_default();
                read_lines(&text, &bytes, tags, faults);
            } else {
                let id = below.parent().unwrap_or(below).to_string_lossy().into_owned();
                let tags = found.records.entry(id).or_default();
                read_records(&text, &bytes, tags, faults);
            }
        }
        found
    }

    /// Number of records and of log lines.
    pub fn count(&self) -> (u64, u64) {
        let count = |ids: &BTreeMap<String, Tags>| -> u64 {
            let tags = ids.values().flat_map(BTreeMap::values);
            tags.map(|list| list.len() as u64).sum()
        };
        (count(&self.records), count(&self.lines))
    }

    /// Compares the files with the progress of the workers, whose lives are numbered from 0.
    pub fn compare(&self, lives: &[Life], faults: &mut Vec<Fault>) {
        for (kind, ids) in [("record", &self.records), ("line", &self.lines)] {
            for (n, life) in lives.iter().enumerate() {
                let none = Vec::new();
                let list = ids.get(&life.id).and_then(|tags| tags.get(&n.to_string()));
                let acked = if kind == "record" {
                    life.progress.records
                } else {
                    life.progress.lines
                };
                check(kind, n as u64, life, acked, list.unwrap_or(&none), faults);
            }
            for (id, tags) in ids {
                let unknown = tags.keys().filter(|tag| {
                    let life = tag.parse().ok().and_then(|n: usize| lives.get(n));
                    life.is_none_or(|life| life.id != *id)
                });
                faults.extend(unknown.map(|tag| Fault::NeverSubmitted(format!("{kind}s of {tag} in {id}"))));
            }
        }
    }

    /// Compares the series in a reader with the event files.
    pub fn compare_readers(&self, seen: &Summary, faults: &mut Vec<Fault>) {
        let series = |list: &Vec<(u64, u32)>| {
            Series::of_scalars(list.iter().map(|&(number, value)| (number as i64, value as f32)))
        };
        for (reader, runs) in [("Rust", &seen.rust), ("Python", &seen.python)] {
            for (id, tags) in &self.records {
                let shown = runs.get(id).cloned().unwrap_or_default();
                let expected: BTreeMap<String, Series> = tags
                    .iter()
                    .map(|(tag, list)| (tag.clone(), series(list)))
                    .collect();
                let wrong = expected
                    .keys()
                    .chain(shown.keys())
                    .find(|tag| shown.get(*tag) != expected.get(*tag));
                if let Some(tag) = wrong {
                    let (got, want) = (shown.get(tag), expected.get(tag));
                    faults.push(Fault::Readers(format!(
                        "{reader} shows {got:?} of {id}, {tag}, not {want:?}"
                    )));
                }
            }
        }
    }
}

/// Checks that `list` has all numbers from 0, once and in order, up to an end between acknowledged
/// and submitted.
fn check(kind: &str, n: u64, life: &Life, acked: u64, list: &[(u64, u32)], faults: &mut Vec<Fault>) {
    let owner = format!("{kind}s of life {n}");
    let mut sorted: Vec<u64> = list.iter().map(|&(number, _)| number).collect();
    let in_order = sorted.is_sorted();
    sorted.sort_unstable();
    let all = sorted.len();
    sorted.dedup();
    if sorted.len() < all {
        faults.push(Fault::Doubled(format!(
            "{owner}: {} of {all}",
            all - sorted.len()
        )));
    } else if !in_order {
        faults.push(Fault::OutOfOrder(owner.clone()));
    }
    let accepted = if life.has_spool { life.progress.accepted } else { 0 };
    let must = match life.closed {
        true => life.progress.submitted,
        false => acked.max(accepted),
    };
    let end = sorted.last().map_or(0, |last| last + 1).max(must);
    let missing = end - sorted.len() as u64;
    if missing > 0 {
        let first = (0..end).zip(&sorted).find(|(want, got)| want != *got);
        let first = first.map_or(sorted.len() as u64, |(want, _)| want);
        faults.push(Fault::Lost(format!(
            "{owner}: {missing} below {end}, the first is {first}; {must} were promised"
        )));
    }
    let invented = list
        .iter()
        .filter(|&&(number, found)| number >= life.progress.submitted || found != value(n, number));
    if let count @ 1.. = invented.count() {
        faults.push(Fault::NeverSubmitted(format!("{owner}: {count}")));
    }
}

fn read_records(path: &str, bytes: &[u8], tags: &mut Tags, faults: &mut Vec<Fault>) {
    let mut reader = RecordReader::new(bytes);
    loop {
        let record = match reader.next_record() {
            Ok(Some(record)) => record,
            Ok(None) => return,
            Err(error) => return faults.push(Fault::Unreadable(format!("{path}: {error}"))),
        };
        let Ok(Event { step, what, .. }) = Event::decode(record.as_slice()) else {
            return faults.push(Fault::Unreadable(format!("{path}: a record is no event")));
        };
        let Some(EventPayload::Summary(summary)) = what else {
            continue;
        };
        for value in summary.value {
            if let Some(Datum::SimpleValue(number)) = value.value {
                tags.entry(value.tag)
                    .or_default()
                    .push((step as u64, number as u32));
            }
        }
    }
}

/// Parses lines such as `12:34:56 INFO> life number value`.
fn read_lines(path: &str, bytes: &[u8], tags: &mut Tags, faults: &mut Vec<Fault>) {
    let text = String::from_utf8_lossy(bytes);
    for line in text.split_terminator('\n') {
        let words: Vec<&str> = line.split(' ').collect();
        let parsed = match words[..] {
            [_, "INFO>", life, number, value] => number
                .parse()
                .ok()
                .zip(value.parse().ok())
                .map(|pair| (life, pair)),
            _ => None,
        };
        match parsed {
            Some((life, pair)) => tags.entry(life.to_owned()).or_default().push(pair),
            None => faults.push(Fault::Unreadable(format!("{path}: {line:?}"))),
        }
    }
    if !text.is_empty() && !text.ends_with('\n') {
        faults.push(Fault::Unreadable(format!("{path}: the last line has no end")));
    }
}
