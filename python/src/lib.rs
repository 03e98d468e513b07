//! `tensorplex._native`: what the Python package takes from Rust.
//!
//! ```text
//! values    Python objects to MessagePack and back
//! client    calls, futures              what a caller holds
//! server    a Python object as a Remote
//! broker    the embedded broker
//! plex      servers of records and log lines
//! log_bridge  warnings of Rust threads as records of the logger `tensorplex`
//! scalar    a number as it comes
//! records   images and their like
//! local     a directory instead of a server
//! exit      what is still on its way when the interpreter ends
//! errors    which exception stands for what
//! ```
//!
//! Two rules keep threads and forks out of each other's way. A lock of this crate is held only while
//! attached to the interpreter and never while Python code runs: then no thread waits for a lock that a
//! detached thread holds, and a forking thread finds every lock free. And what lives in threads or sockets is
//! used only by the process that made it. The threads that encode are never attached, and never wait for one that is.

use pyo3::prelude::*;

mod broker;
mod cells;
mod client;
mod errors;
mod exit;
mod future;
mod local;
mod lock;
mod log_bridge;
mod owned;
mod plex;
mod records;
mod scalar;
mod server;
mod spare;
mod values;

#[pymodule]
mod _native {
    #[pymodule_export]
    use crate::broker::EmbeddedBroker;
    #[pymodule_export]
    use crate::client::{Client, shown_address};
    #[pymodule_export]
    use crate::exit::close_all;
    #[pymodule_export]
    use crate::future::RemoteFuture;
    #[pymodule_export]
    use crate::local::LocalWriter;
    #[pymodule_export]
    use crate::log_bridge::{close_log_bridge, next_log_message, start_log_bridge};
    #[pymodule_export]
    use crate::plex::{LogLines, check_group, export_json, runs, serve_lines, serve_records};
    #[pymodule_export]
    use crate::records::{
        add_audio, add_custom_scalars, add_embedding, add_event, add_graph, add_histogram, add_hparams,
        add_image, add_mesh, add_onnx_graph, add_pr_curve, add_pr_curve_raw, add_scalar_tensor, add_summary,
        add_tensor, add_video,
    };
    #[pymodule_export]
    use crate::server::{Server, ServerHandle};
    #[pymodule_export]
    use crate::values::{decode_bytes, encode_bytes};
}
