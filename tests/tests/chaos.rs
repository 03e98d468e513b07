//! One minute of the chaos harness; `make chaos SECONDS=600 SEED=…` runs it longer.

use std::time::Duration;

use tensorplex_tests::Rng;
use tensorplex_tests::chaos::{Plan, run};

fn nothing_is_lost_and_nothing_is_duplicated(has_redis: bool) {
    let report = run(Plan::new(Rng::seed(), Duration::from_secs(30), has_redis));
    eprintln!("{report}");
    assert!(report.faults.is_empty(), "see above");
}

#[test]
fn through_redis() {
    nothing_is_lost_and_nothing_is_duplicated(true);
}

#[test]
fn through_the_embedded_broker() {
    nothing_is_lost_and_nothing_is_duplicated(false);
}
