use std::num::NonZeroU64;
use std::ops::Range;
use std::time::Duration;

use remotecall::Durable;

use super::*;
use crate::Loggerplex;
use crate::server::tests::{Disk, call_at};

/// Names and contents of all files.
type Files = Vec<(String, String)>;

fn files(disk: &Disk) -> Files {
    let entries = fs::read_dir(disk.logs().join("agent")).unwrap();
    let mut files: Files = entries
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect();
    files.sort();
    files
}

fn open(disk: &Disk, keep: usize) -> Loggerplex {
    disk.open().rotation(Rotation {
        // Three lines of this test.
        max_bytes: NonZeroU64::new(3 * "00:00:00 INFO> 00\n".len() as u64),
        max_age: Some(Duration::from_secs(3600)),
        keep,
    })
}

/// Logs one line per minute and client, and commits every fifth.
fn log(logs: &mut Loggerplex, lines: Range<i64>) {
    for n in lines {
        for id in ["agent/1", "agent/2"] {
            call_at(logs, n * 60_000_000_000, id, "info", (format!("{n:02}"),)).unwrap();
        }
        if n % 5 == 0 {
            logs.commit().unwrap();
        }
    }
    logs.commit().unwrap();
}

#[test]
fn full_files_rotate_and_the_latest_are_kept() {
    let disk = Disk::new();
    log(&mut open(&disk, 2), 0..11);
    let names: Vec<_> = files(&disk).into_iter().map(|(name, _)| name).collect();
    let of_one = ["1.log", "1.log.19700101-000300-2", "1.log.19700101-000600-3"];
    assert_eq!(names[..3], of_one);
    assert_eq!(names.len(), 6);
    assert_eq!(disk.read("agent/1"), "00:09:00 INFO> 09\n00:10:00 INFO> 10\n");
    let rotated = &files(&disk)[2].1;
    assert_eq!(
        rotated,
        "00:06:00 INFO> 06\n00:07:00 INFO> 07\n00:08:00 INFO> 08\n"
    );
}

#[test]
fn old_files_rotate() {
    let disk = Disk::new();
    let mut logs = open(&disk, 1);
    log(&mut logs, 0..1);
    log(&mut logs, 61..62);
    logs.commit().unwrap();
    assert_eq!(disk.read("agent/1"), "01:01:00 INFO> 61\n");
    assert_eq!(files(&disk)[1].0, "1.log.19700101-000000-1");
}

#[test]
fn rotation_may_keep_no_file() {
    let disk = Disk::new();
    log(&mut open(&disk, 0), 0..11);
    assert_eq!(files(&disk).len(), 2);
}

#[test]
fn a_replay_of_rotations_writes_the_same_files_from_any_checkpoint() {
    for keep in 0..3 {
        for from in 0..12 {
            let disk = Disk::new();
            let mut logs = open(&disk, keep);
            log(&mut logs, 0..from);
            let state = logs.checkpoint().unwrap();
            log(&mut logs, from..20);
            let whole = files(&disk);
            for until in from..=20 {
                let mut logs = open(&disk, keep);
                logs.restore(&state).unwrap();
                log(&mut logs, from..until);
                assert_eq!(files(&disk), whole, "keep {keep}, from {from}, until {until}");
            }
        }
    }
}

#[test]
fn enabling_rotation_rotates_the_existing_file() {
    let disk = Disk::new();
    let mut logs = disk.open();
    log(&mut logs, 0..9);
    let state = logs.checkpoint().unwrap();
    for until in [9, 10, 13, 20] {
        let mut logs = open(&disk, 9);
        logs.restore(&state).unwrap();
        log(&mut logs, 9..until);
    }
    let files = files(&disk);
    let of_one: String = files[1..]
        .iter()
        .chain(&files[..1])
        .filter(|(name, _)| name.starts_with('1'))
        .map(|(_, text)| text.as_str())
        .collect();
    let all: String = (0..20).map(|n| format!("00:{n:02}:00 INFO> {n:02}\n")).collect();
    assert_eq!(of_one, all);
    assert!(files.len() > 4);
}

#[test]
fn disabling_rotation_continues_the_current_file() {
    let disk = Disk::new();
    let mut logs = open(&disk, 9);
    log(&mut logs, 0..5);
    let state = logs.checkpoint().unwrap();
    for until in [6, 20] {
        let mut logs = disk.open();
        logs.restore(&state).unwrap();
        log(&mut logs, 5..until);
    }
    let lines: String = (3..20).map(|n| format!("00:{n:02}:00 INFO> {n:02}\n")).collect();
    assert_eq!(disk.read("agent/1"), lines);
}

#[test]
fn a_moved_file_is_begun_again_after_a_reopen() {
    let disk = Disk::new();
    let wanted = Arc::new(AtomicBool::new(false));
    let mut logs = disk.open().reopen_when(wanted.clone());
    log(&mut logs, 0..1);
    fs::rename(disk.path("agent/1"), disk.logs().join("moved")).unwrap();
    log(&mut logs, 1..2);
    assert!(!logs.wants_checkpoint());
    wanted.store(true, Relaxed);
    assert!(logs.wants_checkpoint());
    let state = logs.checkpoint().unwrap();
    assert!(!logs.wants_checkpoint());
    log(&mut logs, 2..3);
    let mut logs = disk.open();
    logs.restore(&state).unwrap();
    log(&mut logs, 2..4);
    let moved = fs::read_to_string(disk.logs().join("moved")).unwrap();
    assert_eq!(moved, "00:00:00 INFO> 00\n00:01:00 INFO> 01\n");
    assert_eq!(disk.read("agent/1"), "00:02:00 INFO> 02\n00:03:00 INFO> 03\n");
    assert_eq!(disk.read("agent/2").lines().count(), 4);
}
