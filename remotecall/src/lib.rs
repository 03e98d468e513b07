//! Any object, called from other processes over Redis: same method names, same arguments, futures back.

mod args;
mod call_error;
mod client;
mod client_id;
pub mod embedded;
mod files;
mod mode;
mod remote;

pub use args::{Args, ArgsError, MAX_ARGS, MAX_DEPTH};
pub use call_error::CallError;
pub use client::{Client, ConnectError, FlushError, RemoteFuture};
pub use client_id::{ClientId, ClientIdError, MAX_CLIENT_ID, MAX_PART};
pub use files::{FileId, FileSet, NewFile};
pub use mode::{Mode, OneWay, Returning};
pub use remote::{CallContext, Durable, Method, Remote};
pub use rmp_serde;
