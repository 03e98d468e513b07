//! TLS to a real redis-server: accepted and refused certificates, and the errors.

use std::time::Duration;

use remotecall::{Address, BrokerWatch};
use tensorplex::Writer;
use tensorplex_tests::{
    BoundedOutput, BrokerAddress, CertificateFiles, Certificates, RedisServer, TestServer, TlsRedis, summary,
};

const FLUSH: Duration = Duration::from_secs(60);

/// Address with the files of certificates.
fn with(address: &str, files: &[(&str, &std::path::Path)]) -> String {
    files.iter().fold(address.to_owned(), |address, (name, path)| {
        Address::with_parameter(&address, name, path.to_str().unwrap())
    })
}

fn looks(address: &str) -> Result<(), String> {
    let mut watch = BrokerWatch::new(address).unwrap();
    watch.look("q").map(drop).map_err(|error| error.to_string())
}

#[track_caller]
fn is_refused(address: &str, words: &[&str]) {
    let error = looks(address).unwrap_err();
    assert!(words.iter().all(|word| error.contains(word)), "{error}");
}

#[test]
fn workers_and_server_reconnect_over_tls_after_a_redis_restart() {
    let made = Certificates::new();
    let mut broker = TlsRedis::start(&made, &made.host("localhost"), false);
    let address = with(&broker.address("localhost"), &[("ca", &made.ca())]);
    let mut server = TestServer::start_at(BrokerAddress::Redis(address.clone()));
    let recorder = Writer::connect(&address, "agent/0").unwrap();
    for step in 0..100 {
        recorder.scalar("loss", 0.5, step);
    }
    recorder.flush(FLUSH).unwrap();
    broker.redis.kill();
    for step in 100..200 {
        recorder.scalar("loss", 0.5, step);
    }
    broker.redis.restart();
    recorder.flush(FLUSH).unwrap();
    server.kill_and_restart();
    // Larger than a TLS record, 16 KiB.
    recorder.text("long", &"x".repeat(1 << 20), 0);
    recorder.scalar("loss", 0.5, 200);
    recorder.flush(FLUSH).unwrap();
    server.stop();
    let loss = &summary(server.logdir()).rust["agent/0"]["loss"];
    assert_eq!((loss.count, loss.last, loss.increasing), (201, Some(200), true));
}

#[test]
fn client_certificates_are_sent_to_a_broker_that_asks() {
    let (made, others) = (Certificates::new(), Certificates::new());
    let broker = TlsRedis::start(&made, &made.host("localhost"), true);
    let known = with(&broker.address("localhost"), &[("ca", &made.ca())]);
    let shown =
        |CertificateFiles { cert, key }: &CertificateFiles| with(&known, &[("cert", cert), ("key", key)]);
    looks(&shown(&made.host("worker"))).unwrap();
    is_refused(&known, &["cert=FILE&key=FILE"]);
    is_refused(&shown(&others.host("worker")), &["alert"]);
    let mut mixed = made.host("worker");
    mixed.key = made.host("other").key;
    is_refused(&shown(&mixed), &["KeyMismatch"]);
}

#[test]
fn an_invalid_certificate_is_refused_with_the_reason() {
    let (made, others) = (Certificates::new(), Certificates::new());
    let broker = TlsRedis::start(&made, &made.host("localhost"), false);
    let address = broker.address("localhost");
    is_refused(
        &with(&address, &[("ca", &others.ca())]),
        &["UnknownIssuer", "?ca=FILE"],
    );
    // The system's CAs do not sign it either.
    is_refused(&address, &["UnknownIssuer", "?ca=FILE"]);
    is_refused(
        &with(&broker.address("127.0.0.1"), &[("ca", &made.ca())]),
        &["not valid for name", "localhost"],
    );
    let broker = TlsRedis::start(&made, &made.expired("localhost"), false);
    let address = with(&broker.address("localhost"), &[("ca", &made.ca())]);
    is_refused(&address, &["expired"]);
}

#[test]
fn tls_on_a_plain_port_and_the_reverse_are_explained() {
    let made = Certificates::new();
    let with_tls = TlsRedis::start(&made, &made.host("localhost"), false);
    is_refused(
        &format!("localhost:{}", with_tls.port()),
        &["a port with TLS", "rediss://"],
    );
    let embedded = tensorplex_tests::TestBroker::embedded();
    let address = embedded.address().replace("redis://", "rediss://");
    is_refused(&address, &["speak TLS", "redis://"]);
    let (_redis, port) = RedisServer::start_on_a_port(|port| vec!["--port".to_owned(), port.to_string()]);
    is_refused(&format!("rediss://localhost:{port}"), &["speak TLS", "redis://"]);
}

/// The log names address and reason; the files may also come from options.
#[test]
fn a_program_logs_address_and_reason_of_a_refusal() {
    let (made, others) = (Certificates::new(), Certificates::new());
    let broker = TlsRedis::start(&made, &made.host("localhost"), false);
    let top = |ca: &Certificates| {
        let mut command = std::process::Command::new(tensorplex_tests::program("tensorplex"));
        let address = broker.address("localhost");
        command.args(["top", "--logdir"]).arg(ca.ca().parent().unwrap());
        command
            .args(["--redis", &address, "--redis-ca"])
            .arg(ca.ca())
            .env_remove("RUST_LOG");
        String::from_utf8(command.output_in_time().stdout).unwrap()
    };
    let refused = top(&others);
    let address = broker.address("localhost");
    for word in [&address, "UnknownIssuer"] {
        assert!(refused.contains(word), "{refused}");
    }
    assert!(top(&made).contains("tensorplex 0 waiting"));
}
