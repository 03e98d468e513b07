//! The broker of a whole-system test: a real Redis, or the one embedded in the server.

use crate::RedisServer;

/// The broker between the workers and the server of a test.
pub enum Broker {
    /// A real redis-server.
    Redis(RedisServer),
    /// The broker embedded in the server.
    Embedded,
}

impl Broker {
    /// Starts a real redis-server for the test.
    pub fn redis() -> Self {
        Self::Redis(RedisServer::start())
    }
}
