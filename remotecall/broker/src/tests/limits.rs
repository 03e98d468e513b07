//! Limits: memory, passwords, addresses, connections.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::{
    EmbeddedBroker, broker, connect, encode, expect, options, raw, replies_until_closed, wait_for_connections,
};
use crate::{BrokerOptions, BrokerStartError, MAX_UNAUTHENTICATED};

const OOM: &[u8] = b"-OOM command not allowed when used memory > 'maxmemory'.\r\n";

#[test]
fn a_full_broker_refuses_more_data_and_still_removes_some() {
    let broker = EmbeddedBroker::start(BrokerOptions {
        max_memory: 100_000,
        ..options()
    })
    .unwrap();
    let mut client = raw(&broker);
    let payload = vec![b'x'; 40_000];
    let mut check = |command: &[&[u8]], reply: &[u8]| {
        client.write_all(&encode(command)).unwrap();
        expect(&mut client, reply);
        assert!(broker.memory() <= 100_000);
    };
    check(&[b"HSET", b"h", b"f", b"v"], b":1\r\n");
    check(&[b"XADD", b"s", b"1-1", b"f", &payload], b"$3\r\n1-1\r\n");
    check(&[b"XADD", b"s", b"1-2", b"f", &payload], b"$3\r\n1-2\r\n");
    check(&[b"XADD", b"s", b"1-3", b"f", &payload], OOM);
    check(&[b"HSET", b"h", b"g", &payload], OOM);
    check(&[b"SET", b"k", &payload], OOM);
    check(&[b"XLEN", b"s"], b":2\r\n");
    check(&[b"HGET", b"h", b"f"], b"$1\r\nv\r\n");
    check(&[b"EXPIRE", b"h", b"100"], b":1\r\n");
    check(&[b"HDEL", b"h", b"f"], b":1\r\n");
    check(&[b"XREAD", b"STREAMS", b"s", b"1-2"], b"*-1\r\n");
    check(&[b"XTRIM", b"s", b"MINID", b"1-2"], b":1\r\n");
    check(&[b"XADD", b"s", b"1-4", b"f", &payload], b"$3\r\n1-4\r\n");
    check(&[b"DEL", b"s"], b":1\r\n");
    assert_eq!(broker.memory(), 0);
}

#[test]
fn an_unauthenticated_client_is_refused_and_guessing_is_slow() {
    let broker = EmbeddedBroker::start(BrokerOptions {
        password: Some("se cret".into()),
        ..options()
    })
    .unwrap();
    let mut client = raw(&broker);
    let mut check = |command: &[&[u8]], reply: &str| {
        client.write_all(&encode(command)).unwrap();
        expect(&mut client, reply.as_bytes());
    };
    let (no, wrong) = (
        "-NOAUTH ",
        "-WRONGPASS invalid username-password pair or user is disabled.\r\n",
    );
    check(&[b"PING"], "-NOAUTH Authentication required.\r\n");
    check(
        &[b"XADD", b"s", b"*", b"f", b"v"],
        "-NOAUTH Authentication required.\r\n",
    );
    check(&[b"HELLO", b"3"], "-NOPROTO unsupported protocol version\r\n");
    check(&[b"AUTH", b"se cret "], wrong);
    check(&[b"AUTH", b"bob", b"se cret"], wrong);
    check(&[b"AUTH", b"se cret"], "+OK\r\n");
    check(&[b"PING"], "+PONG\r\n");
    assert_eq!(broker.shared.unauthenticated(), 0);

    // The third wrong password ends the connection, and the commands after it are ignored.
    let guesses: [&[&[u8]]; 4] = [
        &[b"AUTH", b""],
        &[b"AUTH", b"default", b"se"],
        &[b"HELLO", b"2", b"AUTH", b"default", b"no"],
        &[b"AUTH", b"se cret"],
    ];
    let guesses: Vec<u8> = guesses.iter().flat_map(|words| encode(words)).collect();
    let since = Instant::now();
    assert_eq!(replies_until_closed(&broker, &guesses), wrong.repeat(3));
    assert!(since.elapsed() >= Duration::from_secs(3), "guessing must be slow");

    let mut client = raw(&broker);
    client.write_all(&encode(&[b"HELLO", b"2"])).unwrap();
    expect(&mut client, no.as_bytes());
    let client = redis::Client::open(format!("redis://:se%20cret@{}", broker.address())).unwrap();
    let pong: String = redis::cmd("PING")
        .query(&mut client.get_connection().unwrap())
        .unwrap();
    assert_eq!(pong, "PONG");
}

#[test]
fn an_unauthenticated_client_may_send_short_commands_only() {
    let broker = EmbeddedBroker::start(BrokerOptions {
        password: Some("pw".into()),
        ..options()
    })
    .unwrap();
    let long = replies_until_closed(&broker, b"*2\r\n$4\r\nAUTH\r\n$16385\r\n");
    assert_eq!(long, "-ERR Protocol error: unauthenticated bulk length\r\n");
    let many = replies_until_closed(&broker, b"*11\r\n");
    assert_eq!(many, "-ERR Protocol error: unauthenticated multibulk length\r\n");
}

