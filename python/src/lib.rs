//! `tensorplex._native`: the Rust half of the Python package.
//!
//! ```text
//! client, connection, future    remote calls of a client
//! local, open_files             records into a local directory
//! scalar                        fast path of `add_scalar`
//! records, buffer_pool          images, histograms and other records; memory for copies of arrays
//! server, servers               served Python objects; the servers of records and log lines
//! broker                        the embedded broker
//! values                        Python values as MessagePack
//! errors                        Rust errors as Python exceptions
//! background, shutdown          closing in threads, and at the end of the process
//! package, log_bridge           calls into the Python half; warnings of Rust threads for its logger
//! lock, waiting, process_bound  mutexes, interruptible waits, values of one process
//! ```
//!
//! Rules that keep threads and forks from blocking each other:
//!
//! - A lock of this crate is held only while attached to the interpreter, and never while Python code
//!   runs. So no attached thread waits for a lock of a detached one, and a fork finds every lock free.
//! - Threads and sockets are used only by the process that made them.
//! - Encoding threads never attach, and never wait for an attached thread.

use pyo3::prelude::*;

mod background;
mod broker;
mod buffer_pool;
mod client;
mod connection;
mod errors;
mod future;
mod local;
mod lock;
mod log_bridge;
mod numpy_view;
mod open_files;
mod package;
mod process_bound;
mod records;
mod scalar;
mod server;
mod servers;
mod shutdown;
mod values;
mod waiting;

#[pymodule]
mod _native {
    /// Version of the package.
    #[pymodule_export]
    const VERSION: &str = env!("CARGO_PKG_VERSION");
    #[pymodule_export]
    use crate::broker::EmbeddedBroker;
    #[pymodule_export]
    use crate::client::{Client, safe_name, safe_part, shown_address};
    #[pymodule_export]
    use crate::future::RemoteFuture;
    #[pymodule_export]
    use crate::local::LocalWriter;
    #[pymodule_export]
    use crate::log_bridge::{close_log_bridge, next_log_message, start_log_bridge};
    #[pymodule_export]
    use crate::records::{
        add_audio, add_custom_scalars, add_embedding, add_event, add_graph, add_histogram, add_hparams,
        add_image, add_mesh, add_onnx_graph, add_pr_curve, add_pr_curve_raw, add_scalar_tensor, add_summary,
        add_tensor, add_video,
    };
    #[pymodule_export]
    use crate::server::{Server, ServerHandle};
    #[pymodule_export]
    use crate::servers::{LogLines, check_group, export_json, runs, serve_lines, serve_records};
    #[pymodule_export]
    use crate::shutdown::close_all;
    #[pymodule_export]
    use crate::values::{decode_bytes, encode_bytes};
}
