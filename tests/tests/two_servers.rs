//! One server per queue and per directory: the second server names the holder of the lease or lock.

use std::io;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use remotecall::{Args, CallContext, CallError, Client, Durable, Remote, RemoteCall};
use tensorplex::Writer;
use tensorplex_tests::{
    BoundedOutput, BoundedStop, Broker, BrokerAddress, DEADLINE, RedisServer, TestServer, program, summary,
    wait_for,
};

/// Standard error of a server that does not start.
fn refused(redis: &RedisServer, logdir: &std::path::Path) -> String {
    let mut command = Command::new(program("tensorplex-server"));
    command.arg("--logdir").arg(logdir);
    command.args(["--redis", &redis.address()]).stdout(Stdio::null());
    let output = command.output_in_time();
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stderr).unwrap()
}

#[track_caller]
fn says_who(text: &str, pid: u32) {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let who = format!("pid {pid} on {host}, since 2");
    assert!(text.contains(&who), "{who}: {text}");
}

#[test]
fn two_servers_share_a_redis_with_a_queue_each() {
    let broker = Broker::redis();
    let Broker::Redis(redis) = &broker else {
        unreachable!()
    };
    let at = |queue: &str| format!("{}?queue={queue}", redis.address());
    let mut servers = ["a", "b"].map(|queue| TestServer::start_with_options(&broker, &["--queue", queue]));
    for (step, queue) in ["a", "b"].iter().enumerate() {
        let writer = Writer::connect(&at(queue), "agent/0").unwrap();
        writer.scalar("loss", 0.5, step as i64);
        writer.flush(DEADLINE).unwrap();
    }
    for (step, server) in servers.iter_mut().enumerate() {
        server.stop();
        let loss = &summary(server.logdir()).rust["agent/0"]["loss"];
        assert_eq!((loss.count, loss.last), (1, Some(step as i64)));
    }
    for key in ["rc:{tensorplex.0}:lease", "rc:{tensorplex.0}:in"] {
        assert_eq!(redis.command(&["EXISTS", key]), redis::Value::Int(0), "{key}");
    }
}

#[test]
fn a_second_server_names_the_first_and_takes_over_after_its_death() {
    let redis = RedisServer::start();
    let mut first = TestServer::start_at(BrokerAddress::Redis(redis.address()));
    wait_for("the lease", || {
        let lease = redis.command(&["EXISTS", "rc:{tensorplex.0}:lease"]);
        (lease == redis::Value::Int(1)).then_some(())
    });
    let recorder = Writer::connect(&redis.address(), "agent/0").unwrap();
    recorder.scalar("loss", 0.5, 0);
    recorder.flush(DEADLINE).unwrap();

    let pid = first.pid();
    let same = refused(&redis, first.logdir());
    assert!(same.contains("is in use by another server"), "{same}");
    says_who(&same, pid);
    let dir = tempfile::tempdir().unwrap();
    let other = refused(&redis, dir.path());
    assert!(other.contains("held by the server at"), "{other}");
    assert!(
        other.contains("--queue NAME gives this server queues of its own"),
        "{other}"
    );
    says_who(&other, pid);

    first.kill();
    let mut second = TestServer::start_at(BrokerAddress::Redis(redis.address()));
    recorder.scalar("loss", 0.5, 1);
    recorder.flush(DEADLINE).unwrap();
    second.stop();
    for (server, step) in [(&first, 0), (&second, 1)] {
        let loss = &summary(server.logdir()).rust["agent/0"]["loss"];
        assert_eq!((loss.count, loss.last), (1, Some(step)));
    }
}

/// Object whose commits fail, as on a full disk, until the test ends that.
struct Stuck(Arc<AtomicBool>);

impl Remote for Stuck {
    fn method(&self, name: &str) -> Option<usize> {
        (name == "put").then_some(0)
    }

    fn call(
        &mut self,
        _: &CallContext<'_>,
        _: usize,
        _: &Args<'_>,
        result: &mut Vec<u8>,
    ) -> Result<(), CallError> {
        result.push(0xc0);
        Ok(())
    }
}

impl Durable for Stuck {
    fn commit(&mut self) -> io::Result<()> {
        match self.0.load(Relaxed) {
            true => Err(io::Error::other("no space left")),
            false => Ok(()),
        }
    }

    fn checkpoint(&mut self) -> io::Result<Vec<u8>> {
        Ok(Vec::new())
    }

    fn restore(&mut self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }
}

/// A server that waits for its disk keeps its lease, because it will acknowledge its frames later.
#[test]
fn a_server_that_waits_for_its_disk_keeps_its_queue() {
    let redis = RedisServer::start();
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let is_full = Arc::new(AtomicBool::new(false));
    let start = |dir: &tempfile::TempDir, is_full: &Arc<AtomicBool>| {
        let server = RemoteCall::new(Stuck(is_full.clone())).durable(dir.path());
        server.start(&redis.address()).unwrap()
    };
    let first = start(&dirs[0], &is_full);
    let client = Client::connect(&redis.address(), "remotecall", "c").unwrap();
    client.send("put", &[0; 0]);
    client.flush(DEADLINE).unwrap();
    is_full.store(true, Relaxed);
    client.send("put", &[0; 0]);
    wait_for("the call to arrive", || (first.stats().calls == 2).then_some(()));
    let second = start(&dirs[1], &Arc::default());
    wait_for("the second to give up", || second.has_ended().then_some(()));
    let error = second.stop_in_time().unwrap_err().to_string();
    assert!(error.contains("held by the server at"), "{error}");
    client.flush(Duration::from_millis(10)).unwrap_err();
    is_full.store(false, Relaxed);
    client.flush(DEADLINE).unwrap();
    first.stop_in_time().unwrap();
}
