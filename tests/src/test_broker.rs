//! A broker of either kind that a test controls: it kills the broker, restarts it empty at the same
//! address, and sends it commands.

use std::net::SocketAddr;

use redis::Value;
use remotecall::embedded::{BrokerOptions, EmbeddedBroker};

use crate::redis_server::id_ahead;
use crate::{DEADLINE, RedisServer, wait_for};

/// Broker of one test.
pub enum TestBroker {
    /// A real redis-server.
    Redis(RedisServer),
    /// Embedded broker in this process; `None` while it is down.
    Embedded(SocketAddr, Option<EmbeddedBroker>),
}

impl TestBroker {
    /// A real redis-server.
    pub fn redis() -> Self {
        Self::Redis(RedisServer::start())
    }

    /// Starts an embedded broker.
    ///
    /// # Panics
    /// When no port is free.
    pub fn embedded() -> Self {
        let broker = listen(([127, 0, 0, 1], 0).into()).expect("an embedded broker");
        Self::Embedded(broker.address(), Some(broker))
    }

    /// Address for clients and servers.
    pub fn address(&self) -> String {
        match self {
            Self::Redis(redis) => redis.address(),
            Self::Embedded(address, _) => format!("redis://{address}"),
        }
    }

    /// Kills the broker; its content is lost.
    pub fn kill(&mut self) {
        match self {
            Self::Redis(redis) => redis.kill(),
            Self::Embedded(_, broker) => *broker = None,
        }
    }

    /// Starts the broker again after [`kill`](Self::kill).
    pub fn restart(&mut self) {
        match self {
            Self::Redis(redis) => redis.restart(),
            // A closed connection may hold the port for a moment.
            Self::Embedded(address, broker) => {
                *broker = Some(wait_for("the port to be free", || listen(*address)));
            }
        }
    }

    /// Kills the broker and starts an empty one at the same address.
    pub fn kill_and_restart(&mut self) {
        self.kill();
        self.restart();
    }

    /// Adds an empty entry to a stream with an id one hour ahead of the clock; later entries get
    /// greater ids.
    pub fn advance_ids(&self, stream: &str) {
        self.command(&["XADD", stream, &id_ahead(), "x", ""]);
    }

    /// Opens a connection for the test's own commands.
    ///
    /// # Panics
    /// When the broker does not accept it in time.
    pub fn connection(&self) -> redis::Connection {
        let client = redis::Client::open(self.address()).expect("an address");
        let connection = wait_for("a connection to the broker", || client.get_connection().ok());
        let timeout = connection.set_read_timeout(Some(DEADLINE));
        timeout.expect("a timeout of a connection");
        connection
    }

    /// Runs a command, given as words.
    ///
    /// # Panics
    /// When the broker answers with an error.
    pub fn command(&self, words: &[&str]) -> Value {
        let mut command = redis::cmd(words[0]);
        for word in &words[1..] {
            command.arg(*word);
        }
        let answer = command.query(&mut self.connection());
        answer.unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }
}

fn listen(listen: SocketAddr) -> Option<EmbeddedBroker> {
    EmbeddedBroker::start(BrokerOptions::new(listen)).ok()
}

/// Makes two tests of each function: one with a real redis-server, one with an embedded broker.
#[macro_export]
macro_rules! on_both_brokers {
    ($($name:ident),* $(,)?) => {
        mod redis_server {
            $(#[test] fn $name() { super::$name($crate::TestBroker::redis()); })*
        }
        mod embedded_broker {
            $(#[test] fn $name() { super::$name($crate::TestBroker::embedded()); })*
        }
    };
}
