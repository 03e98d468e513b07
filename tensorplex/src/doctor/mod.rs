//! Faults of log directories, found and mended.
//!
//! ```text
//! salvage.rs   every whole record of a file, also behind damage
//! fault.rs     what can be wrong, and what mending does about it
//! survey.rs    the files of a run, looked at: their faults, and what is known of their tags
//! examine.rs   the faults of a directory
//! mend.rs      a run, written again without them
//! repair.rs    a copy of a directory in which every run with faults is mended
//! ```
//!
//! TensorBoard has two readers, and a fault is what at least one of them does not survive or shows otherwise.

mod examine;
mod fault;
mod mend;
mod repair;
mod salvage;
mod survey;

pub use examine::{ExamineError, examine};
pub use fault::{Fault, Finding};
pub use mend::MendError;
pub use repair::{RepairError, Repaired, repair};
pub(crate) use salvage::record_from;
