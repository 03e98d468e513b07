//! Commands that libraries and shells send when they connect.

use std::time::{SystemTime, UNIX_EPOCH};

use redis::Value;

use super::{broker, connect};

#[track_caller]
fn check(line: &str, fits: impl Fn(&Value) -> bool) {
    let broker = broker();
    let mut command = redis::Cmd::new();
    for word in line.split(' ') {
        command.arg(word);
    }
    let reply: Value = command.query(&mut connect(&broker)).unwrap();
    assert!(fits(&reply), "{line}: {reply:?}");
}

#[test]
fn introductions_are_accepted() {
    check("CLIENT SETINFO LIB-NAME x", |reply| *reply == Value::Okay);
    check("CLIENT SETNAME x", |reply| *reply == Value::Okay);
    check("CLIENT ID", |reply| matches!(reply, Value::Int(1)));
    check("CLIENT GETNAME", |reply| *reply == Value::Nil);
    check("COMMAND DOCS", |reply| *reply == Value::Array(Vec::new()));
    check(
        "HELLO 2 SETNAME x",
        |reply| matches!(reply, Value::Array(facts) if facts.len() == 14),
    );
}

#[test]
fn info_tells_version_and_memory() {
    check("INFO", |reply| {
        let Value::BulkString(text) = reply else {
            return false;
        };
        let text = String::from_utf8_lossy(text);
        let lines: Vec<_> = text.lines().collect();
        [
            "redis_version:7.0.15",
            "maxmemory:1073741824",
            "connected_clients:1",
            "used_memory:0",
        ]
        .iter()
        .all(|line| lines.contains(line))
    });
}

#[test]
fn time_is_the_wall_clock() {
    let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    check("TIME", |reply| {
        let (seconds, micros): (u64, u32) = redis::from_redis_value(reply.clone()).unwrap();
        (before..before + 60).contains(&seconds) && micros < 1_000_000
    });
}
