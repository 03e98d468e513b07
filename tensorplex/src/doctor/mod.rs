//! Faults of log directories, found and mended.
//!
//! ```text
//! fault.rs     what can be wrong, and what mending does about it
//! scan.rs      the files of a run, looked at: their faults, and what is known of their tags
//! examine.rs   the faults of a directory
//! fix.rs       a run, written again without them
//! copy.rs      a copy of a directory in which every run with faults is mended
//! ```
//!
//! TensorBoard has two readers, and a fault is what at least one of them does not survive or shows otherwise.

mod copy;
mod examine;
mod fault;
mod fix;
mod scan;

pub use copy::{RepairError, Repaired, repair};
pub use examine::{ExamineError, Examined, examine};
pub use fault::{Fault, Finding};
pub use fix::FixError;
