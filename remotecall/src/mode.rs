//! Modes of a client: calls that return futures, and one-way calls.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Client, RemoteFuture};

/// Mode of a client: decides what a call returns.
pub trait Mode: sealed::Sealed + Send + Sync + 'static {
    /// `RemoteFuture<T>` or `()`.
    type Output<T: DeserializeOwned + Send + 'static>;

    /// Queues the call. `args` serializes as an array with one element per argument.
    fn call<A: Serialize, T: DeserializeOwned + Send + 'static>(
        client: &Client,
        method: &str,
        args: &A,
    ) -> Self::Output<T>;
}

/// Calls return futures.
#[derive(Clone, Copy, Debug)]
pub struct Returning;

/// Calls return `()`, and the server sends no reply.
#[derive(Clone, Copy, Debug)]
pub struct OneWay;

impl Mode for Returning {
    type Output<T: DeserializeOwned + Send + 'static> = RemoteFuture<T>;

    fn call<A: Serialize, T: DeserializeOwned + Send + 'static>(
        client: &Client,
        method: &str,
        args: &A,
    ) -> RemoteFuture<T> {
        client.call(method, args)
    }
}

impl Mode for OneWay {
    type Output<T: DeserializeOwned + Send + 'static> = ();

    fn call<A: Serialize, T: DeserializeOwned + Send + 'static>(client: &Client, method: &str, args: &A) {
        client.send(method, args);
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Returning {}
    impl Sealed for super::OneWay {}
}
