//! Failing disks under a real server: nothing is acknowledged, the log names path and cause, and
//! delivery resumes when the disk recovers.

use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use tensorplex::Writer;
use tensorplex_tests::{BoundedOutput, Broker, DEADLINE, SmallDisk, TestServer, program, summary};

/// Timeout of a flush that fails while the disk does not work: 500 ms.
const SOON: Duration = Duration::from_millis(500);

/// Values that compression does not shorten, so that the journal is the first file that needs
/// space.
fn record(log: &Writer, steps: std::ops::Range<i64>) {
    for step in steps {
        log.scalar("loss", (step as f64).sin(), step);
    }
}

/// Checks that both readers show each of `steps` steps once.
#[track_caller]
fn check_steps(server: &TestServer, run: &str, steps: i64) {
    let seen = summary(server.logdir());
    for runs in [&seen.rust, &seen.python] {
        let series = &runs[run]["loss"];
        assert_eq!(
            (series.count, series.first, series.last),
            (steps as u64, Some(0), Some(steps - 1))
        );
        assert!(series.increasing);
    }
}

fn the_server_waits_for_a_full_disk(broker: &Broker) {
    let disk = SmallDisk::new(4 << 20, false);
    let mut server = TestServer::start_on(broker, &disk);
    let log = Writer::connect(server.address(), "agent").unwrap();
    record(&log, 0..1000);
    log.flush(DEADLINE).unwrap();

    disk.fill(16 << 10);
    record(&log, 1000..40_000);
    let outstanding = log.flush(SOON).unwrap_err().outstanding;
    assert!((1..=39_000).contains(&outstanding), "{outstanding}");
    server.wait_for_log(&[
        "cannot write",
        "nothing is acknowledged",
        "No space left",
        ".tensorplex/tensorplex",
    ]);
    assert!(server.is_running());

    disk.make_room();
    log.flush(DEADLINE).unwrap();
    server.wait_for_log(&["is writable again"]);
    check_steps(&server, "agent", 40_000);

    // The bytes of an unfinished write do not hinder the next server.
    disk.fill(16 << 10);
    record(&log, 40_000..60_000);
    log.flush(SOON).unwrap_err();
    server.kill();
    disk.make_room();
    server.restart();
    log.flush(DEADLINE).unwrap();
    check_steps(&server, "agent", 60_000);
    server.stop();
}

#[test]
fn the_server_waits_for_a_full_disk_through_redis() {
    the_server_waits_for_a_full_disk(&Broker::redis());
}

#[test]
fn the_server_waits_for_a_full_disk_through_the_embedded_broker() {
    the_server_waits_for_a_full_disk(&Broker::Embedded);
}

#[test]
fn an_unwritable_directory_is_named_in_the_log() {
    let disk = SmallDisk::new(1 << 20, true);
    let mut command = SmallDisk::enter(disk.namespace(), &program("tensorplex-server"));
    command.args(["--logdir", "/mnt/runs", "--listen", "127.0.0.1:0"]);
    let output = command.output_in_time();
    let says = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(says.contains("/runs: Read-only file system"), "{says}");
}

#[test]
fn a_log_directory_that_is_removed_ends_the_server_and_the_next_one_gets_the_rest() {
    let broker = Broker::redis();
    let mut server = TestServer::start(&broker);
    let log = Writer::connect(server.address(), "agent").unwrap();
    record(&log, 0..10);
    log.flush(DEADLINE).unwrap();
    std::fs::remove_dir_all(server.logdir()).unwrap();
    record(&log, 10..20);
    log.flush(SOON).unwrap_err();
    assert_eq!(server.wait(), Some(1));
    server.wait_for_log(&[
        "was removed while the server wrote it",
        ".rcj",
        "start the server again",
    ]);

    server.restart();
    log.flush(DEADLINE).unwrap();
    let seen = summary(server.logdir());
    let series = &seen.rust["agent"]["loss"];
    assert_eq!(
        (series.count, series.first, series.last),
        (10, Some(10), Some(19))
    );
    server.stop();
}

#[test]
fn a_removed_run_gets_a_new_file_with_the_next_records() {
    let mut server = TestServer::start(&Broker::Embedded);
    let log = Writer::connect(server.address(), "agent").unwrap();
    record(&log, 0..10);
    log.flush(DEADLINE).unwrap();
    std::fs::remove_dir_all(server.logdir().join("agent")).unwrap();
    record(&log, 10..15);
    log.flush(DEADLINE).unwrap();
    record(&log, 15..20);
    log.flush(DEADLINE).unwrap();
    let check = |server: &TestServer, last: i64| {
        let seen = summary(server.logdir());
        for runs in [&seen.rust, &seen.python] {
            let series = &runs["agent"]["loss"];
            assert_eq!(
                (series.count as i64, series.first, series.last),
                (last - 9, Some(10), Some(last))
            );
        }
    };
    check(&server, 19);
    server.wait_for_log(&["was deleted or cut by someone else", "agent/events"]);

    server.kill_and_restart();
    record(&log, 20..30);
    log.flush(DEADLINE).unwrap();
    check(&server, 29);
    server.stop();
}

#[test]
fn the_server_waits_when_too_many_files_are_open() {
    let broker = Broker::redis();
    let mut server = TestServer::start(&broker);
    let log = Writer::connect(server.address(), "agent/0").unwrap();
    record(&log, 0..10);
    log.flush(DEADLINE).unwrap();

    let pid = Pid::from_raw(server.pid() as i32);
    let limit = |files| {
        prlimit(
            pid,
            Resource::Nofile,
            Rlimit {
                current: Some(files),
                maximum: Some(4096),
            },
        )
        .unwrap()
    };
    limit(3);
    let other = log.with_client_id("agent/1").unwrap();
    record(&other, 0..10);
    assert_eq!(log.flush(SOON).unwrap_err().outstanding, 10);
    server.wait_for_log(&["cannot write", "agent/1", "Too many open files"]);

    limit(4096);
    log.flush(DEADLINE).unwrap();
    check_steps(&server, "agent/1", 10);
    server.stop();
}
