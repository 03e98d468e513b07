//! What holds frames between worker and server: its address, its keys, and one connection to it.
//!
//! ```text
//! rc:{QUEUE.SHARD}:in      stream of frames: field "f" the frame, and of its sender when it sent: "a" the ack,
//!                          "t" the clock, "d" the calls it had dropped
//! rc:{QUEUE.SHARD}:ack     hash: producer id in hexadecimal → highest frame that is done; "dropped" → calls that
//!                          producers dropped
//! rc:{QUEUE.SHARD}:lease   who serves the queue; expires by itself
//! rc:{r.PRODUCER}:out      stream of replies to one producer; expires by itself
//! ```
//!
//! All connections are plain blocking sockets with timeouts. Whatever fails on one: it is dropped and
//! made anew, and what was in flight is settled by the protocol, not by the connection.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use redis::io::tcp::TcpSettings;
use redis::{ConnectionAddr, ConnectionInfo, ConnectionLike, IntoConnectionInfo, Pipeline, Value};

use crate::frame::ProducerId;

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Longest wait for an answer, beyond the time that a blocking command may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest name of a queue, in bytes.
pub const MAX_QUEUE_NAME: usize = 128;

/// Where a broker is: `host:port`, `redis://user:password@host:port/db` or `unix:///path?db=0`.
#[derive(Clone)]
pub struct Address {
    info: ConnectionInfo,
    shown: String,
}

/// The text is not an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It cannot be read as an address.
    #[error(
        "broker address {0:?} is not understood: write host:port, redis://user:password@host:port/db \
         or unix:///path/to/socket"
    )]
    Unreadable(String),
    /// It asks for TLS.
    #[error("broker address {0:?}: TLS is not supported by this build")]
    Tls(String),
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let url = if text.contains("://") {
            text.to_owned()
        } else {
            format!("redis://{text}")
        };
        if url.starts_with("rediss://") || url.starts_with("valkeys://") {
            return Err(AddressError::Tls(without_password(&url)));
        }
        let unreadable = || AddressError::Unreadable(without_password(text));
        let info = url.as_str().into_connection_info().map_err(|_| unreadable())?;
        let has_host = !matches!(info.addr(), ConnectionAddr::Tcp(host, _) if host.is_empty());
        if !has_host || text.is_empty() {
            return Err(unreadable());
        }
        let info = info.set_tcp_settings(TcpSettings::default().set_nodelay(true));
        Ok(Self {
            info,
            shown: without_password(text),
        })
    }
}

/// Without the password, so that it can be logged.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.shown, f)
    }
}

/// Drops everything between the scheme and the last `@`, and every `pass` parameter.
fn without_password(text: &str) -> String {
    let (scheme, rest) = text
        .split_once("://")
        .map_or(("", text), |(scheme, rest)| (scheme, rest));
    let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let rest = rest.split_once('?').map_or(rest, |(path, _)| path);
    if scheme.is_empty() {
        rest.to_owned()
    } else {
        format!("{scheme}://{rest}")
    }
}

/// The keys of one queue.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    pub input: String,
    pub acks: String,
    pub lease: String,
}

/// A queue's name cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "queue name {0:?} cannot be used: 1 to {MAX_QUEUE_NAME} letters, digits, '.', '_' and '-' are allowed"
)]
pub struct QueueNameError(String);

impl Keys {
    pub fn new(queue: &str) -> Result<Self, QueueNameError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if queue.is_empty() || queue.len() > MAX_QUEUE_NAME || !queue.chars().all(allowed) {
            return Err(QueueNameError(queue.to_owned()));
        }
        let key = |what| format!("rc:{{{queue}.0}}:{what}");
        Ok(Self {
            input: key("in"),
            acks: key("ack"),
            lease: key("lease"),
        })
    }
}

/// The field of the acks that says how many calls producers have dropped.
pub(crate) const DROPPED_FIELD: &str = "dropped";

pub(crate) fn reply_key(producer: ProducerId) -> String {
    format!("rc:{{r.{producer}}}:out")
}

