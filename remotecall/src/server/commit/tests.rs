//! A server's disk that fails at every system call and at every byte, in every way.
//!
//! An object with all kinds of files is called by two senders who follow the protocol: they send again, in order, what
//! was not acknowledged. Whatever happened to the disk meanwhile, the files end as if nothing had.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::*;
use crate::server::object::Checkpointed;
use crate::server::stats::Stats;
use crate::{Args, CallContext, CallError, Durable, FileSet, NewFile, Remote};
use remotecall_store::disk::Call;
use remotecall_store::disk::faults::{self, Fault, Unsynced};
use remotecall_wire::{FrameBuilder, NewCall, ProducerId, ReplyMode};

/// What another program left in the file that is overwritten.
const FOREIGN: &str = "of another program\n";
/// Lines of a log before it is moved.
const LINES: usize = 3;

/// Writes texts into files: one log that is moved again and again, one that takes the place of another program's file,
/// and others that pick their names.
struct Notes {
    files: FileSet,
    lines: usize,
    wants_checkpoint: bool,
}

impl Notes {
    fn open(root: &Path) -> io::Result<Self> {
        Ok(Self {
            files: FileSet::open(root, Some(&root.join("private/files")))?,
            lines: 0,
            wants_checkpoint: false,
        })
    }

    fn note(&mut self, name: &str, text: &str) {
        let id = match name {
            "log" => {
                self.lines += 1;
                let key = format!("log#{}", (self.lines - 1) / LINES);
                self.files.add(&key, NewFile::Append("logs/log".to_owned()))
            }
            "over" => self.files.add(name, NewFile::Overwrite("over.log".to_owned())),
            _ => {
                let dir = format!("run/{name}");
                let pick = move |root: &Path| {
                    let free = (0..)
                        .map(|n| format!("{dir}/events.{n}"))
                        .find(|path| !root.join(path).exists());
                    Ok(free.expect("one of them is free"))
                };
                self.files.add(name, NewFile::Create(Box::new(pick)))
            }
        };
        self.files.pending(id).extend_from_slice(text.as_bytes());
        if name == "log" && self.lines.is_multiple_of(LINES) {
            self.files.retire(id, format!("logs/log.{}", self.lines / LINES));
        }
    }
}

impl Remote for Notes {
    fn method(&self, name: &str) -> Option<usize> {
        ["note", "save"].iter().position(|known| *known == name)
    }

    fn call(
        &mut self,
        _: &CallContext<'_>,
        method: usize,
        args: &Args<'_>,
        _: &mut Vec<u8>,
    ) -> Result<(), CallError> {
        match method {
            0 => self.note(
                &args.required::<String>(0, "name")?,
                &args.required::<String>(1, "text")?,
            ),
            _ => self.wants_checkpoint = true,
        }
        Ok(())
    }
}

impl Durable for Notes {
    fn commit(&mut self) -> io::Result<()> {
        self.files.commit()
    }

    fn checkpoint(&mut self) -> io::Result<Vec<u8>> {
        self.files.sync()?;
        self.wants_checkpoint = false;
        Ok(rmp_serde::to_vec(&(self.lines, self.files.state())).unwrap())
    }

    fn wants_checkpoint(&self) -> bool {
        self.wants_checkpoint
    }

    fn restore(&mut self, state: &[u8]) -> io::Result<()> {
        let (lines, files): (usize, Vec<u8>) = rmp_serde::from_slice(state).unwrap();
        self.lines = lines;
        self.files.restore(&files)
    }

    fn settings(&self) -> String {
        "notes".to_owned()
    }
}

const SENDERS: [ProducerId; 2] = [ProducerId([1; 16]), ProducerId([2; 16])];

/// What the two senders send: rounds of frames, frames of calls.
fn script() -> Vec<Vec<(ProducerId, u64, Vec<u8>)>> {
    let [one, two] = SENDERS;
    let rounds: [&[(ProducerId, &[&str])]; 6] = [
        &[(one, &["log one", "a first"]), (two, &["over new"])],
        &[(one, &["log two", "log three", "log four"])],
        &[(two, &["a second", "b first", "save"]), (one, &["log five"])],
        &[
            (one, &["c first", "log six", "log seven"]),
            (two, &["over newer", "save"]),
        ],
        &[(two, &["log eight", "b second"])],
        &[(one, &["log nine", "a third", "d first"]), (two, &["log ten"])],
    ];
    let mut seqs = BTreeMap::new();
    let mut frame = |(producer, calls): &(ProducerId, &[&str])| {
        let seq = seqs.entry(producer.0).or_insert(0);
        *seq += 1;
        (*producer, *seq, frame_of(*producer, *seq, calls))
    };
    rounds
        .iter()
        .map(|round| round.iter().map(&mut frame).collect())
        .collect()
}

