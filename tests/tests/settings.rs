//! Groups may change between two starts, unless calls in the journal would be replayed.

use std::process::Command;

use remotecall::Client;
use tensorplex_tests::{BoundedOutput, Broker, DEADLINE, TestServer, program};

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
        refusal.contains("[agent Indexed(8)]") && refusal.contains("[agent Normal]"),
        "{refusal}"
    );

    server.restart();
    server.stop();
    server.set_groups(&["agent"]);
    server.restart();
    server.stop();
}
