//! Connections to a broker: addresses, credentials, the keys of a queue, and blocking connections.
//!
//! ```text
//! rc:{QUEUE.SHARD}:in      stream of frames
//!     f                    the frame
//!     a, t, d              the sender's acknowledgement, clock and dropped calls when it sent it
//!     p, z                 the end of a producer
//!     m                    a mark that the server itself added
//! rc:{QUEUE.SHARD}:ack     hash
//!     PRODUCER             highest acknowledged frame of the producer, an id in hexadecimal
//!     PRODUCER:refused     refused calls of the producer
//!     dropped, accepted    calls that producers dropped, frames that were accepted
//! rc:{QUEUE.SHARD}:lease   name of the server that serves the queue; expires by itself
//! rc:{r.PRODUCER}:out      stream of replies to one producer; expires by itself
//! ```
//!
//! Connections are blocking sockets with timeouts. After any failure the caller drops the
//! connection and opens another. The protocol, not the connection, settles what was in flight:
//! frames are numbered, so that a frame which is sent twice runs once.
//!
//! Signatures of this crate have types of the crate `redis`: it serves `remotecall`, whose own
//! signatures have none.

mod address;
mod connection;
mod credentials;
mod diagnose;
mod endpoint;
mod entry;
mod environment;
pub mod percent;

pub use address::{Address, AddressError};
pub use connection::{Connection, REPLY_TIMEOUT};
pub use credentials::{FileError, MAX_PASSWORD, read_password, warn_if_others_can_read};
pub use endpoint::{Endpoint, Role};
pub use entry::{Entry, StreamId, entries, number, time_ms};
pub use environment::{Environment, Variable};

use remotecall_wire::ProducerId;

/// Limit on the name of a queue, in bytes.
pub const MAX_QUEUE_NAME: usize = 128;

/// Field of the acknowledgements with the number of calls that producers dropped.
pub const DROPPED_FIELD: &str = "dropped";

/// Field of the acknowledgements with the number of frames that were accepted since the journal
/// began.
pub const ACCEPTED_FIELD: &str = "accepted";

/// Field of the acknowledgements with the refused calls of a producer: `COUNT TEXT`.
pub fn refused_field(producer: ProducerId) -> String {
    format!("{producer}:refused")
}

/// Keys of one queue.
#[derive(Clone, Debug)]
pub struct Keys {
    /// Stream of frames.
    pub input: String,
    /// Hash of acknowledgements.
    pub acks: String,
    /// Lease of the server.
    pub lease: String,
}

/// Error of a text that is not the name of a queue.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "queue name {0:?} cannot be used: 1 to {MAX_QUEUE_NAME} letters, digits, '.', '_' and '-' are allowed"
)]
pub struct QueueNameError(String);

impl Keys {
    /// Keys of the queue `queue`.
    ///
    /// # Errors
    /// When the name is empty, too long, or has other characters than letters, digits, `.`, `_` and
    /// `-`.
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

/// Key of the stream of replies to `producer`.
pub fn reply_key(producer: ProducerId) -> String {
    format!("rc:{{r.{producer}}}:out")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_name_cannot_leave_the_braces_of_its_keys() {
        assert_eq!(Keys::new("tensorplex").unwrap().input, "rc:{tensorplex.0}:in");
        for name in ["", "a}b", "a:b", "a b", &"x".repeat(129)] {
            assert!(Keys::new(name).is_err(), "{name:?}");
        }
    }
}
