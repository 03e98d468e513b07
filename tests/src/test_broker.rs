//! A broker in a test's own hands, of either kind: it can be killed, comes back empty at the same address, and can
//! be asked.

use std::net::SocketAddr;

use redis::Value;
use remotecall::embedded::{BrokerOptions, EmbeddedBroker};

use crate::redis_server::id_ahead;
use crate::{RedisServer, wait_for};

/// A broker of one test.
pub enum TestBroker {
    /// A real redis-server.
    Redis(RedisServer),
    /// An embedded broker in this process; none while it is killed.
    Embedded(SocketAddr, Option<EmbeddedBroker>),
}

impl TestBroker {
    /// A real redis-server.
    pub fn redis() -> Self {
        Self::Redis(RedisServer::start())
    }

    /// An embedded broker.
    ///
    /// # Panics
    /// When it cannot listen.
    pub fn embedded() -> Self {
        let broker = listen(([127, 0, 0, 1], 0).into()).expect("an embedded broker");
        Self::Embedded(broker.address(), Some(broker))
    }

    /// Its address, as clients and servers take it.
    pub fn address(&self) -> String {
        match self {
            Self::Redis(redis) => redis.address(),
            Self::Embedded(address, _) => format!("redis://{address}"),
        }
    }

    /// Ends it at once, with everything in it.
    pub fn kill(&mut self) {
        match self {
            Self::Redis(redis) => redis.kill(),
            Self::Embedded(_, broker) => *broker = None,
        }
    }

    /// Starts it again after [`kill`](Self::kill).
    pub fn restart(&mut self) {
        match self {
            Self::Redis(redis) => redis.restart(),
            // The port may be in use for a moment: by the end of a connection that was closed.
            Self::Embedded(address, broker) => {
                *broker = Some(wait_for("the port to be free", || listen(*address)));
            }
        }
    }

    /// Ends it, and starts an empty one at the same address.
    pub fn kill_and_restart(&mut self) {
        self.kill();
        self.restart();
    }

    /// Has a stream number its entries as if the broker's clock had been ahead so far.
    pub fn hurry(&self, stream: &str) {
        self.command(&["XADD", stream, &id_ahead(), "x", ""]);
    }

    /// A connection for the test's own questions.
    ///
    /// # Panics
    /// When none can be made.
    pub fn connection(&self) -> redis::Connection {
        let client = redis::Client::open(self.address()).expect("an address");
        wait_for("a connection to the broker", || client.get_connection().ok())
    }

    /// Runs one command, given as words.
    ///
    /// # Panics
    /// When the broker refuses it.
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

/// Makes two tests of each function: it gets a real redis-server, and an embedded broker.
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
