//! Column block: calls of one method whose arguments have the same kinds, stored as columns.
//!
//! ```text
//! block    0x02 | method | varint rows | varint columns | kinds | clients | times | columns
//!            kinds    a byte per column: 0 nil, 1 false, 2 true, 3 integer, 4 float, 5 text
//!            columns  text columns first, then the others
//! clients  rows × varint, number of a name
//! times    byte shift | rows × zigzag varint: nanoseconds >> shift after the call before
//! column
//!   text     varint count | count × (varint length | UTF-8) | rows × varint, number of a text
//!   integer  see `delta`
//!   float    see `delta`
//!   others   nothing
//! ```
//!
//! Values that repeat or change little from step to step stand side by side, so that they compress
//! well. Every call of a block has positional arguments only, and neither a reply nor a deadline.

use super::bytes::{take, take_below, take_bytes};
use super::delta::DeltaCodec;
use super::error::FrameError;
use super::format::{MAX_ARGS, MAX_ROWS, MAX_SHIFT};
use crate::scalar_value::ScalarValue;
use crate::varint::{take_varint, unzigzag};

const KIND_NIL: u8 = 0;
const KIND_FALSE: u8 = 1;
const KIND_TRUE: u8 = 2;
const KIND_INT: u8 = 3;
const KIND_FLOAT: u8 = 4;
pub(super) const KIND_TEXT: u8 = 5;

/// Kind of the column that can hold a value.
pub(super) fn kind_of(value: ScalarValue<'_>) -> u8 {
    match value {
        ScalarValue::Nil => KIND_NIL,
        ScalarValue::Bool(false) => KIND_FALSE,
        ScalarValue::Bool(true) => KIND_TRUE,
        ScalarValue::Int(_) => KIND_INT,
        ScalarValue::Float(_) => KIND_FLOAT,
        ScalarValue::Text(_) => KIND_TEXT,
    }
}

/// Decoded column block.
#[derive(Debug)]
pub struct ColumnBlock<'a> {
    /// Method of all calls, an index into [`Calls::names`](super::Calls::names).
    pub method: usize,
    /// Client id of each call, an index into [`Calls::names`](super::Calls::names).
    pub clients: Vec<u32>,
    /// Time of each call, in nanoseconds since 1970-01-01 UTC.
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
    /// Decodes the part of a block that follows its method. There are `names` names, and the call
    /// before was made at `time_ns`. The block takes its memory out of `budget`, in bytes.
    pub(super) fn parse(
        rest: &mut &'a [u8],
        method: usize,
        names: usize,
        mut time_ns: i64,
        budget: &mut usize,
    ) -> Result<Self, FrameError> {
        let malformed = FrameError::Body("a block that is too long, or empty");
        let rows = take_below(rest, MAX_ROWS + 1).ok_or_else(|| malformed.clone())?;
        let width = take_below(rest, MAX_ARGS + 1).ok_or_else(|| malformed.clone())?;
        let kinds = take(rest, width)?;
        // Checked before allocating: a row takes at least one byte for its client and one for its
        // time.
        let cost = rows.saturating_mul(8 * (2 + width));
        if rows == 0 || rest.len() < 2 * rows || cost > *budget {
            return Err(malformed);
        }
        *budget -= cost;

        let client = |_| take_below(rest, names).map(|name| name as u32);
        let clients = (0..rows).map(client).collect::<Option<_>>();
        let clients = clients.ok_or(FrameError::Body("a name is not defined"))?;
        let [shift] = *take(rest, 1)? else {
            return Err(malformed);
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
        let deltas = match texts.first() {
            Some(first) => DeltaCodec::by_series(&first.rows, first.texts.len()),
            None => DeltaCodec::one_series(rows),
        };
        let mut texts = texts.into_iter();
        let column = |&kind: &u8| {
            Ok(match kind {
                KIND_NIL => Column::Constant(ScalarValue::Nil),
                KIND_FALSE => Column::Constant(ScalarValue::Bool(false)),
                KIND_TRUE => Column::Constant(ScalarValue::Bool(true)),
                KIND_INT => Column::Ints(deltas.take_ints(rest)?),
                KIND_FLOAT => Column::Floats(deltas.take_floats(rest)?),
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

    /// Client and time of the last call.
    pub(super) fn last(&self) -> Option<(usize, i64)> {
        Some((*self.clients.last()? as usize, *self.times.last()?))
    }

    /// Number of columns.
    pub fn width(&self) -> usize {
        self.columns.len()
    }

    /// Argument `column` of the call in `row`; `None` when there is none.
    #[inline]
    pub fn value(&self, row: usize, column: usize) -> Option<ScalarValue<'a>> {
        Some(match self.columns.get(column)? {
            Column::Constant(value) => *value,
            Column::Ints(rows) => ScalarValue::Int(*rows.get(row)?),
            Column::Floats(rows) => ScalarValue::Float(*rows.get(row)?),
            Column::Texts(Texts { texts, rows }) => ScalarValue::Text(texts.get(*rows.get(row)? as usize)?),
        })
    }
}

impl<'a> Texts<'a> {
    fn parse(rest: &mut &'a [u8], rows: usize) -> Result<Self, FrameError> {
        let malformed = FrameError::Body("a text of a block is not there");
        let count = take_below(rest, rows + 1).ok_or_else(|| malformed.clone())?;
        let mut texts = Vec::with_capacity(count);
        for _ in 0..count {
            let text = std::str::from_utf8(take_bytes(rest)?);
            texts.push(text.map_err(|_| FrameError::Body("a text of a block is not UTF-8"))?);
        }
        let row = |_| {
            take_below(rest, count)
                .map(|row| row as u32)
                .ok_or_else(|| malformed.clone())
        };
        let rows = (0..rows).map(row).collect::<Result<_, _>>()?;
        Ok(Self { texts, rows })
    }
}
