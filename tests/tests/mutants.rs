//! Mutants: the chaos harness finds each of several planted faults. `make mutants` builds
//! everything with the feature `mutants`; in any other build this file is empty.
#![cfg(feature = "mutants")]

use std::process::Command;
use std::time::Duration;

use tensorplex_tests::{BoundedOutput, own_program};

/// Duration of a run, the default of `make chaos`: half with Redis, half with the embedded broker.
const SECONDS: &str = "60";

/// Limit for one run: the schedule, and two deliveries of the rest.
const LIMIT: Duration = Duration::from_secs(1200);

/// Outcome and output of a chaos run with this fault.
fn chaos(mutant: &str) -> (bool, String) {
    let mut command = Command::new(own_program("chaos"));
    let output = command
        .arg(SECONDS)
        .env("REMOTECALL_MUTANT", mutant)
        .output_within(LIMIT);
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stderr),
        String::from_utf8_lossy(&output.stdout)
    );
    println!("{mutant}: {said}");
    (output.status.success(), said)
}

/// Checks that the harness finds the mutant by at least one of `checks`.
fn is_found(mutant: &str, checks: &[&str]) {
    let (passed, said) = chaos(mutant);
    assert!(!passed, "nobody notices {mutant}");
    assert!(
        checks.iter().any(|check| said.contains(&format!("{check:?}: "))),
        "{mutant} is found, but by none of {checks:?}"
    );
}

#[test]
fn no_mutant() {
    assert!(chaos("None").0);
}

#[test]
fn ack_on_xadd() {
    is_found("AckOnXadd", &["lost"]);
}

#[test]
fn saved_cursor() {
    is_found("SavedCursor", &["not delivered", "lost"]);
}

#[test]
fn journal_after_files() {
    is_found("JournalAfterFiles", &["seen bytes changed"]);
}

#[test]
fn ack_before_journal() {
    is_found("AckBeforeJournal", &["lost"]);
}

#[test]
fn truncate_at_recovery() {
    is_found("TruncateAtRecovery", &["seen bytes changed"]);
}

#[test]
fn watermark_not_persisted() {
    is_found("WatermarkNotPersisted", &["doubled"]);
}

#[test]
fn dedupe_by_stream_id() {
    is_found("DedupeByStreamId", &["doubled"]);
}

#[test]
fn new_producer_at_take_over() {
    is_found("NewProducerAtTakeOver", &["doubled", "out of order"]);
}

#[test]
fn accept_gaps() {
    is_found("AcceptGaps", &["lost"]);
}
