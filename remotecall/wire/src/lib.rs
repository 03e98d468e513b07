//! Wire format of `remotecall`: frames, column blocks, arguments and replies as bytes.
//!
//! This crate has no I/O, no threads and no clock. Its input may be hostile: each decoder checks a
//! length against a named limit before it allocates.
//!
//! ```
//! use remotecall_wire::{Calls, Frame, FrameBuilder, NewCall, ProducerId, ReplyMode};
//!
//! let mut builder = FrameBuilder::default();
//! let call = NewCall {
//!     method: "add",
//!     client: "agent/17",
//!     reply: ReplyMode::Nothing,
//!     time_ns: 0,
//!     deadline_ms: None,
//!     has_named: false,
//! };
//! builder.append(&call, &rmp_serde::to_vec(&("loss", 0.5))?);
//! let bytes = builder.close().seal(ProducerId::random()?, 1);
//!
//! let frame = Frame::parse(&bytes)?;
//! let body = frame.body()?;
//! let calls = Calls::parse(&body, frame.time_ns, frame.count)?;
//! for call in calls.iter() {
//!     assert_eq!(calls.names[call.method], "add");
//!     assert_eq!(call.args.get()?.required::<f64>(1, "value")?, 0.5);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod call_error;
mod client_id;
mod frame;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod producer_id;
mod reply;
mod safe_name;
mod scalar_value;
mod type_name;
mod varint;

pub use call_error::CallError;
pub use client_id::{ClientId, ClientIdError, MAX_CLIENT_ID, MAX_PART};
pub use frame::{
    Args, ArgsError, Call, CallArgs, Calls, ColumnBlock, Draft, Frame, FrameBuilder, FrameError, Item,
    MAX_ARGS, MAX_BODY, MAX_CALLS, MAX_DEPTH, MAX_FRAME, NewCall, OVERHEAD, ReplyMode,
};
pub use producer_id::ProducerId;
pub use reply::{ASK, MAX_RESULT, Outbox, Replies, Reply, ReplyError, ReplyValue};
pub use safe_name::{name_hash, safe_part};
pub use scalar_value::ScalarValue;
