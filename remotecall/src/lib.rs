//! Any object, called from other processes over Redis: same method names, same arguments, futures back.

mod args;
mod broker;
mod call_error;
mod client;
mod client_id;
mod files;
mod frame;
mod journal;
mod mode;
mod remote;
mod reply;
mod server;

pub use args::{Args, ArgsError, MAX_ARGS, MAX_DEPTH};
pub use broker::{Address, AddressError, MAX_QUEUE_NAME, QueueNameError};
pub use call_error::CallError;
pub use client::{
    CLOSE_TIMEOUT, Client, ClientOptions, ClientStats, ConnectError, FlushError, NotQueued, RemoteError,
    RemoteFuture, WhenFull,
};
pub use client_id::{ClientId, ClientIdError, MAX_CLIENT_ID, MAX_PART};
pub use files::{FileId, FileSet, NewFile, PickPath};
pub use frame::{FrameError, MAX_BODY, MAX_CALLS, MAX_FRAME, ProducerId};
pub use journal::JournalError;
pub use mode::{Mode, OneWay, Returning};
pub use remote::{CallContext, Durable, Method, Remote};
pub use reply::MAX_RESULT;
pub use rmp_serde;
pub use server::{RemoteCall, RunError, ServerHandle, StatsSnapshot};
