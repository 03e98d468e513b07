//! Calls of one method whose arguments are of the same kinds, as columns.
//!
//! ```text
//! block    0x02 | method | varint rows | varint columns | kind of each column, a byte | clients | times | columns
//!            kinds    0 nil, 1 false, 2 true, 3 integer, 4 float, 5 text
//!            columns  those of texts, then the others
//! clients  rows × varint, number of a name
//! times    byte shift | rows × zigzag varint: nanoseconds >> shift after the call before
//! column
//!   text     varint count | count × (varint length | UTF-8) | rows × varint, number of one of these texts
//!   integer  rows × zigzag varint: the difference to the row before of the same series; the first of a series: to the
//!            row before
//!   float    8 × rows bytes: f64, in the order of the series, XORed with the one before in the same series; first the
//!            lowest byte of each, then the next …
//!   others   nothing
//! ```
//!
//! A series is the rows with the same text in the first column of texts; without one, all rows.
//! DeltaColumns come in the order of their texts. So what repeats, or changes little from step to step, stands together, and
//! compresses well.

use super::FrameError;
use super::body::{Call, CallArgs, ReplyMode};
use super::delta::DeltaColumns;
use super::reading::{take, take_below, take_bytes};
use crate::args::MAX_ARGS;
use crate::scalar_value::ScalarValue;
use crate::varint::{take_varint, unzigzag};

/// Most calls in a block.
pub(super) const MAX_ROWS: usize = 64 << 10;
/// Bits of a time that can be left out, at most.
pub(super) const MAX_SHIFT: u32 = 32;

const KIND_NIL: u8 = 0;
const KIND_FALSE: u8 = 1;
const KIND_TRUE: u8 = 2;
const KIND_INT: u8 = 3;
const KIND_FLOAT: u8 = 4;
pub(super) const KIND_TEXT: u8 = 5;

/// The kind of a column that can hold this value.
pub(super) fn kind_of(atom: ScalarValue<'_>) -> u8 {
    match atom {
        ScalarValue::Nil => KIND_NIL,
        ScalarValue::Bool(false) => KIND_FALSE,
        ScalarValue::Bool(true) => KIND_TRUE,
        ScalarValue::Int(_) => KIND_INT,
        ScalarValue::Float(_) => KIND_FLOAT,
        ScalarValue::Text(_) => KIND_TEXT,
    }
}

/// A block that was read.
#[derive(Debug)]
pub struct ColumnBlock<'a> {
    pub method: usize,
    pub clients: Vec<u32>,
    pub times: Vec<i64>,
    columns: Vec<Column<'a>>,
}

#[derive(Debug)]
enum Column<'a> {
    Constant(ScalarValue<'a>),
    Ints(Vec<i64>),
    Floats(Vec<f64>),
    Texts(Texts<'a>),
}

#[derive(Debug)]
struct Texts<'a> {
    texts: Vec<&'a str>,
    rows: Vec<u32>,
}

