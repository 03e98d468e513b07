//! Redis access control: users with the rights in docs/reference/security.md, and no others.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use loggerplex::Logger;
use redis::Value;
use remotecall::{BrokerWatch, Client, RemoteCall, remote};
use tensorplex::Writer;
use tensorplex_tests::{
    BoundedGet, BoundedOutput, BoundedStop, BrokerAddress, DEADLINE, RedisServer, TestServer, program,
    summary, wait_for,
};

/// Rights of a role in docs/reference/security.md, without the user's name.
fn rights(role: &str) -> Vec<String> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/security.md");
    let text = std::fs::read_to_string(docs).unwrap();
    let begin = format!("ACL SETUSER {role} ");
    let (_, block) = text
        .split_once(&begin)
        .unwrap_or_else(|| panic!("docs/reference/security.md has nothing for {role}"));
    let (block, _) = block.split_once("```").unwrap();
    let words = block.split_whitespace();
    words.map(|word| word.replace(">PASSWORD", ">pw")).collect()
}

/// Redis commands of a role.
fn commands(role: &str) -> Vec<String> {
    let words = rights(role).into_iter();
    words
        .filter_map(|word| word.strip_prefix('+').map(str::to_owned))
        .collect()
}

/// Creates a user with a role, if asked without one of its rights.
fn set_user(redis: &RedisServer, name: &str, role: &str, without: Option<&str>) {
    let rights = rights(role);
    let mut words = vec!["ACL", "SETUSER", name];
    words.extend(rights.iter().map(String::as_str));
    words.retain(|word| Some(*word) != without);
    redis.command(&words);
}

fn address(redis: &RedisServer, user: &str) -> String {
    format!("{}?user={user}&pass=pw", redis.address())
}

/// Entries of the ACL log so far.
fn refusals(redis: &RedisServer) -> Vec<String> {
    let Value::Array(list) = redis.command(&["ACL", "LOG"]) else {
        panic!("no list")
    };
    list.iter().map(|entry| format!("{entry:?}")).collect()
}

#[derive(Default)]
struct Counter(i64);

#[remote]
impl Counter {
    pub fn add(&mut self, delta: i64) -> i64 {
        self.0 += delta;
        self.0
    }
}

#[test]
fn each_role_needs_exactly_the_documented_rights() {
    let redis = RedisServer::start();
    for role in ["worker", "server", "reader"] {
        set_user(&redis, role, role, None);
    }
    let [worker, server, reader] = ["worker", "server", "reader"].map(|role| address(&redis, role));
    let mut serving = TestServer::start_at(BrokerAddress::Redis(server.clone()));
    let record = |step| {
        let recorder = Writer::connect(&worker, "agent/0").unwrap();
        recorder.scalar("loss", 0.5, step);
        recorder.flush(DEADLINE).unwrap();
    };
    record(0);
    let lines = Logger::connect(&worker, "agent/0").unwrap();
    lines.info("hello");
    lines.flush(DEADLINE).unwrap();
    let client = Client::connect(&worker, "tensorplex", "agent/1").unwrap();
    let wrong = client.check("add_scalar", &("loss",), &BTreeMap::<String, i64>::new());
    assert!(wrong.get_in_time().is_err(), "an error travels back");
    let backlog = BrokerWatch::new(&reader).unwrap().look("tensorplex").unwrap();
    assert!(backlog.server.is_some(), "{backlog:?}");
    serving.kill_and_restart();
    record(1);
    serving.stop();
    assert_eq!(summary(serving.logdir()).rust["agent/0"]["loss"].count, 2);

    // A user's own object, whose calls return results.
    let counter = RemoteCall::new(Counter::default()).queue("tensorplex");
    let counter = counter.start(&server).unwrap();
    let adding = CounterClient::connect(&worker, "tensorplex", "agent/2").unwrap();
    assert_eq!(adding.add(2).get_in_time(), Ok(2));
    counter.stop_in_time().unwrap();
    assert_eq!(refusals(&redis), [""; 0]);
}

/// Sends one line as a user without a right; returns the program's standard error.
fn send_without(redis: &RedisServer, right: &str) -> String {
    let user = format!("without{}", right.trim_start_matches('+'));
    set_user(redis, &user, "worker", Some(right));
    let mut command = Command::new(program("tensorplex"));
    command.args(["send", "--timeout", "2s", "--redis", &address(redis, &user)]);
    command
        .env_remove("RUST_LOG")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let line = "{\"method\":\"add_scalar\",\"args\":[\"loss\",0.5,1]}\n";
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), line.as_bytes()).unwrap();
    let output = child.output_in_time();
    String::from_utf8(output.stderr).unwrap()
}

