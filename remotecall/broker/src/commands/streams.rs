//! Commands on streams.

mod change;
mod read;

pub(super) use change::{xadd, xdel, xtrim};
pub(super) use read::{xinfo, xlen, xrange, xread};
