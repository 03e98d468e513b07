//! Log files on disk, as the server's catalog and the readers both see them.
//!
//! ```text
//! names      file names: client, format and number of a file; walking a folder
//! identity   identity of a file over renames; reading at an offset
//! ```

mod identity;
mod names;

pub use identity::LogId;
pub(crate) use identity::{HEAD, read_at};
pub use names::{ClientFiles, find_logs};
pub(crate) use names::{
    find_readable_logs, group_by_client, logrotated_files, rotated_files, rotation_number, walk,
};
