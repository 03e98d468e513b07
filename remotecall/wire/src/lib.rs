//! Wire format of `remotecall`: frames, column blocks, arguments and replies as bytes.
//!
//! This crate has no I/O, no threads and no clock. Everything in it decodes bytes that may be hostile: each length
//! is checked against a named limit before memory is taken.

mod args;
mod call_error;
mod client_id;
mod frame;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod reply;
mod safe_name;
mod scalar_value;
mod type_name;
mod varint;

pub use args::{Args, ArgsError, MAX_ARGS, MAX_DEPTH};
pub use call_error::CallError;
pub use client_id::{ClientId, ClientIdError, MAX_CLIENT_ID, MAX_PART};
pub use frame::{
    Call, CallArgs, Calls, ColumnBlock, Draft, Frame, FrameBuilder, FrameError, Item, MAX_BODY, MAX_CALLS,
    MAX_FRAME, NewCall, OVERHEAD, ProducerId, ReplyMode,
};
pub use reply::{ASK, MAX_RESULT, Outbox, Replies, Reply, ReplyError, ReplyValue};
pub use safe_name::safe_part;
pub use scalar_value::ScalarValue;
