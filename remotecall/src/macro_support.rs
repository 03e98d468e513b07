//! Functions for the code that `#[remote]` generates; not public API.

use serde::{Serialize, Serializer};

use crate::{CallError, Client, ClientOptions, ConnectError, Environment};

/// Serializes as bytes, not as a list of numbers.
#[derive(Clone, Copy, Debug)]
pub struct Bytes<'a>(pub &'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

/// Connects with the environment variables that `#[remote(environment = "PREFIX")]` names.
///
/// # Errors
/// As for [`Client::connect`].
pub fn connect(
    address: &str,
    queue: &str,
    client_id: &str,
    prefix: &'static str,
) -> Result<Client, ConnectError> {
    let options = ClientOptions {
        environment: Environment::with_prefix(prefix),
        ..ClientOptions::default()
    };
    Client::connect_with(address, queue, client_id, options)
}

/// Appends `value` to `result`, or nothing when it cannot be encoded.
///
/// # Errors
/// The error of serde, as if the method had raised it.
pub fn encode<T: Serialize>(result: &mut Vec<u8>, value: &T) -> Result<(), CallError> {
    let before = result.len();
    rmp_serde::encode::write_named(result, value).map_err(|error| {
        result.truncate(before);
        CallError::raised(&error)
    })
}

/// A number that [`Remote::method`](crate::Remote::method) never gave.
///
/// # Errors
/// Always.
pub fn no_such_number(number: usize) -> Result<(), CallError> {
    Err(CallError::UnknownMethod(format!("#{number}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check<T: Serialize>(value: T, expect: &[u8]) {
        let mut result = b"x".to_vec();
        encode(&mut result, &value).unwrap();
        assert_eq!(result, [b"x", expect].concat());
    }

    #[test]
    fn bytes_are_not_a_list_of_numbers() {
        check(Bytes(&[7, 8]), &[0xc4, 2, 7, 8]);
        check(Some(Bytes(&[7])), &[0xc4, 1, 7]);
    }

    /// Arguments that a generated client sends for a method without arguments.
    #[test]
    fn no_arguments_are_an_empty_array() {
        check([(); 0], &[0x90]);
    }

    #[test]
    fn half_a_value_is_taken_back() {
        struct Half;
        impl Serialize for Half {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use serde::ser::{Error, SerializeTuple};
                let mut pair = serializer.serialize_tuple(2)?;
                pair.serialize_element(&1)?;
                Err(S::Error::custom("no second half"))
            }
        }
        let mut result = b"x".to_vec();
        let error = encode(&mut result, &Half).unwrap_err();
        assert!(error.to_string().ends_with("no second half"), "{error}");
        assert_eq!(result, b"x");
    }
}