#[test]
fn unauthenticated_connections_are_limited_in_number_and_time() {
    let broker = EmbeddedBroker::start(BrokerOptions {
        password: Some("pw".into()),
        ..options()
    })
    .unwrap();
    let mut authenticated = raw(&broker);
    authenticated.write_all(&encode(&[b"AUTH", b"pw"])).unwrap();
    expect(&mut authenticated, b"+OK\r\n");
    let unauthenticated: Vec<TcpStream> = (0..MAX_UNAUTHENTICATED).map(|_| raw(&broker)).collect();
    wait_for_connections(&broker, MAX_UNAUTHENTICATED + 1);
    assert_eq!(
        replies_until_closed(&broker, b""),
        "-ERR max number of clients reached\r\n"
    );
    for mut client in unauthenticated {
        // Closed without a reply, after the timeout for authentication.
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
    }
    wait_for_connections(&broker, 1);
    authenticated.write_all(&encode(&[b"PING"])).unwrap();
    expect(&mut authenticated, b"+PONG\r\n");
}

#[test]
fn listening_beyond_this_machine_requires_a_password() {
    let open = BrokerOptions {
        listen: ([0, 0, 0, 0], 0).into(),
        ..options()
    };
    // The third is 127.0.0.1 in another form; 192.0.2.1 belongs to no machine, and is refused
    // before it is bound.
    for listen in ["0.0.0.0:0", "[::]:0", "[::ffff:127.0.0.1]:0", "192.0.2.1:0"] {
        for password in [None, Some(String::new())] {
            let error = EmbeddedBroker::start(BrokerOptions {
                listen: listen.parse().unwrap(),
                password,
                ..options()
            })
            .unwrap_err();
            assert!(matches!(error, BrokerStartError::NoPassword(_)), "{error}");
            assert_eq!(
                error.to_string(),
                format!(
                    "refusing to listen on {listen} without a password: every machine that reaches it could log and \
                     read; give the broker a password, or listen on a loopback address such as 127.0.0.1"
                )
            );
        }
    }
    // Stopping works too: the accepting thread is woken over the loopback address.
    EmbeddedBroker::start(BrokerOptions {
        password: Some("pw".into()),
        ..open
    })
    .unwrap()
    .stop();
}

#[test]
fn own_address_can_be_connected_to() {
    let start = |ip: &str, password: Option<&str>| {
        EmbeddedBroker::start(BrokerOptions {
            listen: (ip.parse::<std::net::IpAddr>().unwrap(), 0).into(),
            password: password.map(str::to_owned),
            ..options()
        })
        .unwrap()
    };
    let check = |broker: EmbeddedBroker, before_port: &str| {
        let port = broker.address().port();
        assert_eq!(broker.own_address(), format!("{before_port}:{port}"));
        let client = redis::Client::open(broker.own_address()).unwrap();
        let reply: String = redis::cmd("PING")
            .query(&mut client.get_connection().unwrap())
            .unwrap();
        assert_eq!(reply, "PONG");
    };
    check(start("127.0.0.1", None), "redis://127.0.0.1");
    check(
        start("0.0.0.0", Some("p:w@/%")),
        "redis://:p%3Aw%40%2F%25@127.0.0.1",
    );
    check(start("::1", Some("pw")), "redis://:pw@[::1]");
    check(start("::", Some("pw")), "redis://:pw@[::1]");
}

#[test]
fn an_address_in_use_is_a_retryable_error_that_names_it() {
    let broker = broker();
    let listen = broker.address();
    let error = EmbeddedBroker::start(BrokerOptions { listen, ..options() }).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with(&format!("cannot listen on {listen}: ")),
        "{error}"
    );
    assert!(error.is_retryable());
}

#[test]
fn a_password_is_never_printed() {
    let options = BrokerOptions {
        password: Some("pw-to-hide".into()),
        ..options()
    };
    let broker = EmbeddedBroker::start(options.clone()).unwrap();
    assert!(!format!("{options:?} {broker:?}").contains("pw-to-hide"));
}

#[test]
fn a_connection_above_the_limit_gets_an_error() {
    let broker = EmbeddedBroker::start_with(options(), 3).unwrap();
    let mut clients: Vec<_> = (0..3).map(|_| connect(&broker)).collect();
    assert_eq!(
        replies_until_closed(&broker, b""),
        "-ERR max number of clients reached\r\n"
    );
    drop(clients.pop());
    wait_for_connections(&broker, 2);
    let pong: String = redis::cmd("PING").query(&mut connect(&broker)).unwrap();
    assert_eq!(pong, "PONG");
}
