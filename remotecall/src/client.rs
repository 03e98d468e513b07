//! The caller's end of a queue. (Skeleton: the real one replaces it.)

use std::marker::PhantomData;
use std::time::Duration;

use serde::Serialize;

use crate::{ClientId, ClientIdError};

/// Skeleton.
#[derive(Clone, Debug)]
pub struct Client(ClientId);

/// Skeleton.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Skeleton.
    #[error(transparent)]
    ClientId(#[from] ClientIdError),
}

/// Skeleton.
#[derive(Debug, thiserror::Error)]
#[error("{records} records are outstanding")]
pub struct FlushError {
    /// Skeleton.
    pub records: u64,
}

/// Skeleton.
#[derive(Debug)]
pub struct RemoteFuture<T>(PhantomData<T>);

impl Client {
    /// Skeleton.
    pub fn connect(_address: &str, _queue: &str, client_id: &str) -> Result<Self, ConnectError> {
        Ok(Self(ClientId::new(client_id)?))
    }

    /// Skeleton.
    pub fn with_client_id(&self, client_id: &str) -> Result<Self, ClientIdError> {
        Ok(Self(ClientId::new(client_id)?))
    }

    /// Skeleton.
    pub fn call<A: Serialize, T>(&self, _method: &str, _args: &A) -> RemoteFuture<T> {
        RemoteFuture(PhantomData)
    }

    /// Skeleton.
    pub fn send<A: Serialize>(&self, _method: &str, _args: &A) {}

    /// Skeleton.
    pub fn flush(&self, _timeout: Duration) -> Result<(), FlushError> {
        Ok(())
    }
}