impl<'a> ColumnBlock<'a> {
    /// Reads a block behind its method. There are `names` names, the call before was at `time_ns`, and what is read may
    /// take `room` bytes of memory.
    pub fn parse(
        rest: &mut &'a [u8],
        method: usize,
        names: usize,
        mut time_ns: i64,
        room: &mut usize,
    ) -> Result<Self, FrameError> {
        let wrong = FrameError::Body("a block that is too long, or empty");
        let rows = take_below(rest, MAX_ROWS + 1).ok_or(wrong.clone())?;
        let width = take_below(rest, MAX_ARGS + 1).ok_or(wrong.clone())?;
        let kinds = take(rest, width)?;
        // Before memory is taken: each row needs at least a byte for its client and one for its time.
        let cost = rows.saturating_mul(8 * (2 + width));
        if rows == 0 || rest.len() < 2 * rows || cost > *room {
            return Err(wrong);
        }
        *room -= cost;

        let client = |_| take_below(rest, names).map(|name| name as u32);
        let clients = (0..rows).map(client).collect::<Option<_>>();
        let clients = clients.ok_or(FrameError::Body("a name is not defined"))?;
        let [shift] = *take(rest, 1)? else {
            return Err(wrong);
        };
        if u32::from(shift) > MAX_SHIFT {
            return Err(FrameError::Body("a block's times are shifted too far"));
        }
        let time = |_| {
            time_ns = time_ns.wrapping_add(unzigzag(take_varint(rest)?) << shift);
            Ok::<_, FrameError>(time_ns)
        };
        let times = (0..rows).map(time).collect::<Result<_, _>>()?;

        let is_text = |kind: &&u8| **kind == KIND_TEXT;
        let texts = |_| Texts::parse(rest, rows);
        let texts: Vec<Texts<'a>> = kinds
            .iter()
            .filter(is_text)
            .map(texts)
            .collect::<Result<_, _>>()?;
        let series = match texts.first() {
            Some(first) => DeltaColumns::of(&first.rows, first.texts.len()),
            None => DeltaColumns::one(rows),
        };
        let mut texts = texts.into_iter();
        let column = |&kind: &u8| {
            Ok(match kind {
                KIND_NIL => Column::Constant(ScalarValue::Nil),
                KIND_FALSE => Column::Constant(ScalarValue::Bool(false)),
                KIND_TRUE => Column::Constant(ScalarValue::Bool(true)),
                KIND_INT => Column::Ints(series.take_ints(rest)?),
                KIND_FLOAT => Column::Floats(series.take_floats(rest)?),
                KIND_TEXT => Column::Texts(texts.next().ok_or(FrameError::Body("a column is missing"))?),
                _ => return Err(FrameError::Body("unknown kind of column")),
            })
        };
        let columns = kinds.iter().map(column).collect::<Result<_, FrameError>>()?;
        Ok(Self {
            method,
            clients,
            times,
            columns,
        })
    }

    /// One of its calls.
    pub fn call(&self, row: usize) -> Call<'_> {
        Call {
            method: self.method,
            client: self.clients[row] as usize,
            reply: ReplyMode::Nothing,
            time_ns: self.times[row],
            deadline_ms: None,
            args: CallArgs::Row(self, row),
        }
    }

    /// Client and time of the last call.
    pub fn last(&self) -> Option<(usize, i64)> {
        Some((*self.clients.last()? as usize, *self.times.last()?))
    }

    /// Number of columns.
    pub fn width(&self) -> usize {
        self.columns.len()
    }

    /// An argument of a call; none when it has fewer.
    #[inline]
    pub fn value(&self, row: usize, column: usize) -> Option<ScalarValue<'a>> {
        Some(match self.columns.get(column)? {
            Column::Constant(atom) => *atom,
            Column::Ints(rows) => ScalarValue::Int(*rows.get(row)?),
            Column::Floats(rows) => ScalarValue::Float(*rows.get(row)?),
            Column::Texts(Texts { texts, rows }) => ScalarValue::Text(texts.get(*rows.get(row)? as usize)?),
        })
    }
}

impl<'a> Texts<'a> {
    fn parse(rest: &mut &'a [u8], rows: usize) -> Result<Self, FrameError> {
        let wrong = FrameError::Body("a text of a block is not there");
        let count = take_below(rest, rows + 1).ok_or(wrong.clone())?;
        let mut texts = Vec::with_capacity(count);
        for _ in 0..count {
            let text = std::str::from_utf8(take_bytes(rest)?);
            texts.push(text.map_err(|_| FrameError::Body("a text of a block is not UTF-8"))?);
        }
        let row = |_| take_below(rest, count).map(|row| row as u32).ok_or(wrong.clone());
        let rows = (0..rows).map(row).collect::<Result<_, _>>()?;
        Ok(Self { texts, rows })
    }
}
