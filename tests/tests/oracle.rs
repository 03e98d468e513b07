//! The original Tensorplex as oracle: the calls of `tests/fixtures/capture_original.py`, through a
//! real Redis.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use loggerplex::format::{TextFormat, Zone};
use loggerplex::{Level, Loggerplex, Words};
use remotecall::{OneWay, RemoteCall, ServerHandle};
use serde::Deserialize;
use serde_json::{Map, Value};
use tensorplex::{Scalars, Tensorplex, TensorplexClient};
use tensorplex_tests::{BoundedStop, Broker, DEADLINE, RawFrame, RedisServer, Summary, TestServer, summary};

const TAGS: [&str; 4] = [".my#section/foo", ":my.section/bar", "cos", "/abs"];
/// Runs and tags of groups that the command line can express.
const CLIENTS: [&str; 4] = ["learner/lr", "agent/0", "agent/9", "individ/3"];
/// Runs and tags of the group whose bins a function names.
const COMBINED: [&str; 2] = ["eval/red", "eval/A"];

/// Calls of the original's clients.
fn call(address: &str, clients: &[&str]) {
    for &client in clients {
        let client: TensorplexClient<OneWay> = TensorplexClient::connect(address, tensorplex::QUEUE, client)
            .unwrap()
            .one_way();
        for (step, tag) in (0..).zip(TAGS) {
            client.add_scalar(tag, step as f64 / 2.0, Some(step), None);
        }
        let scalars = Scalars::from([("yo", 1.0), (":yo", 2.0), (":yo.yo", 3.0)]);
        client.add_scalars(&scalars, Some(7), None);
        client.flush(DEADLINE).unwrap();
    }
}

type Pairs = BTreeSet<(String, String)>;

fn original() -> Pairs {
    let pairs: Vec<(String, String)> =
        serde_json::from_str(include_str!("../fixtures/original_runs.json")).unwrap();
    assert_eq!(pairs.len(), 44);
    pairs.into_iter().map(mended).collect()
}

/// Corrects a defect of the original: by its documentation the bin `:color` is a section,
/// `eval.color`, but it wrote a bin called `_color`.
fn mended((run, tag): (String, String)) -> (String, String) {
    let defect = tag
        .strip_prefix("eval")
        .and_then(|tag| tag.strip_suffix("/_color"));
    match defect {
        Some(rest) => (run, format!("eval.color{rest}")),
        None => (run, tag),
    }
}

/// Checks that both readers show exactly these runs and tags.
#[track_caller]
fn check(seen: &Summary, expected: &Pairs) {
    for (reader, runs) in [("Rust", &seen.rust), ("Python", &seen.python)] {
        let pairs = runs
            .iter()
            .flat_map(|(run, tags)| tags.keys().map(|tag| (run.clone(), tag.clone())));
        assert_eq!(pairs.collect::<Pairs>(), *expected, "{reader} reader");
    }
}

#[test]
fn the_server_program_has_the_originals_runs_and_tags() {
    let broker = Broker::redis();
    let server = TestServer::start_with(&broker, &["learner", "agent:8", "individ:1"], None);
    call(server.address(), &CLIENTS);
    let mut expected = original();
    expected.retain(|(run, _)| !run.starts_with("eval/"));
    check(&summary(server.logdir()), &expected);
}

#[test]
fn with_a_combined_group_all_runs_and_tags_are_the_originals() {
    let redis = RedisServer::start();
    let dir = tempfile::tempdir().unwrap();
    let (logdir, private) = (dir.path().join("runs"), dir.path().join("private"));
    let color = |name: &str| if name == "red" { ":color" } else { "alpha" }.to_owned();
    let eight = NonZeroU32::new(8).unwrap();
    let plex = Tensorplex::open(&logdir, &private)
        .and_then(|plex| plex.normal_group("learner").map_err(std::io::Error::other))
        .and_then(|plex| {
            plex.combined_group("eval", Box::new(color))
                .map_err(std::io::Error::other)
        })
        .and_then(|plex| plex.indexed_group("agent", eight).map_err(std::io::Error::other))
        .and_then(|plex| {
            plex.indexed_group("individ", NonZeroU32::MIN)
                .map_err(std::io::Error::other)
        });
    let server = RemoteCall::new(plex.unwrap())
        .queue(tensorplex::QUEUE)
        .durable(&private)
        .start(&redis.address())
        .unwrap();
    call(&redis.address(), &CLIENTS);
    call(&redis.address(), &COMBINED);
    let last = TensorplexClient::connect(&redis.address(), tensorplex::QUEUE, "eval/A").unwrap();
    let text = last.add_text("note", "hello", Some(3), None);
    let histogram = last.add_histogram("h", &[1.0, 2.0, 3.0], Some(4), None);
    text.get_timeout(DEADLINE).unwrap().expect("an answer in time");
    histogram
        .get_timeout(DEADLINE)
        .unwrap()
        .expect("an answer in time");

    let seen = summary(&logdir);
    check(&seen, &original());
    assert_eq!(seen.rust["eval/A"]["eval/h/alpha"].plugin, "histograms");
    assert_eq!(seen.rust["eval/A"]["eval/note/alpha/text_summary"].plugin, "text");
    assert_eq!(server.stats().refused, Default::default());
    server.stop_in_time().unwrap();
}

/// A call of the original's logger, and the text that it added to the file.
#[derive(Deserialize)]
struct LogCall {
    setup: Map<String, Value>,
    time: f64,
    method: String,
    args: Vec<Value>,
    kwargs: Map<String, Value>,
    text: String,
}