/// One connection.
pub(crate) struct Link {
    connection: redis::Connection,
    /// How long an answer may take.
    patience: Duration,
}

impl Link {
    /// `longest_block` is the time for which the slowest command may wait on purpose.
    pub fn open(address: &Address, longest_block: Duration) -> redis::RedisResult<Self> {
        let client = redis::Client::open(address.info.clone())?;
        let connection = client.get_connection_with_timeout(CONNECT_TIMEOUT)?;
        let patience = longest_block + ANSWER_TIMEOUT;
        connection.set_read_timeout(Some(patience))?;
        connection.set_write_timeout(Some(ANSWER_TIMEOUT))?;
        let mut link = Self { connection, patience };
        // While nobody listens on a port above 32767 of this machine, the system may pick that very port for our
        // end: then we are connected to ourselves, hear our own words, and keep the server from its port.
        match link.one(&redis::cmd("PING"))? {
            Value::SimpleString(answer) if answer == "PONG" => Ok(link),
            other => Err((
                redis::ErrorKind::Client,
                "not a broker",
                format!("it answers PING with {other:?}"),
            )
                .into()),
        }
    }

    /// Sends all commands in one go. Errors of single commands come back as [`Value::ServerError`].
    pub fn run(&mut self, pipeline: &Pipeline) -> redis::RedisResult<Vec<Value>> {
        self.connection
            .req_packed_commands(&pipeline.get_packed_pipeline(), 0, pipeline.len())
    }

    /// Like [`run`](Self::run), with another patience if any. An answer that takes longer is an error, and the
    /// connection is of no use afterwards.
    pub fn run_within(
        &mut self,
        patience: Option<Duration>,
        pipeline: &Pipeline,
    ) -> redis::RedisResult<Vec<Value>> {
        if patience.is_none() {
            return self.run(pipeline);
        }
        self.connection.set_read_timeout(patience)?;
        self.connection.set_write_timeout(patience)?;
        let answers = self.run(pipeline)?;
        self.connection.set_read_timeout(Some(self.patience))?;
        self.connection.set_write_timeout(Some(ANSWER_TIMEOUT))?;
        Ok(answers)
    }

    /// Sends one command.
    pub fn one(&mut self, command: &redis::Cmd) -> redis::RedisResult<Value> {
        match self.connection.req_command(command)? {
            Value::ServerError(error) => Err(error.into()),
            value => Ok(value),
        }
    }
}

/// One entry of a stream, with the fields we know.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    pub id: StreamId,
    /// Field "f".
    pub frame: Option<Vec<u8>>,
    /// Field "a".
    pub acked: u64,
    /// Field "t": milliseconds since 1970 by the sender's clock, when it sent.
    pub sent_ms: Option<u64>,
    /// Field "d": calls that the sender had dropped so far.
    pub dropped: u64,
}

/// The id of a stream entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct StreamId {
    pub ms: u64,
    pub seq: u64,
}

