//! Log directories of any writer, read from beginning to end.
//!
//! ```text
//! files.rs     which directories are runs, and their files in the order in which readers take them
//! natural.rs   order of names with numbers in them
//! events.rs    every event of one file that can be read, and what cannot
//! scalars.rs   every scalar of one run, at full resolution
//! extract.rs   every whole record of a file, also behind damage
//! watch.rs     what is added to a directory
//! export.rs    scalars as CSV, JSON lines, or one JSON document as the original Tensorplex has it
//! table.rs     scalars as Parquet (feature `parquet`)
//! ```
//!
//! Files of other writers may be damaged; memory is bounded by [`MAX_PAYLOAD`](crate::tfevents::MAX_PAYLOAD), the
//! length of a record, and [`MAX_TAGS`], the names of the tags of a run.

mod events;
mod export;
pub(crate) mod extract;
mod files;
mod natural;
mod pattern;
mod scalars;
#[cfg(feature = "parquet")]
mod table;
mod watch;

pub use events::{Damage, Position, ReadSummary, read_events, read_records};
pub use export::{ExportError, Exported, Format, export, export_json};
pub use files::{FindError, FoundRuns, LeftOut, MAX_DEPTH, RunFiles, find_runs};
pub use natural::natural_order;
pub use pattern::{Pattern, PatternError};
pub use scalars::{MAX_TAGS, ScalarError, ScalarPoint, ScalarReader, Select};
pub use watch::Watch;