#[test]
fn log_lines_are_those_of_the_original() {
    let calls: Vec<LogCall> = serde_json::from_str(include_str!("../fixtures/original_log.json")).unwrap();
    let redis = RedisServer::start();
    let setups: Vec<&[LogCall]> = calls.chunk_by(|a, b| a.setup == b.setup).collect();
    assert_eq!(setups.len(), 5);
    let mut all = String::new();
    for (calls, producer) in setups.iter().zip(1..) {
        let dir = tempfile::tempdir().unwrap();
        let server = serve(&redis, dir.path(), &calls[0].setup);
        let mut frame = RawFrame::new([producer; 16], 1, 0);
        for call in *calls {
            add(&mut frame, call);
        }
        let mut connection = redis.connection();
        frame.send(&mut connection, loggerplex::QUEUE);
        frame.wait_for_ack(&mut connection, loggerplex::QUEUE);
        assert_eq!(server.stats().refused, Default::default());
        server.stop_in_time().unwrap();
        let written = std::fs::read_to_string(dir.path().join("logs/agent.log")).unwrap();
        let expected: String = calls.iter().map(|call| marked(&call.text)).collect();
        assert_eq!(written, expected, "{:?}", calls[0].setup);
        all += &written;
    }
    assert_eq!(
        all.replace("\n    | ", "\n"),
        include_str!("../fixtures/original_log.txt")
    );
}

/// Marks the further lines of a message as this server does, so that no message can forge an entry.
fn marked(text: &str) -> String {
    match text.strip_suffix('\n') {
        Some(lines) => lines.replace('\n', "\n    | ") + "\n",
        None => text.to_owned(),
    }
}

fn serve(redis: &RedisServer, dir: &std::path::Path, setup: &Map<String, Value>) -> ServerHandle {
    let private = dir.join("private");
    let text = |name: &str| setup.get(name).and_then(Value::as_str);
    let mut lines = TextFormat::default().zone(Zone::Utc);
    lines = lines.show_level(setup.get("show_level") != Some(&Value::Bool(false)));
    if setup.contains_key("time_format") {
        lines = lines.time(text("time_format").map(|format| format.parse().unwrap()));
    }
    if let Some(format) = text("format") {
        lines = lines.preamble(format.parse().unwrap());
    }
    let logs = Loggerplex::open(&dir.join("logs"), &private)
        .unwrap()
        .level(setup["level"].as_str().unwrap().parse().unwrap())
        .lines(lines);
    RemoteCall::new(logs)
        .queue(loggerplex::QUEUE)
        .durable(&private)
        .start(&redis.address())
        .unwrap()
}

/// Makes the call through this project's client, which formats the message; the server knows text
/// only.
fn add(frame: &mut RawFrame, call: &LogCall) {
    let time_ns = (call.time * 1e9) as i64;
    let named = |name: &str| call.kwargs.get(name);
    let mut add = |method: &str, args: &dyn ErasedArgs| args.add(frame, time_ns, method);
    match call.method.as_str() {
        "debug" | "info" | "warning" | "error" | "critical" => add(&call.method, &(printed(call, 0),)),
        "section" => {
            let sep = named("sep").map_or("=", |sep| sep.as_str().unwrap());
            let repeat = named("repeat").map_or(20, |repeat| repeat.as_u64().unwrap());
            add("section", &(printed(call, 0), 20, sep, repeat));
        }
        "warningsection" => add("section", &(printed(call, 0), 30)),
        "exception" => {
            // The worker sends the text of its traceback.
            let (_, traceback) = call.text.split_once('\n').unwrap();
            add("exception", &(printed(call, 0), traceback.replace("ERROR> ", "")));
        }
        "log" => add("log", &(call.args[0].as_u64().unwrap(), printed(call, 1))),
        "logfmt" => add("log", &(call.args[0].as_u64().unwrap(), formatted(call, 1))),
        name => match name.strip_suffix("fmt") {
            Some(level) => add("log", &(level.parse::<Level>().unwrap(), formatted(call, 0))),
            None => add("log", &(name.parse::<Level>().unwrap(), printed(call, 0))),
        },
    }
}

/// Message in the style of `print`.
fn printed(call: &LogCall, from: usize) -> String {
    let sep = call.kwargs.get("sep").and_then(Value::as_str);
    let sep = sep.filter(|_| call.method == "info").unwrap_or(" ");
    words(call, from).sep(sep.to_owned()).to_string()
}

fn formatted(call: &LogCall, from: usize) -> String {
    let template = call.args[from].as_str().unwrap();
    words(call, from + 1).format(template).unwrap()
}

fn words(call: &LogCall, from: usize) -> Words {
    let mut words = Words::default();
    for arg in &call.args[from..] {
        words.push(value(arg));
    }
    for (name, arg) in &call.kwargs {
        words.push_named(name.clone(), value(arg));
    }
    words
}

fn value(json: &Value) -> loggerplex::message::Value {
    match json {
        Value::Null => None::<bool>.into(),
        Value::Bool(truth) => (*truth).into(),
        Value::Number(n) => match n.as_i64() {
            Some(n) => n.into(),
            None => n.as_f64().unwrap().into(),
        },
        Value::String(text) => text.clone().into(),
        Value::Array(items) => loggerplex::message::Value::List(items.iter().map(value).collect()),
        Value::Object(map) => loggerplex::message::Value::Map(
            map.iter().map(|(key, item)| (key.clone(), value(item))).collect(),
        ),
    }
}

/// Arguments of any type.
trait ErasedArgs {
    fn add(&self, frame: &mut RawFrame, time_ns: i64, method: &str);
}

impl<T: serde::Serialize> ErasedArgs for T {
    fn add(&self, frame: &mut RawFrame, time_ns: i64, method: &str) {
        frame.call_at(time_ns, 0, "agent", method, self);
    }
}
