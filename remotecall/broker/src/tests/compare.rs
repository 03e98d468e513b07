//! Comparison of the replies of a real Redis 7 and the embedded broker.
//!
//! A script has one command per line. `"…"` quotes a word; `\r` and `\n` work anywhere. A mark
//! before a line selects the comparison of the replies:
//!
//! ```text
//! (none)    equal
//! sorted:   equal in any order
//! pairs:    equal as pairs in any order
//! id:       both are stream ids
//! near:     numbers that differ by at most 2000
//! error:    both are errors, of any text
//! info:     pairs of the broker are among those of Redis
//! ```

use redis::Value;

use super::real_redis::RedisServer;
use super::{broker, connect};

fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let (word, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap(),
            None => rest.split_once(' ').unwrap_or((rest, "")),
        };
        words.push(word.replace("\\r", "\r").replace("\\n", "\n"));
        rest = after.trim_start();
    }
    words
}

fn ask(connection: &mut redis::Connection, line: &str) -> Value {
    let mut command = redis::Cmd::new();
    for word in words(line) {
        command.arg(word);
    }
    connection
        .send_packed_command(&command.get_packed_command())
        .unwrap();
    // An error reply is a value here, so that its text is compared.
    match connection.recv_response() {
        Ok(value) => value,
        Err(error) => panic!("{line}: {error}"),
    }
}

fn items(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items.clone(),
        other => panic!("not an array: {other:?}"),
    }
}

fn sorted<T: std::fmt::Debug>(mut items: Vec<T>) -> String {
    items.sort_by_key(|item| format!("{item:?}"));
    format!("{items:?}")
}

fn pairs(value: &Value) -> Vec<(Value, Value)> {
    items(value)
        .chunks_exact(2)
        .map(|pair| (pair[0].clone(), pair[1].clone()))
        .collect()
}

fn is_id(value: &Value) -> bool {
    let Value::BulkString(text) = value else {
        return false;
    };
    let text = String::from_utf8_lossy(text);
    text.split_once('-')
        .is_some_and(|(ms, seq)| ms.parse::<u64>().is_ok() && seq.parse::<u64>().is_ok())
}

#[track_caller]
fn compare(mark: &str, line: &str, ours: &Value, theirs: &Value) {
    let same = match mark {
        "sorted" => sorted(items(ours)) == sorted(items(theirs)),
        "pairs" => sorted(pairs(ours)) == sorted(pairs(theirs)),
        "id" => is_id(ours) && is_id(theirs),
        "near" => match (ours, theirs) {
            (Value::Int(ours), Value::Int(theirs)) => ours.abs_diff(*theirs) <= 2000,
            _ => false,
        },
        "error" => [ours, theirs]
            .iter()
            .all(|reply| matches!(reply, Value::ServerError(_))),
        "info" => {
            let theirs = pairs(theirs);
            pairs(ours).iter().all(|fact| theirs.contains(fact)) && pairs(ours).len() == theirs.len() - 2
        }
        _ => ours == theirs,
    };
    assert!(same, "{line}\n  broker {ours:?}\n  Redis  {theirs:?}");
}

/// Runs a script on two servers without data.
#[track_caller]
pub(super) fn check(script: &str) {
    let (broker, redis) = (broker(), RedisServer::start());
    let mut ours = connect(&broker);
    let mut theirs = redis.connect();
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (mark, command) = match line.split_once(": ") {
            Some((mark, command)) if mark.chars().all(char::is_alphabetic) => (mark, command),
            _ => ("", line),
        };
        let ours = ask(&mut ours, command);
        let theirs = ask(&mut theirs, command);
        compare(mark, line, &ours, &theirs);
    }
}
