//! Call errors: the reasons for which a server did not return a result.

use serde::{Deserialize, Serialize};

use crate::type_name::type_name;

/// Error of one call on the server, sent to the caller as its reply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The object has no such remote method.
    #[error("unknown method {0:?}")]
    UnknownMethod(String),
    /// An argument is missing, unknown or of the wrong type.
    #[error("argument {name}: {why}")]
    BadArgument {
        /// The argument's name, or `#3` for the third.
        name: String,
        /// Reason, such as the expected type.
        why: String,
    },
    /// The bytes of the call cannot be decoded.
    #[error("unreadable call: {0}")]
    Unreadable(String),
    /// The client id is not valid.
    #[error("{0}")]
    BadClientId(String),
    /// The method returned an error.
    #[error("{kind}: {message}")]
    Raised {
        /// The error's type, such as `ParseIntError`.
        kind: String,
        /// Text of the error.
        message: String,
        /// Traceback in the form of the server's language, for people to read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        traceback: Option<String>,
    },
    /// The method panicked; the server continues.
    #[error("the method panicked: {0}")]
    Panicked(String),
    /// The caller asks for a result, and the server was started without return values.
    #[error(
        "this server does not return values: use a one-way client, or start it with has_return_value(true)"
    )]
    NoReturnValues,
    /// The encoded result is larger than [`MAX_RESULT`](crate::MAX_RESULT).
    #[error("result of {size} bytes is too large: at most {limit} are allowed")]
    TooLarge {
        /// Size of the encoded result in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The server came to the call after its deadline, and did not run it.
    #[error(
        "the call was not run: its turn came {after_ms} ms after it was made, and its deadline was {deadline_ms} ms"
    )]
    DeadlineExceeded {
        /// Time from the call to its turn by the broker's clock, in milliseconds.
        after_ms: u64,
        /// The deadline in milliseconds after the call.
        deadline_ms: u64,
    },
    /// The call ran, but its result is not in the server's reply cache.
    #[error("the result of this call is no longer kept")]
    ResultExpired,
}

impl CallError {
    /// A [`BadArgument`](Self::BadArgument).
    pub fn bad_argument(name: &str, why: String) -> Self {
        Self::BadArgument {
            name: name.to_owned(),
            why,
        }
    }

    /// A [`Raised`](Self::Raised) with the type and the text of `error`, which the method returned.
    pub fn raised<E: std::fmt::Display>(error: &E) -> Self {
        Self::Raised {
            kind: type_name::<E>(),
            message: error.to_string(),
            traceback: None,
        }
    }

    /// True if the call did not run and may succeed when it is made again, as it is: its deadline
    /// passed.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::DeadlineExceeded { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Servers in other languages may omit the traceback.
    #[test]
    fn a_traceback_is_encoded_only_when_there_is_one() {
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

    #[test]
    fn only_a_call_that_did_not_run_in_time_is_retryable() {
        let late = CallError::DeadlineExceeded {
            after_ms: 20,
            deadline_ms: 10,
        };
        assert!(late.is_retryable());
        for error in [CallError::ResultExpired, CallError::Panicked("no".to_owned())] {
            assert!(!error.is_retryable(), "{error}");
        }
    }
}
