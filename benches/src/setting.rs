//! A server for the time of one measurement: real Redis or the embedded broker, everything journaled.

use remotecall::embedded::{BrokerOptions, EmbeddedBroker};
use remotecall::{RemoteCall, ServerHandle, remote};
use tensorplex::Tensorplex;
use tensorplex_tests::RedisServer;

/// This program, also when the building of others has put another file in its place meanwhile.
pub const SELF: &str = "/proc/self/exe";

/// What a measurement goes through.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Through {
    Nothing,
    Redis,
    Embedded,
}

/// The object whose calls return something.
pub struct Echo;

#[remote]
impl Echo {
    /// Returns what it got.
    pub fn echo(&self, n: u64) -> u64 {
        n
    }
}

/// Its servers end first, then what they read from.
pub struct Setting {
    servers: Vec<ServerHandle>,
    _redis: Option<RedisServer>,
    _broker: Option<EmbeddedBroker>,
    pub address: String,
    pub dir: tempfile::TempDir,
}

impl Setting {
    pub fn start(through: Through) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let redis = (through == Through::Redis).then(RedisServer::start);
        let broker = (through == Through::Embedded).then(|| {
            let options = BrokerOptions::new(([127, 0, 0, 1], 0).into());
            EmbeddedBroker::start(options).expect("a free port")
        });
        let address = match (&redis, &broker) {
            (Some(redis), _) => redis.address(),
            (_, Some(broker)) => format!("redis://{}", broker.address()),
            _ => String::new(),
        };
        let mut servers = Vec::new();
        if through != Through::Nothing {
            let private = dir.path().join(".tensorplex");
            let records = Tensorplex::open(dir.path(), &private).expect("a log directory");
            let records = RemoteCall::new(records).queue("tensorplex").durable(&private);
            servers.push(records.start(&address).expect("a server"));
            servers.push(
                RemoteCall::new(Echo)
                    .queue("echo")
                    .start(&address)
                    .expect("a server"),
            );
        }
        Self {
            servers,
            _redis: redis,
            _broker: broker,
            address,
            dir,
        }
    }

    /// Bytes of all frames of records that were accepted.
    pub fn bytes(&self) -> u64 {
        self.servers[0].stats().bytes
    }
}

impl Drop for Setting {
    /// A server whose handle is dropped goes on, and would look for its broker during the measurements that follow.
    fn drop(&mut self) {
        for server in self.servers.drain(..) {
            let ended = server.stop();
            // A measurement that panics has said what is wrong.
            assert!(ended.is_ok() || std::thread::panicking(), "{ended:?}");
        }
    }
}
