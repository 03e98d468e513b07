//! Every whole-system test runs twice: through a real Redis, and through the embedded broker.

use crate::RedisServer;

/// What a test goes through.
pub enum Broker {
    /// A real redis-server.
    Redis(RedisServer),
    /// The server's own.
    Embedded,
}

impl Broker {
    /// A real redis-server, started for the test.
    pub fn redis() -> Self {
        Self::Redis(RedisServer::start())
    }
}
