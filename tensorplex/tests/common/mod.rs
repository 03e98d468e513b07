//! A log directory, and what a reader finds in it.
#![allow(dead_code)] // every test file uses its part

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use prost::Message;
use remotecall::{CallContext, ClientId};
use tensorplex::Tensorplex;
use tensorplex::local::RunWriter;
use tensorplex::records::Encode;
use tensorplex::tfevents::RecordReader;
use tensorplex::tfevents::messages::{Event, EventPayload, Value};

/// When every call is made, in seconds.
pub const NOW: f64 = 1_700_000_000.5;

pub struct Disk(tempfile::TempDir);

impl Disk {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn root(&self) -> PathBuf {
        self.0.path().join("runs")
    }

    /// An object without groups.
    pub fn plex(&self) -> Tensorplex {
        Tensorplex::open(&self.root(), &self.0.path().join("private")).unwrap()
    }

    /// An object with the groups of the tests: normal, indexed by 8 and 1, combined.
    pub fn plex_with_groups(&self) -> Tensorplex {
        let bin = |n| NonZeroU32::new(n).unwrap();
        let color = |name: &str| if name == "red" { ":color" } else { "alpha" }.to_owned();
        self.plex()
            .normal_group("learner")
            .and_then(|plex| plex.indexed_group("agent", bin(8)))
            .and_then(|plex| plex.indexed_group("individ", bin(1)))
            .and_then(|plex| plex.combined_group("eval", Box::new(color)))
            .unwrap()
    }

    /// All event files, sorted.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        collect(&self.root(), &mut found);
        found.sort();
        found
    }

    /// The one event file of a run.
    pub fn file(&self, run: &str) -> PathBuf {
        let dir = self.root().join(run);
        let files: Vec<PathBuf> = self
            .files()
            .into_iter()
            .filter(|f| f.parent() == Some(&dir))
            .collect();
        let [file] = &files[..] else {
            panic!("{run} should have one file, not {files:?}");
        };
        file.clone()
    }

    /// Every run with the tags of its values, in order.
    pub fn tags(&self) -> BTreeMap<String, Vec<String>> {
        let mut runs: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for file in self.files() {
            let run = file.parent().unwrap().strip_prefix(self.root()).unwrap();
            let tags = values(&file).into_iter().map(|(_, value)| value.tag);
            runs.entry(run.to_str().unwrap().to_owned())
                .or_default()
                .extend(tags);
        }
        runs
    }
}

fn collect(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => collect(&path, found),
            false => found.push(path),
        }
    }
}

/// The event that a local writer makes of a record.
pub fn event_of(record: impl Encode, step: Option<i64>, wall_time: Option<f64>) -> Event {
    let disk = Disk::new();
    let mut writer = RunWriter::create(disk.root()).unwrap();
    writer.add(record, step, wall_time).unwrap();
    drop(writer);
    let [file] = &disk.files()[..] else {
        panic!("not one file");
    };
    events(file).pop().unwrap()
}

pub fn events(file: &Path) -> Vec<Event> {
    let bytes = std::fs::read(file).unwrap();
    let mut reader = RecordReader::new(&bytes[..]);
    std::iter::from_fn(|| reader.next_record().unwrap())
        .map(|payload| Event::decode(&payload[..]).unwrap())
        .collect()
}

/// The values of a file, each with its event.
pub fn values(file: &Path) -> Vec<(Event, Value)> {
    let mut found = Vec::new();
    for event in events(file) {
        if let Some(EventPayload::Summary(summary)) = event.what.clone() {
            found.extend(summary.value.into_iter().map(|value| (event.clone(), value)));
        }
    }
    found
}

pub fn id(text: &str) -> ClientId {
    ClientId::new(text).unwrap()
}

pub fn at(client_id: &ClientId) -> CallContext<'_> {
    CallContext::new(client_id, (NOW * 1e9) as i64)
}
