//! What can be wrong with one call, as the server saw it.

use serde::{Deserialize, Serialize};

use crate::type_name::type_name;

/// A call failed on the server. This travels back to the caller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum CallError {
    /// The object has no such method, or does not offer it.
    #[error("unknown method {0:?}")]
    UnknownMethod(String),
    /// An argument is missing, unknown or of another type.
    #[error("argument {name}: {why}")]
    BadArgument {
        /// The argument's name, or `#3` for the third.
        name: String,
        /// What was expected.
        why: String,
    },
    /// The call's bytes could not be read.
    #[error("unreadable call: {0}")]
    Unreadable(String),
    /// The client id cannot be used.
    #[error("{0}")]
    BadClientId(String),
    /// The method returned an error.
    #[error("{kind}: {message}")]
    Raised {
        /// The error's type, such as `ParseIntError`.
        kind: String,
        /// What it says.
        message: String,
        /// Where it happened, as the server's language shows it, for people.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        traceback: Option<String>,
    },
    /// The method panicked; the server goes on.
    #[error("the method panicked: {0}")]
    Panicked(String),
    /// The server was started without return values, and the caller wants one.
    #[error(
        "this server does not return values: use a one-way client, or start it with has_return_value(true)"
    )]
    NoReturnValues,
    /// The result is too large to travel.
    #[error("result of {size} bytes is too large: at most {limit} are allowed")]
    TooLarge {
        /// Size of the encoded result in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The server came to the call too late, and did not run it.
    #[error(
        "the call was not run: its turn came {after_ms} ms after it was made, and its deadline was {deadline_ms} ms"
    )]
    DeadlineExceeded {
        /// How long after the call the server took it, by the broker's clock, in milliseconds.
        after_ms: u64,
        /// The deadline in milliseconds after the call.
        deadline_ms: u64,
    },
    /// The server no longer has the result of this call.
    #[error("the result of this call is no longer kept")]
    ResultExpired,
}

impl CallError {
    /// An argument is wrong.
    pub fn bad_argument(name: &str, why: String) -> Self {
        Self::BadArgument {
            name: name.to_owned(),
            why,
        }
    }

    /// An error that the method itself returned.
    pub fn raised<E: std::fmt::Display>(error: &E) -> Self {
        Self::Raised {
            kind: type_name::<E>(),
            message: error.to_string(),
            traceback: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Other writers may leave the traceback out.
    #[test]
    fn a_traceback_travels_only_when_there_is_one() {
        let error = |traceback: Option<&str>| CallError::Raised {
            kind: "TypeError".to_owned(),
            message: "no".to_owned(),
            traceback: traceback.map(str::to_owned),
        };
        let short = rmp_serde::to_vec_named(&error(None)).unwrap();
        assert!(!short.windows(9).any(|part| part == b"traceback"));
        let long = rmp_serde::to_vec_named(&error(Some("line 3"))).unwrap();
        for (bytes, expect) in [(short, error(None)), (long, error(Some("line 3")))] {
            assert_eq!(rmp_serde::from_slice::<CallError>(&bytes).unwrap(), expect);
        }
    }
}
