//! Fuzz targets that use public functions. Tests of the workspace include these files to replay the
//! corpora.

pub mod events;
pub mod lines;
