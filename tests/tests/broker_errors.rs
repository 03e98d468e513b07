//! A broker that answers with errors: calls wait, nothing acknowledged is lost, and delivery
//! resumes by itself.
//!
//! Each error comes from a real redis-server.

use std::time::Duration;

use redis::Value;
use tensorplex::Writer;
use tensorplex_tests::{BrokerAddress, DEADLINE, RedisServer, TestServer, summary, wait_for};

/// A server, and a worker that has recorded step 0.
struct Setup {
    server: TestServer,
    recorder: Writer,
}

impl Setup {
    fn start(address: &str) -> Self {
        let server = TestServer::start_at(BrokerAddress::Redis(address.to_owned()));
        let setup = Self {
            server,
            recorder: Writer::connect(address, "agent/0").unwrap(),
        };
        setup.record(0);
        setup
    }

    fn record(&self, step: i64) {
        self.recorder.scalar("loss", 0.5, step);
    }

    fn flush(&self) {
        self.recorder.flush(DEADLINE).unwrap();
    }

    /// Records a step that stays in the send window for now.
    #[track_caller]
    fn keeps(&self, step: i64) {
        self.record(step);
        self.holds();
    }

    /// Checks that exactly one record is outstanding.
    #[track_caller]
    fn holds(&self) {
        let held = self.recorder.flush(Duration::from_millis(300)).unwrap_err();
        assert_eq!((held.outstanding, held.dropped), (1, 0));
    }

    #[track_caller]
    fn has_recorded(mut self, count: u64) {
        self.flush();
        self.server.stop();
        let loss = &summary(self.server.logdir()).rust["agent/0"]["loss"];
        assert_eq!((loss.count, loss.increasing), (count, true));
    }
}

#[test]
fn out_of_memory() {
    let redis = RedisServer::start();
    let setup = Setup::start(&redis.address());
    setup.flush();
    redis.command(&["CONFIG", "SET", "maxmemory", "1"]);
    setup.keeps(1);
    redis.command(&["CONFIG", "SET", "maxmemory", "0"]);
    setup.flush();
    // Redis is full while a server starts and finds a frame: the server must trim the stream before
    // it can acknowledge.
    let Setup { mut server, recorder } = setup;
    server.kill();
    recorder.scalar("loss", 0.5, 2);
    wait_for("the frame", || {
        (redis.command(&["XLEN", "rc:{tensorplex.0}:in"]) == Value::Int(1)).then_some(())
    });
    redis.command(&["CONFIG", "SET", "maxmemory", "1"]);
    server.restart();
    server.wait_for_log(&["the broker refuses HSET", "OOM"]);
    wait_for("room to be made", || {
        (redis.command(&["XLEN", "rc:{tensorplex.0}:in"]) == Value::Int(0)).then_some(())
    });
    redis.command(&["CONFIG", "SET", "maxmemory", "0"]);
    Setup { server, recorder }.has_recorded(3);
}

#[test]
fn read_only() {
    let redis = RedisServer::start();
    let setup = Setup::start(&redis.address());
    setup.flush();
    redis.command(&["REPLICAOF", "127.0.0.1", "1"]);
    setup.keeps(1);
    setup.server.wait_for_log(&["the broker refuses", "READONLY"]);
    redis.command(&["REPLICAOF", "NO", "ONE"]);
    setup.has_recorded(2);
}

#[test]
fn a_failed_save() {
    let redis = RedisServer::start();
    let setup = Setup::start(&redis.address());
    setup.flush();
    let save = |status: &str| {
        wait_for("a save to end", || {
            let mut connection = redis.connection();
            // Redis refuses it while another save runs.
            let _ = redis::cmd("BGSAVE").exec(&mut connection);
            let info: String = redis::cmd("INFO")
                .arg("persistence")
                .query(&mut connection)
                .unwrap();
            info.contains(&format!("rdb_last_bgsave_status:{status}"))
                .then_some(())
        });
    };
    redis.command(&["CONFIG", "SET", "save", "3600 1"]);
    redis.fail_saves();
    save("err");
    setup.keeps(1);
    setup.server.wait_for_log(&["the broker refuses", "MISCONF"]);
    redis.allow_saves();
    save("ok");
    setup.has_recorded(2);
}

#[test]
fn a_password_is_set_and_removed() {
    let redis = RedisServer::start();
    let setup = Setup::start(&redis.address());
    setup.flush();
    let mut admin = redis.connection();
    let mut command = |words: &[&str]| {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]).exec(&mut admin).unwrap();
    };
    command(&["CONFIG", "SET", "requirepass", "pw"]);
    command(&["CLIENT", "KILL", "TYPE", "normal"]);
    setup.keeps(1);
    setup.server.wait_for_log(&["broker is away", "NOAUTH"]);
    command(&["CONFIG", "SET", "requirepass", ""]);
    setup.has_recorded(2);
}

#[test]
fn loading() {
    let mut redis = RedisServer::start_with(&[
        "--enable-debug-command",
        "yes",
        "--loading-process-events-interval-bytes",
        "1024",
        "--key-load-delay",
        "1000",
    ]);
    let setup = Setup::start(&redis.address());
    setup.flush();
    redis.command(&["DEBUG", "POPULATE", "4000", "key", "600"]);
    redis.command(&["SAVE"]);
    redis.kill();
    setup.record(1);
    redis.restart();
    setup.server.wait_for_log(&["broker is away", "LOADING"]);
    setup.has_recorded(2);
}

#[test]
fn a_cluster_without_slots() {
    let (redis, _) = RedisServer::start_on_a_port(|port| {
        ["--cluster-enabled", "yes", "--port", &port.to_string()]
            .map(str::to_owned)
            .to_vec()
    });
    let setup = Setup::start(&redis.address());
    setup.server.wait_for_log(&["the broker refuses", "CLUSTERDOWN"]);
    setup.holds();
    redis.command(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
    setup.has_recorded(1);
}
