//! A Redis of our own, on a socket file in a folder of its own.

use std::process::{Child, Command, Stdio};
use std::time::Instant;

use super::PATIENCE;

/// A running `redis-server`; killed on drop.
pub(super) struct RedisServer {
    process: Child,
    folder: tempfile::TempDir,
}

impl RedisServer {
    /// Starts one; a missing program fails the test, for a test that cannot run has not passed.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let process = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
            .arg(folder.path().join("redis.sock"))
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server must be installed to run this test");
        Self { process, folder }
    }

    /// Connects as soon as the server is there.
    pub fn connect(&self) -> redis::Connection {
        let path = self.folder.path().join("redis.sock");
        let client = redis::Client::open(format!("redis+unix://{}", path.display())).unwrap();
        let deadline = Instant::now() + PATIENCE;
        loop {
            match client.get_connection() {
                Ok(connection) => return connection,
                Err(error) => assert!(Instant::now() < deadline, "redis-server does not answer: {error}"),
            }
            std::thread::yield_now();
        }
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
