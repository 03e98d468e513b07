//! The Rust lines of the README, with a server at the address.

use std::time::Duration;

use tensorplex::Writer;
use tensorplex_tests::{Broker, TestServer, dump};

#[test]
fn the_rust_lines_of_the_readme_work() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md")).unwrap();
    let block = text
        .split("```rust\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .unwrap();
    // The next lines are that block, with another address and fewer steps. Keep both the same.
    let words = |line: &str| {
        line.split("//")
            .next()
            .unwrap()
            .split_whitespace()
            .collect::<String>()
    };
    let block: Vec<String> = block.lines().map(words).filter(|line| !line.is_empty()).collect();
    let here: Vec<String> = include_str!("readme.rs").lines().map(words).collect();
    for line in &block {
        let line = line
            .replace("\"127.0.0.1:8008\"", "server.address()")
            .replace("0..1000", "0..10")
            .replace('?', ".unwrap()");
        assert!(
            here.contains(&line),
            "the README has a line that is not tried here: {line}"
        );
    }

    let mut server = TestServer::start(&Broker::Embedded);
    let log = Writer::connect(server.address(), "agent/17").unwrap();
    for step in 0..10 {
        log.scalar("loss", 1.0 / (1.0 + step as f64), step);
        log.histogram("weights", &[0.1, 0.2, 0.4], step);
    }
    log.text("about", "a run of **agent 17**", 0);
    log.flush(Duration::from_secs(10)).unwrap();
    let seen = dump(server.logdir());
    for reader in ["rust", "python"] {
        let tags = &seen[reader]["agent/17"];
        assert_eq!(
            tags["loss"]["points"].as_array().unwrap().len(),
            10,
            "{reader}: {seen}"
        );
        assert_eq!(
            tags["weights"]["points"].as_array().unwrap().len(),
            10,
            "{reader}: {seen}"
        );
        assert_eq!(
            tags["about/text_summary"]["points"][0][1][0], "a run of **agent 17**",
            "{reader}"
        );
    }
    server.stop();
}