impl StreamId {
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (ms, seq) = std::str::from_utf8(text).ok()?.split_once('-')?;
        Some(Self {
            ms: ms.parse().ok()?,
            seq: seq.parse().ok()?,
        })
    }

    pub fn next(self) -> Self {
        match self.seq.checked_add(1) {
            Some(seq) => Self { seq, ..self },
            None => Self {
                ms: self.ms.saturating_add(1),
                seq: 0,
            },
        }
    }

    pub fn before(self) -> Self {
        match self.seq.checked_sub(1) {
            Some(seq) => Self { seq, ..self },
            None => Self {
                ms: self.ms.saturating_sub(1),
                seq: u64::MAX,
            },
        }
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

/// The entries in the answer to an `XREAD` of one stream. Whatever has another shape is passed over.
pub(crate) fn entries(answer: Value) -> Vec<Entry> {
    let Value::Array(streams) = answer else {
        return Vec::new();
    };
    let Some(Value::Array(mut stream)) = streams.into_iter().next() else {
        return Vec::new();
    };
    let Some(Value::Array(list)) = stream.pop() else {
        return Vec::new();
    };
    list.into_iter().filter_map(entry).collect()
}

fn entry(value: Value) -> Option<Entry> {
    let Value::Array(parts) = value else { return None };
    let mut parts = parts.into_iter();
    let Some(Value::BulkString(id)) = parts.next() else {
        return None;
    };
    let mut entry = Entry {
        id: StreamId::parse(&id)?,
        ..Entry::default()
    };
    if let Some(Value::Array(fields)) = parts.next() {
        let mut fields = fields.into_iter();
        while let (Some(Value::BulkString(name)), Some(Value::BulkString(value))) =
            (fields.next(), fields.next())
        {
            match name.as_slice() {
                b"f" => entry.frame = Some(value),
                b"a" => entry.acked = number(&value).unwrap_or(0),
                b"t" => entry.sent_ms = number(&value),
                b"d" => entry.dropped = number(&value).unwrap_or(0),
                _ => {}
            }
        }
    }
    Some(entry)
}

impl Entry {
    /// What the sender's clock shows when the broker's clock shows `broker_ms`: the time that has passed since the entry
    /// was added is measured by the broker alone. Of a sender that does not tell, the clock is taken for the broker's.
    pub fn senders_clock(&self, broker_ms: u64) -> u64 {
        let waited = broker_ms.saturating_sub(self.id.ms);
        self.sent_ms.unwrap_or(self.id.ms).saturating_add(waited)
    }
}

/// The answer to `TIME`, in milliseconds since 1970.
pub(crate) fn time_ms(answer: &Value) -> Option<u64> {
    let Value::Array(parts) = answer else { return None };
    let [Value::BulkString(seconds), Value::BulkString(micros)] = parts.as_slice() else {
        return None;
    };
    number(seconds)?
        .checked_mul(1000)?
        .checked_add(number(micros)? / 1000)
}

/// A decimal number.
pub(crate) fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        for (text, shown) in [
            ("redis://me:secret@host:6379/2", "redis://host:6379/2"),
            ("me:secret@host:6379", "host:6379"),
            ("redis://:sec@ret@host", "redis://host"),
            ("unix:///run/redis.sock?pass=secret", "unix:///run/redis.sock"),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.to_string(), shown);
            assert_eq!(format!("{address:?}"), format!("{shown:?}"));
        }
        let error = "rediss://me:secret@host".parse::<Address>().unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "http://host", "redis://", "host:port"] {
            assert!(text.parse::<Address>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn ids_have_neighbours() {
        let id = StreamId { ms: 5, seq: 0 };
        assert_eq!(id.before().next(), StreamId { ms: 5, seq: 0 });
        assert_eq!(StreamId::parse(b"12-3"), Some(StreamId { ms: 12, seq: 3 }));
        assert_eq!(StreamId::parse(b"12"), None);
    }

    #[test]
    fn the_clocks_of_sender_and_broker_need_not_agree() {
        let mut entry = Entry {
            id: StreamId { ms: 1_000, seq: 3 },
            sent_ms: Some(5_000_000),
            ..Entry::default()
        };
        assert_eq!(entry.senders_clock(1_200), 5_000_200);
        assert_eq!(
            entry.senders_clock(900),
            5_000_000,
            "the broker's clock was set back"
        );
        entry.sent_ms = None;
        assert_eq!(entry.senders_clock(1_200), 1_200);
        let time = |seconds: &str, micros: &str| {
            let parts = [seconds, micros].map(|part| Value::BulkString(part.into()));
            time_ms(&Value::Array(parts.to_vec()))
        };
        assert_eq!(time("12", "345678"), Some(12_345));
        assert_eq!(time("x", "0"), None);
    }

    #[test]
    fn queue_names_stay_in_their_braces() {
        assert_eq!(Keys::new("tensorplex").unwrap().input, "rc:{tensorplex.0}:in");
        for name in ["", "a}b", "a:b", "a b", &"x".repeat(129)] {
            assert!(Keys::new(name).is_err(), "{name:?}");
        }
    }
}
