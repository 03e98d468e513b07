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

mod address;
mod connection;
mod credentials;
mod diagnose;
mod endpoint;
mod entry;
mod environment;
pub mod percent;

pub use address::{Address, AddressError};
pub use connection::{ANSWER_TIMEOUT, Connection};
pub use credentials::{FileError, MAX_PASSWORD, read_password, warn_if_others_can_read};
pub use endpoint::{Endpoint, Role};
pub use entry::{Entry, StreamId, entries, number, time_ms};
pub use environment::{Environment, Variable};

use remotecall_wire::ProducerId;

/// Longest name of a queue, in bytes.
pub const MAX_QUEUE_NAME: usize = 128;

/// The field of the acks that says how many calls producers have dropped.
pub const DROPPED_FIELD: &str = "dropped";

/// Field of the acks that counts the frames accepted since the journal began.
pub const ACCEPTED_FIELD: &str = "accepted";

/// Field of the acks that counts refused calls of a producer: `COUNT TEXT`.
pub fn refused_field(producer: ProducerId) -> String {
    format!("{producer}:refused")
}

/// The keys of one queue.
#[derive(Clone, Debug)]
pub struct Keys {
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

pub fn reply_key(producer: ProducerId) -> String {
    format!("rc:{{r.{producer}}}:out")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queue_names_stay_in_their_braces() {
        assert_eq!(Keys::new("tensorplex").unwrap().input, "rc:{tensorplex.0}:in");
        for name in ["", "a}b", "a:b", "a b", &"x".repeat(129)] {
            assert!(Keys::new(name).is_err(), "{name:?}");
        }
    }
}
