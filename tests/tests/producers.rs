//! Producers: refusals reach them, and the server forgets those that ended.

use redis::Value;
use tensorplex::Writer;
use tensorplex_tests::{Broker, BrokerAddress, DEADLINE, RedisServer, TestServer, summary, wait_for};

const ACKS: &str = "rc:{tensorplex.0}:ack";

/// Names of the fields in the hash of acks.
fn ack_fields(redis: &RedisServer) -> Vec<String> {
    let Value::Array(fields) = redis.command(&["HKEYS", ACKS]) else {
        panic!("no hash of acks");
    };
    let text = |field: Value| match field {
        Value::BulkString(text) => String::from_utf8(text).unwrap(),
        other => panic!("{other:?}"),
    };
    fields.into_iter().map(text).collect()
}

#[test]
fn a_refused_record_fails_one_flush_and_is_counted() {
    let server = TestServer::start_with(&Broker::Embedded, &["agent"], None);
    let stranger = Writer::connect(server.address(), "learner/1").unwrap();
    stranger.scalar("loss", 0.5, 1);
    stranger.scalar("loss", 0.4, 2);
    let lost = stranger.flush(DEADLINE).unwrap_err();
    assert_eq!((lost.outstanding, lost.dropped, lost.refused), (0, 0, 2));
    stranger.flush(DEADLINE).expect("a loss is reported once");
    let stats = stranger.client().expect("a remote writer").client().stats();
    assert_eq!((stats.taken, stats.acked, stats.refused), (2, 2, 2));
    let log = server.log();
    for part in ["add_scalar(\"loss\", …)", "learner/1", "agent"] {
        assert!(log.contains(part), "{part} is missing in {log}");
    }
}

#[test]
fn refusals_are_counted_across_a_kill_of_the_server() {
    let mut server = TestServer::start_with(&Broker::Embedded, &["agent"], None);
    let stranger = Writer::connect(server.address(), "learner/1").unwrap();
    for step in 0..3 {
        stranger.scalar("loss", 0.5, step);
        assert_eq!(stranger.flush(DEADLINE).unwrap_err().refused, 1);
        server.kill();
        server.restart();
    }
    let friend = Writer::connect(server.address(), "agent/1").unwrap();
    friend.scalar("loss", 0.5, 1);
    friend.flush(DEADLINE).unwrap();
    assert_eq!(
        stranger
            .client()
            .expect("a remote writer")
            .client()
            .stats()
            .refused,
        3
    );
}

#[test]
fn a_client_that_closes_leaves_nothing_in_the_broker() {
    let redis = RedisServer::start();
    let server = TestServer::start_at(BrokerAddress::Redis(redis.address()));
    for client in 0..50 {
        let worker = Writer::connect(&redis.address(), &format!("agent/{client}")).unwrap();
        worker.scalar("loss", 0.5, 1);
        worker.close(DEADLINE).unwrap();
    }
    wait_for("the server to forget fifty producers", || {
        (ack_fields(&redis) == ["accepted"]).then_some(())
    });
    assert_eq!(summary(server.logdir()).rust.len(), 50);
}

/// The snapshot holds a frame of a producer that the server forgot later.
#[test]
fn frames_of_forgotten_producers_do_not_count_again_in_an_older_snapshot() {
    let mut redis = RedisServer::start();
    let mut server = TestServer::start_at(BrokerAddress::Redis(redis.address()));
    let first = Writer::connect(&redis.address(), "agent/0").unwrap();
    first.scalar("loss", 0.5, 1);
    first.flush(DEADLINE).unwrap();
    server.stop();
    let worker = Writer::connect(&redis.address(), "agent/1").unwrap();
    worker.scalar("loss", 0.5, 1);
    wait_for("a frame in the stream", || {
        (redis.command(&["XLEN", "rc:{tensorplex.0}:in"]) == Value::Int(1)).then_some(())
    });
    redis.command(&["SAVE"]);
    server.restart();
    worker.close(DEADLINE).unwrap();
    wait_for("the server to forget the producer", || {
        (ack_fields(&redis).len() == 2).then_some(())
    });
    redis.kill();
    redis.restart();
    first.scalar("loss", 0.4, 2);
    first.flush(DEADLINE).unwrap();
    let newcomer = Writer::connect(&redis.address(), "agent/2").unwrap();
    newcomer.scalar("loss", 0.5, 1);
    newcomer.flush(DEADLINE).unwrap();
    server.stop();
    let runs = summary(server.logdir()).rust;
    for (run, count) in [("agent/0", 2), ("agent/1", 1), ("agent/2", 1)] {
        assert_eq!(runs[run]["loss"].count, count, "{run}");
    }
}
