//! Real Redis server for a test, on a socket file in a temporary directory.

use std::process::{Child, Command, Stdio};
use std::time::Instant;

use super::TIMEOUT;

/// Running `redis-server`, killed on drop.
pub(super) struct RedisServer {
    process: Child,
    folder: tempfile::TempDir,
}

impl RedisServer {
    /// Starts a server; fails the test if the program is missing.
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

    /// Connects; retries until the server listens.
    pub fn connect(&self) -> redis::Connection {
        let path = self.folder.path().join("redis.sock");
        let client = redis::Client::open(format!("redis+unix://{}", path.display())).unwrap();
        let deadline = Instant::now() + TIMEOUT;
        loop {
            match client.get_connection() {
                Ok(connection) => return connection,
                Err(error) => assert!(Instant::now() < deadline, "redis-server does not reply: {error}"),
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