fn frame_of(producer: ProducerId, seq: u64, calls: &[&str]) -> Vec<u8> {
    let mut builder = FrameBuilder::default();
    for call in calls {
        let (name, text) = call.split_once(' ').unwrap_or((call, ""));
        let args = rmp_serde::to_vec(&(name, format!("{text}\n"))).unwrap();
        builder.append(
            &NewCall {
                method: if *call == "save" { "save" } else { "note" },
                client: "client",
                reply: ReplyMode::Nothing,
                time_ns: 0,
                deadline_ms: None,
                has_named: false,
            },
            &args,
        );
    }
    builder.close().seal(producer, seq)
}

/// The directory of a server, and what its senders know.
struct Place {
    dir: tempfile::TempDir,
    acked: BTreeMap<[u8; 16], u64>,
}

impl Place {
    fn new() -> Self {
        // In memory: thousands of directories, and no sync of theirs is a real one.
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        std::fs::create_dir(dir.path().join("private")).unwrap();
        std::fs::write(dir.path().join("over.log"), FOREIGN).unwrap();
        Self {
            dir,
            acked: BTreeMap::new(),
        }
    }

    /// A server starts, gets everything that its senders have not got acknowledged, and ends; the disk fails as planned.
    fn run(&mut self, plan: Option<(usize, Fault)>) -> Result<bool, RunError> {
        let stop = Arc::new(AtomicBool::new(false));
        faults::begin(plan, &stop);
        let root = self.dir.path();
        let notes = Notes::open(root).map_err(RunError::Recovery)?;
        let admission = Admission::new(
            Box::new(Checkpointed(notes)),
            Arc::new(Stats::default()),
            true,
            true,
        );
        let mut commit = Commit::recover(admission, Some(&root.join("private")), stop)?;
        for (producer, acked) in &self.acked {
            let recovered = commit.admission.producers.watermark(ProducerId(*producer));
            assert!(
                recovered >= *acked,
                "frame {acked} was acknowledged, {recovered} was recovered"
            );
        }
        for round in script() {
            let mut accepted = Vec::new();
            for (producer, seq, frame) in &round {
                let acked = self.acked.get(&producer.0).copied().unwrap_or(0);
                if *seq > acked && commit.admission.admit(acked, 0, frame).0 == Verdict::Accepted {
                    accepted.push(Accepted {
                        acked: commit.admission.number_before(*producer),
                        clock_ms: 0,
                        is_read_only: false,
                        frame: frame.clone(),
                    });
                }
            }
            if !commit.commit(&accepted, &mut || Ok(()))? {
                return Ok(false);
            }
            for (producer, seq, _) in round {
                self.acked.insert(producer.0, seq);
            }
            commit.checkpoint_if_due()?;
        }
        commit.checkpoint_at_end()?;
        Ok(true)
    }

    /// What the readers see.
    fn seen(&self) -> BTreeMap<PathBuf, String> {
        let root = self.dir.path();
        let private = root.join("private");
        let files = faults::files_below(root)
            .into_iter()
            .filter(|path| !path.starts_with(&private));
        files
            .map(|path| {
                let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
                (path.strip_prefix(root).unwrap().to_owned(), text)
            })
            .collect()
    }

    /// Starts the server again on a disk without faults: everything is there, and nothing that was seen has changed.
    fn check(&mut self, expect: &BTreeMap<PathBuf, String>, what: &str) {
        let before = self.seen();
        let outcome = self.run(None);
        assert!(matches!(outcome, Ok(true)), "{what}: {outcome:?}");
        let after = self.seen();
        assert_eq!(&after, expect, "{what}");
        for (path, text) in before.iter().filter(|(_, text)| *text != FOREIGN) {
            let stays = after.values().any(|whole| whole.starts_with(text.as_str()));
            assert!(stays, "{what}: {} had {text:?}, which is gone", path.display());
        }
    }
}

/// The files, and the system calls, when nothing fails.
fn without_faults() -> (BTreeMap<PathBuf, String>, Vec<(Call, usize)>) {
    let mut place = Place::new();
    assert!(place.run(None).unwrap());
    (place.seen(), faults::calls())
}

/// Does something with each of the jobs, in a few threads: a server that tries again waits most of the time.
fn for_each<T: Send + std::fmt::Debug>(jobs: Vec<T>, work: impl Fn(&T) + Sync) {
    let jobs = std::sync::Mutex::new(jobs);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while let Some(job) = { jobs.lock().unwrap().pop() } {
                    work(&job);
                    faults::end();
                }
            });
        }
    });
}

