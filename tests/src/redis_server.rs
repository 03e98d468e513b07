//! A real redis-server on a socket file in a directory of its own.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use redis::Value;

use crate::{DEADLINE, wait_for};

/// Lead of an id over the clock: one hour, in milliseconds.
const AHEAD_MS: u128 = 3_600_000;
/// Limit for the answer to one attempt to connect, 1 s: the attempt is repeated.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);

/// redis-server without persistence; dropping the value kills it.
pub struct RedisServer {
    dir: tempfile::TempDir,
    options: Vec<String>,
    process: Child,
}

impl RedisServer {
    /// Starts a redis-server and waits until it answers.
    ///
    /// # Panics
    /// When the program redis-server is missing or does not answer in time: a test that cannot run
    /// fails.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a redis-server with further options of the program.
    ///
    /// # Panics
    /// When redis-server does not answer in time.
    pub fn start_with(options: &[&str]) -> Self {
        let options = options.iter().map(|&option| option.to_owned()).collect();
        Self::try_start_with(options).expect("a redis-server that takes its options")
    }

    /// Starts a redis-server that also listens on a free port, and returns the port; `options` gets
    /// the port.
    ///
    /// # Panics
    /// When redis-server does not answer in time.
    pub fn start_on_a_port(options: impl Fn(u16) -> Vec<String>) -> (Self, u16) {
        wait_for("a redis-server on a free port", || {
            let free = TcpListener::bind("127.0.0.1:0").ok()?;
            let port = free.local_addr().ok()?.port();
            drop(free);
            let mut options = options(port);
            options.extend(["--bind".to_owned(), "127.0.0.1".to_owned()]);
            Some((Self::try_start_with(options)?, port))
        })
    }

    /// Returns `None` when the process ends by itself, for example because its port was taken
    /// meanwhile.
    fn try_start_with(options: Vec<String>) -> Option<Self> {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let process = spawn(dir.path(), &options);
        let mut server = Self {
            dir,
            options,
            process,
        };
        server.comes_up().then_some(server)
    }

    /// Address for clients and servers.
    pub fn address(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// Path of the socket file.
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("redis.sock")
    }

    /// Kills Redis with SIGKILL and starts an empty one at the same address.
    pub fn kill_and_restart(&mut self) {
        self.kill();
        self.restart();
    }

    /// Kills Redis with SIGKILL and waits for its end.
    ///
    /// # Panics
    /// When the process has ended.
    pub fn kill(&mut self) {
        self.process.kill().expect("a running redis-server");
        self.process.wait().expect("its end");
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// When the process has ended.
    pub fn signal(&mut self, signal: rustix::process::Signal) {
        crate::programs::send(&self.process, signal);
    }

    /// Makes every snapshot fail until [`allow_saves`](Self::allow_saves): a directory takes the
    /// place of its file.
    ///
    /// # Panics
    /// When the directory cannot be created.
    pub fn fail_saves(&self) {
        std::fs::create_dir(self.dir.path().join("dump.rdb")).expect("a folder");
    }

    /// Lets snapshots succeed again.
    ///
    /// # Panics
    /// When they could not fail before.
    pub fn allow_saves(&self) {
        std::fs::remove_dir(self.dir.path().join("dump.rdb")).expect("the folder");
    }

    /// Removes the snapshot, so that Redis is empty after its next start.
    pub fn remove_snapshot(&self) {
        // Most tests take no snapshot.
        let _ = std::fs::remove_file(self.dir.path().join("dump.rdb"));
    }

    /// Adds an empty entry to a stream with an id one hour ahead of the clock; later entries get
    /// greater ids.
    ///
    /// # Panics
    /// When Redis does not answer.
    pub fn advance_ids(&self, stream: &str) {
        let mut add = redis::cmd("XADD");
        add.arg(stream).arg(id_ahead()).arg("x").arg("");
        let added = add.query::<Value>(&mut self.connection());
        if let Err(error) = added {
            // A second call within a millisecond: the ids are ahead already.
            assert!(
                error.to_string().contains("equal or smaller"),
                "{stream}: {error}"
            );
        }
    }

    /// Starts Redis again after [`kill`](Self::kill).
    pub fn restart(&mut self) {
        wait_for("redis-server to come back", || {
            self.process = spawn(self.dir.path(), &self.options);
            self.comes_up().then_some(())
        });
    }

    /// Opens a connection for the test's own commands.
    ///
    /// # Panics
    /// When Redis does not accept it in time.
    pub fn connection(&self) -> redis::Connection {
        let client = redis::Client::open(self.address()).expect("an address");
        let connection = wait_for("redis-server to accept a connection", || {
            client.get_connection_with_timeout(ANSWER_LIMIT).ok()
        });
        // A command to a paused Redis fails; without the limits the test would hang.
        for set in [
            redis::Connection::set_read_timeout,
            redis::Connection::set_write_timeout,
        ] {
            set(&connection, Some(DEADLINE)).expect("a timeout of a connection");
        }
        connection
    }

    /// Runs a command, given as words.
    ///
    /// # Panics
    /// When Redis answers with an error, or not in time.
    pub fn command(&self, words: &[&str]) -> Value {
        let mut command = redis::cmd(words[0]);
        for word in &words[1..] {
            command.arg(*word);
        }
        command
            .query(&mut self.connection())
            .unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    /// Waits until Redis answers or has ended; true for an answer.
    fn comes_up(&mut self) -> bool {
        wait_for("redis-server to answer", || {
            if self.process.try_wait().expect("its state").is_some() {
                return Some(false);
            }
            // An error is an answer too: Redis may be loading, or ask for a password.
            let mut socket = UnixStream::connect(self.socket()).ok()?;
            socket.set_read_timeout(Some(ANSWER_LIMIT)).ok()?;
            socket.write_all(b"PING\r\n").ok()?;
            socket.read_exact(&mut [0]).ok().map(|()| true)
        })
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn spawn(dir: &Path, options: &[String]) -> Child {
    Command::new("redis-server")
        .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
        .arg(dir.join("redis.sock"))
        .arg("--dir")
        .arg(dir)
        .args(options)
        .stdout(Stdio::null())
        .spawn()
        .expect("the program redis-server (Debian package redis-server)")
}

/// Id of a stream entry that a broker would assign after its clock stepped one hour ahead.
pub(crate) fn id_ahead() -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock after 1970");
    format!("{}-0", now.as_millis() + AHEAD_MS)
}
