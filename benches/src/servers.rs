//! Servers and broker of one measurement: a real Redis or the embedded broker, with a journal.

use remotecall::embedded::{BrokerOptions, EmbeddedBroker};
use remotecall::{RemoteCall, ServerHandle, remote};
use tensorplex::Tensorplex;
use tensorplex_tests::RedisServer;

/// This program's own file, even when a build has replaced the path meanwhile.
pub const SELF: &str = "/proc/self/exe";

/// Broker of a measurement.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum BrokerKind {
    Nothing,
    Redis,
    Embedded,
}

/// Object whose calls return a result.
pub struct Echo;

#[remote]
impl Echo {
    /// Returns its argument.
    pub fn echo(&self, n: u64) -> u64 {
        n
    }
}

/// Servers first, then the broker that they read from: the order of their end.
pub struct Servers {
    servers: Vec<ServerHandle>,
    _redis: Option<RedisServer>,
    _broker: Option<EmbeddedBroker>,
    pub address: String,
    pub dir: tempfile::TempDir,
}

impl Servers {
    pub fn start(through: BrokerKind) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let redis = (through == BrokerKind::Redis).then(RedisServer::start);
        let broker = (through == BrokerKind::Embedded).then(|| {
            let options = BrokerOptions::new(([127, 0, 0, 1], 0).into());
            EmbeddedBroker::start(options).expect("a free port")
        });
        let address = match (&redis, &broker) {
            (Some(redis), _) => redis.address(),
            (_, Some(broker)) => format!("redis://{}", broker.address()),
            _ => String::new(),
        };
        let mut servers = Vec::new();
        if through != BrokerKind::Nothing {
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

    /// Bytes of all accepted frames of records.
    pub fn bytes(&self) -> u64 {
        self.servers.first().map_or(0, |records| records.stats().bytes)
    }
}

impl Drop for Servers {
    /// Stops the servers: one whose handle is only dropped goes on, and would look for its broker
    /// in later measurements.
    fn drop(&mut self) {
        for server in self.servers.drain(..) {
            let ended = server.stop();
            // A measurement that panics has reported its error already.
            assert!(ended.is_ok() || std::thread::panicking(), "{ended:?}");
        }
    }
}