#[test]
fn the_script_makes_every_kind_of_call() {
    let (seen, calls) = without_faults();
    let names: Vec<_> = seen.keys().map(|path| path.to_str().unwrap()).collect();
    let runs = [
        "run/a/events.0",
        "run/b/events.0",
        "run/c/events.0",
        "run/d/events.0",
    ];
    let logs = ["logs/log", "logs/log.1", "logs/log.2", "logs/log.3", "over.log"];
    assert_eq!(names, [&logs[..], &runs].concat());
    assert_eq!(seen[Path::new("logs/log")], "ten\n");
    assert_eq!(seen[Path::new("over.log")], "new\nnewer\n");
    for kind in [
        Call::Open,
        Call::Read,
        Call::Write,
        Call::Sync,
        Call::Rename,
        Call::Remove,
        Call::MakeDir,
    ] {
        assert!(calls.iter().any(|(call, _)| *call == kind), "{kind:?}");
    }
}

#[test]
fn a_kill_at_any_system_call_and_any_byte_of_a_write() {
    let (expect, calls) = without_faults();
    let mut jobs = Vec::new();
    for (at, (call, bytes)) in calls.into_iter().enumerate() {
        jobs.push((at, Fault::Kill));
        if call == Call::Write {
            jobs.extend((1..=bytes).map(|n| (at, Fault::KillAfter(n))));
        }
    }
    for_each(jobs, |plan| {
        let mut place = Place::new();
        let outcome = place.run(Some(*plan));
        assert!(!matches!(outcome, Ok(true)), "{plan:?}: it lived on");
        place.check(&expect, &format!("{plan:?}"));
    });
}

#[test]
fn a_power_cut_at_any_system_call() {
    let (expect, calls) = without_faults();
    let all = (0..calls.len())
        .flat_map(|at| [Unsynced::Gone, Unsynced::Zeros, Unsynced::Half].map(|left| (at, left)));
    for_each(all.collect(), |&(at, left)| {
        let mut place = Place::new();
        faults::mind_power_cuts(place.dir.path());
        let _ = place.run(Some((at, Fault::Kill)));
        faults::cut_power(place.dir.path(), left);
        let outcome = place.run(None);
        assert!(matches!(outcome, Ok(true)), "cut at {at}, {left:?}: {outcome:?}");
        assert_eq!(place.seen(), expect, "cut at {at}, {left:?}");
    });
}

#[test]
fn a_kill_at_any_system_call_of_a_recovery() {
    let (expect, calls) = without_faults();
    for_each((0..calls.len()).step_by(5).collect(), |&at| {
        for again in 0.. {
            let mut place = Place::new();
            let _ = place.run(Some((at, Fault::Kill)));
            let outcome = place.run(Some((again, Fault::Kill)));
            if matches!(outcome, Ok(true)) {
                break; // It had fewer calls.
            }
            place.check(&expect, &format!("killed at {at}, then at {again}"));
        }
    });
}

#[test]
fn an_error_of_any_system_call_heals_or_ends_the_server() {
    const EIO: i32 = 5;
    const EMFILE: i32 = 24;
    const EROFS: i32 = 30;
    let (expect, calls) = without_faults();
    let mut jobs = Vec::new();
    for (at, (call, bytes)) in calls.into_iter().enumerate() {
        jobs.extend([EIO, EMFILE, EROFS].map(|code| (at, call, Fault::Error(code))));
        if call == Call::Write {
            jobs.extend([1, bytes / 2].map(|n| (at, call, Fault::Short(n.max(1)))));
            jobs.extend([0, 1, bytes / 2].map(|n| (at, call, Fault::Full(n))));
        }
    }
    for_each(jobs, |&(at, call, fault)| {
        let what = format!("call {at}, {call:?}: {fault:?}");
        let mut place = Place::new();
        let outcome = place.run(Some((at, fault)));
        match outcome {
            Ok(whole) => {
                assert!(
                    !matches!(call, Call::Sync | Call::SyncFs),
                    "{what}: a sync was tried again"
                );
                assert!(whole, "{what}");
                assert_eq!(place.seen(), expect, "{what}");
            }
            Err(_) if place.acked.is_empty() => {} // It did not start.
            Err(error) => {
                let is_of_sync = error.to_string().contains("fsync of ");
                let is_of_checkpoint = matches!(error, RunError::Journal(_) | RunError::Checkpoint(_));
                assert!(is_of_sync || is_of_checkpoint, "{what}: {error}");
            }
        }
        place.check(&expect, &what);
    });
}
