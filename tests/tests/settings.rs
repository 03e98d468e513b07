//! Groups may change between two starts, unless calls in the journal would be replayed.

use std::process::Command;

use remotecall::Client;
use tensorplex_tests::{BoundedOutput, Broker, DEADLINE, TestServer, program, summary};

#[test]
fn a_server_with_other_groups_does_not_rewrite_files() {
    let broker = Broker::redis();
    let mut server = TestServer::start_with(&broker, &["agent:8"], None);
    let client = Client::connect(server.address(), "tensorplex", "agent/9").unwrap();
    client.send("add_scalar", &("value", 1.0, Some(0)));
    client.flush(DEADLINE).unwrap();
    server.kill();

    let mut other = Command::new(program("tensorplex-server"));
    other.arg("--logdir").arg(server.logdir());
    let output = other
        .args(["--redis", server.address(), "--group", "agent"])
        .output_in_time();
    let refusal = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(
        refusal.contains("accepted with --group agent:8: start once")
            && refusal.contains("--accept-new-groups"),
        "{refusal}"
    );

    server.restart();
    server.stop();
    server.set_groups(&["agent"]);
    server.restart();
    server.stop();
}

#[test]
fn new_groups_are_accepted_after_the_records_of_the_old_ones_are_written() {
    let broker = Broker::redis();
    let mut server = TestServer::start_with(&broker, &["agent:8"], None);
    let client = Client::connect(server.address(), "tensorplex", "agent/9").unwrap();
    client.send("add_scalar", &("value", 1.0, Some(0)));
    client.flush(DEADLINE).unwrap();
    server.kill();
    let before = summary(server.logdir()).rust;

    server.set_options(&["--group", "agent", "--accept-new-groups"]);
    server.restart();
    assert_eq!(summary(server.logdir()).rust, before, "no record moved");
    client.send("add_scalar", &("value", 1.0, Some(1)));
    client.flush(DEADLINE).unwrap();
    server.stop();
    let runs = summary(server.logdir()).rust;
    let tags: Vec<_> = runs
        .iter()
        .flat_map(|(run, tags)| tags.keys().map(move |tag| (run.as_str(), tag.as_str())))
        .collect();
    assert_eq!(tags, [("agent", "9/value"), ("agent/9", "agent/value/8-15")]);
}
