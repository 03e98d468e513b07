//! The same calls give the same bytes, whatever a crash left of them.

mod common;

use std::path::Path;

use common::{Disk, at, events, id, values};
use remotecall::{ClientId, Durable};
use tensorplex::Tensorplex;
use tensorplex::tfevents::messages::EventPayload;

/// Every kind of record, of three clients in two runs.
fn call(plex: &mut Tensorplex, steps: std::ops::Range<i64>) {
    for step in steps {
        let (lr, eps, agent) = (id("learner/lr"), id("learner/eps"), id("agent/3"));
        plex.add_scalar(&at(&lr), "x", step as f64, Some(step), None)
            .unwrap();
        plex.add_scalar(&at(&eps), "x", 0.5, Some(step), Some(f64::NAN))
            .unwrap();
        plex.add_text(&at(&lr), "note", "hello", Some(step), None)
            .unwrap();
        let buckets = [[0.0, 1.0, 2.0], [1.0, 2.0, step as f64]];
        plex.add_histogram_buckets(&at(&agent), "h", &buckets, Some(step), None)
            .unwrap();
        plex.add_scalar(&at(&agent), "h", 1.0, Some(step), None)
            .unwrap_err();
    }
}

fn contents(disk: &Disk) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let read = |file: std::path::PathBuf| (file.clone(), std::fs::read(file).unwrap());
    disk.files().into_iter().map(read).collect()
}

fn cut(file: &Path, length: usize) {
    let bytes = std::fs::read(file).unwrap();
    std::fs::write(file, &bytes[..length]).unwrap();
}

#[test]
fn calls_repeated_from_the_start_complete_a_file_cut_anywhere() {
    let disk = Disk::new();
    let mut plex = disk.plex_with_groups();
    call(&mut plex, 0..3);
    plex.commit().unwrap();
    drop(plex);
    let whole = contents(&disk);
    assert_eq!(whole.len(), 2);
    for (file, bytes) in &whole {
        for length in 0..bytes.len() {
            cut(file, length);
            let mut plex = disk.plex_with_groups();
            // Batches differ from those before the crash.
            for step in 0..3 {
                call(&mut plex, step..step + 1);
                plex.commit().unwrap();
            }
            assert!(contents(&disk) == whole, "{file:?} cut at {length}");
        }
    }
}

#[test]
fn calls_repeated_from_a_checkpoint_complete_a_file_cut_anywhere_behind_it() {
    let disk = Disk::new();
    let mut plex = disk.plex_with_groups();
    call(&mut plex, 0..2);
    let state = plex.checkpoint().unwrap();
    let durable = contents(&disk);
    call(&mut plex, 2..4);
    plex.commit().unwrap();
    drop(plex);
    let whole = contents(&disk);
    for ((file, bytes), (_, durable)) in whole.iter().zip(&durable) {
        for length in durable.len()..bytes.len() {
            cut(file, length);
            let mut plex = disk.plex_with_groups();
            plex.restore(&state).unwrap();
            call(&mut plex, 2..4);
            plex.commit().unwrap();
            assert!(contents(&disk) == whole, "{file:?} cut at {length}");
        }
    }
}

#[test]
fn a_checkpoint_does_not_show_in_the_files() {
    let [plain, stopped] = [Disk::new(), Disk::new()];
    let mut plex = plain.plex_with_groups();
    call(&mut plex, 0..4);
    plex.commit().unwrap();

    let mut plex = stopped.plex_with_groups();
    for step in 0..4 {
        call(&mut plex, step..step + 1);
        let state = plex.checkpoint().unwrap();
        plex = stopped.plex_with_groups();
        plex.restore(&state).unwrap();
    }
    let bytes =
        |disk: &Disk| -> Vec<Vec<u8>> { contents(disk).into_iter().map(|(_, bytes)| bytes).collect() };
    assert!(bytes(&plain) == bytes(&stopped));
}

/// Runs, restarts, and runs again after `harm` came over the file; returns the disk.
fn with_lost_file(harm: impl Fn(&Path)) -> Disk {
    let disk = Disk::new();
    let mut plex = disk.plex();
    let client = id("a");
    plex.add_text(&at(&client), "t", "one", Some(1), None).unwrap();
    plex.commit().unwrap();
    let state = plex.checkpoint().unwrap();
    drop(plex);
    harm(&disk.file("a"));

    // Stopped before anything new is logged; then killed twice after it was.
    let mut plex = disk.plex();
    plex.restore(&state).unwrap();
    let state = plex.checkpoint().unwrap();
    for _ in 0..3 {
        plex.add_text(&at(&client), "t", "two", Some(2), None).unwrap();
        plex.add_scalar(&at(&client), "t/text_summary", 1.0, None, None)
            .unwrap_err();
        plex.commit().unwrap();
        plex = disk.plex();
        plex.restore(&state).unwrap();
    }
    disk
}

#[track_caller]
fn has_everything_again(file: &Path) {
    assert!(matches!(events(file)[0].what, Some(EventPayload::FileVersion(_))));
    let values = values(file);
    assert_eq!((values.len(), values[0].0.step), (1, 2));
    assert!(values[0].1.metadata.is_some());
}

#[test]
fn a_deleted_file_is_followed_by_a_new_one_with_everything_again() {
    let disk = with_lost_file(|file| std::fs::remove_file(file).unwrap());
    has_everything_again(&disk.file("a"));
}

#[test]
fn a_file_that_someone_cut_is_left_alone_and_followed_by_a_new_one() {
    let disk = with_lost_file(|file| cut(file, 50));
    let files = disk.files();
    assert_eq!(files.len(), 2);
    assert_eq!(std::fs::read(&files[0]).unwrap().len(), 50);
    has_everything_again(&files[1]);
}

#[test]
fn a_state_that_is_none_is_refused() {
    let disk = Disk::new();
    let mut plex = disk.plex_with_groups();
    call(&mut plex, 0..1);
    let state = plex.checkpoint().unwrap();
    for length in 0..state.len() {
        let outcome = disk.plex_with_groups().restore(&state[..length]);
        assert!(outcome.is_err(), "state cut at {length}");
    }
}

#[test]
fn two_thousand_clients_have_a_file_each() {
    let disk = Disk::new();
    let clients: Vec<ClientId> = (0..2000).map(|n| id(&format!("agent/{n}"))).collect();
    // The second time is a replay, which goes on where the first time was killed. (There is no checkpoint: two
    // thousand fsyncs take half a minute on a busy disk.)
    for steps in [2, 3] {
        let mut plex = disk.plex();
        for step in 0..steps {
            for client in &clients {
                plex.add_scalar(&at(client), "x", 1.0, Some(step), None).unwrap();
            }
            plex.commit().unwrap();
        }
    }
    let files = disk.files();
    assert_eq!(files.len(), clients.len());
    for file in files {
        let steps: Vec<i64> = values(&file).iter().map(|(event, _)| event.step).collect();
        assert_eq!(steps, [0, 1, 2]);
    }
}