#[track_caller]
fn names(said: &str, command: &str, role: &str) {
    let (refused, told) = (
        format!("refuses {}", command.to_uppercase()),
        format!("'{command}' command"),
    );
    let found = said.lines().any(|line| {
        (line.contains(&refused) || line.contains(&told))
            && line.contains("NOPERM")
            && line.contains(&format!("a {role} needs this right: grant it with ACL SETUSER"))
    });
    assert!(found, "without {command}: {said}");
}

#[test]
fn a_worker_without_a_right_names_it() {
    let redis = RedisServer::start();
    let _server = TestServer::start_at(BrokerAddress::Redis(redis.address()));
    let send = |right: &str| send_without(&redis, right);
    std::thread::scope(|scope| {
        let sent: Vec<_> = commands("worker")
            .into_iter()
            .map(|command| {
                let right = format!("+{command}");
                (command, scope.spawn(move || send(&right)))
            })
            .collect();
        assert_eq!(sent.len(), 6);
        for (command, said) in sent {
            names(&said.join().unwrap(), &command, "worker");
        }
    });
    names(&send("%R~rc:{tensorplex.0}:ack"), "hget", "worker");
}

#[test]
fn a_server_without_a_right_names_it() {
    let commands = commands("server");
    assert_eq!(commands.len(), 13);
    for command in commands {
        let redis = RedisServer::start();
        set_user(&redis, "server", "server", Some(&format!("+{command}")));
        let mut server = TestServer::start_at(BrokerAddress::Redis(address(&redis, "server")));
        let client = Client::connect(&redis.address(), "tensorplex", "agent/0").unwrap();
        let wrong = client.check("no_such_method", &[0; 0], &BTreeMap::<String, i64>::new());
        match command.as_str() {
            // The server deletes a key at its end.
            "del" => {
                let _ = wrong.get_in_time();
                server.stop();
            }
            // The server deletes the fields of a client that closes with every acknowledgement.
            "hdel" => {
                let _ = wrong.get_in_time();
                client.close(DEADLINE).unwrap();
            }
            _ => {}
        }
        wait_for(&format!("the server to miss {command}"), || {
            server.log().contains("NOPERM").then_some(())
        });
        names(&server.log(), &command, "server");
        let _ = client.close(Duration::ZERO);
    }
}

#[test]
fn a_reader_without_a_right_names_it() {
    let redis = RedisServer::start();
    for command in commands("reader") {
        set_user(&redis, "reader", "reader", Some(&format!("+{command}")));
        let mut watch = BrokerWatch::new(&address(&redis, "reader")).unwrap();
        let error = watch.look("tensorplex").unwrap_err().to_string();
        names(&error, &command, "reader");
        redis.command(&["ACL", "DELUSER", "reader"]);
    }
}

/// The password changes under a worker and a server that read it from files.
#[test]
fn a_changed_password_is_read_from_its_file() {
    let redis = RedisServer::start();
    let dir = tempfile::tempdir().unwrap();
    let password = |role: &str, password: &str| std::fs::write(dir.path().join(role), password).unwrap();
    let address_of = |role: &str| {
        password(role, "pw\n");
        set_user(&redis, role, role, None);
        let file = dir.path().join(role);
        format!("{}?user={role}&password_file={}", redis.address(), file.display())
    };
    let mut server = TestServer::start_at(BrokerAddress::Redis(address_of("server")));
    let recorder = Writer::connect(&address_of("worker"), "agent/0").unwrap();
    recorder.scalar("loss", 0.5, 0);
    recorder.flush(DEADLINE).unwrap();
    for role in ["server", "worker"] {
        redis.command(&["ACL", "SETUSER", role, "resetpass", ">other"]);
        redis.command(&["CLIENT", "KILL", "USER", role]);
    }
    recorder.scalar("loss", 0.5, 1);
    server.wait_for_log(&["broker is away", "WRONGPASS", "TENSORPLEX_PASSWORD_FILE"]);
    wait_for("the worker to be turned away", || {
        refusals(&redis)
            .iter()
            .any(|entry| entry.contains("\"worker\""))
            .then_some(())
    });
    let held = recorder.flush(Duration::from_millis(100)).unwrap_err();
    assert_eq!((held.outstanding, held.dropped), (1, 0));
    password("server", "other");
    password("worker", "other");
    recorder.flush(DEADLINE).unwrap();
    server.wait_for_log(&["broker is back"]);
    server.stop();
    assert_eq!(summary(server.logdir()).rust["agent/0"]["loss"].count, 2);
}
