//! Layout of a frame and of the items in its body: constants and limits.
//!
//! ```text
//! frame
//!   magic      4   "RCF1"
//!   flags      1   bit 0: the body is an LZ4 block; bit 1: it has column blocks; others are zero
//!   producer  16   random id of the sender
//!   seq        8   u64 LE; 1, 2, 3 … per producer
//!   time       8   i64 LE; nanoseconds since 1970 UTC; times of calls are relative to it
//!   count      4   u32 LE; number of calls in the body
//!   raw_len    4   u32 LE; length of the body before compression
//!   body       …   items
//!   crc        4   u32 LE; CRC-32C of all bytes before it
//!
//! item
//!   define   0x00 | varint length | UTF-8          the next name: 0, 1, 2 …
//!   call     0x01 + bits | method | client | time | deadline | varint length | arguments
//!              bits 1-2   reply: 0 none, 1 the result, 2 only an error
//!              bit  3     named arguments follow the positional ones
//!              bit  4     same method and client as the call before; both are left out
//!              bit  5     the call has a deadline; without the bit, the deadline is left out
//!            method, client   varint, number of a name
//!            time             zigzag varint, nanoseconds after the call before; the first call's
//!                             after the frame's time
//!            deadline         varint, milliseconds after the call's time
//!            arguments        see `args`
//!   block    0x02 …        see `column_block`
//! ```
//!
//! Varints are LEB128 of at most ten bytes.

/// Limit on a frame as sent, 16 MiB.
pub const MAX_FRAME: usize = 16 << 20;
/// Limit on a body before compression, 64 MiB.
pub const MAX_BODY: usize = 64 << 20;
/// Limit on the calls in one frame, 1 048 576.
pub const MAX_CALLS: usize = 1 << 20;
/// Size of a frame without its body, in bytes.
pub const OVERHEAD: usize = HEADER + FOOTER;
/// Limit on the arguments of one call, positional and named together.
pub const MAX_ARGS: usize = 64;

/// Highest compression ratio of LZ4: a header that claims more is forged.
pub(super) const MAX_RATIO: usize = 255;
pub(super) const MAGIC: [u8; 4] = *b"RCF1";
pub(super) const FLAG_LZ4: u8 = 1;
/// Decoders need no flag to read a block; it makes servers older than blocks refuse the frame.
pub(super) const FLAG_BLOCKS: u8 = 2;
pub(super) const HEADER: usize = 45;
pub(super) const FOOTER: usize = 4;

/// Limit on a name (method or client id), 64 KiB.
pub(super) const MAX_NAME: usize = 64 << 10;
/// Limit on the names in one frame, 65 536.
pub(super) const MAX_NAMES: usize = 64 << 10;

pub(super) const ITEM_DEFINE: u8 = 0;
pub(super) const ITEM_CALL: u8 = 1;
pub(super) const ITEM_BLOCK: u8 = 2;
pub(super) const REPLY_SHIFT: u8 = 1;
pub(super) const BIT_NAMED: u8 = 1 << 3;
pub(super) const BIT_SAME: u8 = 1 << 4;
pub(super) const BIT_DEADLINE: u8 = 1 << 5;

/// Limit on the calls in one column block, 65 536.
pub(super) const MAX_ROWS: usize = 64 << 10;
/// Limit on the low bits that the times of a block leave out.
pub(super) const MAX_SHIFT: u32 = 32;
