//! Column encoder: rewrites a body of single calls into column blocks.
//!
//! Consecutive calls become one [block](super::column_block) when they have the same method and the
//! same kinds of arguments. All other calls are copied as they are.

use std::collections::HashMap;

use rmp::Marker;
use smallvec::SmallVec;

use super::bytes::take_bytes;
use super::call::{Call, CallArgs, ReplyMode};
use super::column_block::{KIND_TEXT, kind_of};
use super::delta::DeltaCodec;
use super::format::{BIT_SAME, ITEM_BLOCK, ITEM_CALL, ITEM_DEFINE, MAX_ARGS, MAX_ROWS, MAX_SHIFT};
use super::item_reader::{Item, ItemReader};
use crate::scalar_value::ScalarValue;
use crate::varint::{put_varint, take_varint, unzigzag, zigzag};

/// Head of a call with the same method and client as the call before, without reply, deadline and
/// named arguments.
const SAME_CALL: u8 = ITEM_CALL | BIT_SAME;

/// The body with blocks; `None` when it cannot be decoded.
pub(super) fn pack(body: &[u8], time_ns: i64) -> Option<Vec<u8>> {
    let mut reader = ItemReader::new(body, time_ns, 0);
    let mut out = Vec::with_capacity(body.len() / 2);
    let mut block = NewBlock::after(time_ns);
    let (mut defined, mut values) = (0, Values::new());
    loop {
        while block.take_same_call(&mut reader) {}
        let Some(Item::Call(call)) = reader.next().ok()? else {
            break;
        };
        for name in reader.names.iter().skip(defined) {
            out.push(ITEM_DEFINE);
            put_text(&mut out, name);
        }
        defined = reader.names.len();
        if !decode_scalars(&call, &mut values) {
            block.end(&mut out, call.time_ns);
            out.extend_from_slice(reader.item_bytes());
            continue;
        }
        if !block.takes(&call, &values) {
            block.end(&mut out, block.last_ns);
            block.begin(call.method, &values);
        }
        block.push(&call, &values);
    }
    block.end(&mut out, 0);
    reader.rest.is_empty().then_some(out)
}

type Values<'a> = SmallVec<[ScalarValue<'a>; 8]>;

/// Decodes the arguments of a call; false when the call cannot stand in a block.
fn decode_scalars<'a>(call: &Call<'a>, values: &mut Values<'a>) -> bool {
    let CallArgs::Encoded {
        bytes: mut rest,
        has_named: false,
    } = call.args
    else {
        return false;
    };
    if call.reply != ReplyMode::Nothing || call.deadline_ms.is_some() {
        return false;
    }
    let Ok(count) = rmp::decode::read_array_len(&mut rest) else {
        return false;
    };
    if count as usize > MAX_ARGS {
        return false;
    }
    values.clear();
    for _ in 0..count {
        match ScalarValue::take(&mut rest) {
            Some(value) => values.push(value),
            None => return false,
        }
    }
    rest.is_empty()
}

/// Open block, to which calls are appended; it has no rows while it is empty.
struct NewBlock<'a> {
    method: usize,
    kinds: SmallVec<[u8; 8]>,
    clients: Vec<usize>,
    times: Vec<i64>,
    /// Time of the last call.
    last_ns: i64,
    columns: Vec<NewColumn<'a>>,
}

#[derive(Default)]
struct NewColumn<'a> {
    ints: Vec<i64>,
    floats: Vec<f64>,
    texts: NewTexts<'a>,
}

impl<'a> NewBlock<'a> {
    fn after(time_ns: i64) -> Self {
        Self {
            method: 0,
            kinds: SmallVec::new(),
            clients: Vec::new(),
            times: Vec::new(),
            last_ns: time_ns,
            columns: Vec::new(),
        }
    }

    fn takes(&self, call: &Call<'_>, values: &Values<'_>) -> bool {
        !self.times.is_empty()
            && self.times.len() < MAX_ROWS
            && self.method == call.method
            && self.kinds.len() == values.len()
            && self
                .kinds
                .iter()
                .zip(values)
                .all(|(&kind, &value)| kind == kind_of(value))
    }

    fn begin(&mut self, method: usize, values: &Values<'a>) {
        self.method = method;
        self.kinds = values.iter().map(|&value| kind_of(value)).collect();
        self.columns.resize_with(values.len(), NewColumn::default);
    }

    fn push(&mut self, call: &Call<'a>, values: &Values<'a>) {
        self.clients.push(call.client);
        self.times.push(call.time_ns.wrapping_sub(self.last_ns));
        self.last_ns = call.time_ns;
        for (column, &value) in self.columns.iter_mut().zip(values) {
            column.push(value);
        }
    }

    /// Fast path: takes the next call straight from its bytes when it has the method, the client
    /// and the kinds of arguments of the call before. Otherwise changes nothing and returns false,
    /// and [`ItemReader`] decodes the call.
    fn take_same_call(&mut self, reader: &mut ItemReader<'a>) -> bool {
        let (Some(&client), [SAME_CALL, rest @ ..]) = (self.clients.last(), reader.rest) else {
            return false;
        };
        let mut rest = rest;
        let (Ok(time), Ok(args)) = (take_varint(&mut rest), take_bytes(&mut rest)) else {
            return false;
        };
        let rows = self.times.len();
        if rows == MAX_ROWS || !self.take_row(args) {
            self.columns.iter_mut().for_each(|column| column.truncate(rows));
            return false;
        }
        let time = unzigzag(time);
        self.clients.push(client);
        self.times.push(time);
        self.last_ns = self.last_ns.wrapping_add(time);
        (reader.rest, reader.time_ns) = (rest, self.last_ns);
        true
    }

    /// Takes one row of arguments. Returns false when their kinds differ; some columns may have the
    /// row then.
    fn take_row(&mut self, mut args: &'a [u8]) -> bool {
        if rmp::decode::read_array_len(&mut args).ok() != Some(self.kinds.len() as u32) {
            return false;
        }
        for (&kind, column) in self.kinds.iter().zip(&mut self.columns) {
            if kind == KIND_TEXT && column.texts.take_predicted(&mut args) {
                continue;
            }
            match ScalarValue::take(&mut args) {
                Some(value) if kind_of(value) == kind => column.push(value),
                _ => return false,
            }
        }
        args.is_empty()
    }

    /// Appends the block, if it has rows. The next call's time is relative to `last_ns`.
    fn end(&mut self, out: &mut Vec<u8>, last_ns: i64) {
        if !self.times.is_empty() {
            self.write(out);
            self.clients.clear();
            self.times.clear();
            self.columns.clear();
        }
        self.last_ns = last_ns;
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(ITEM_BLOCK);
        put_varint(out, self.method as u64);
        put_varint(out, self.times.len() as u64);
        put_varint(out, self.kinds.len() as u64);
        out.extend_from_slice(&self.kinds);
        for &client in &self.clients {
            put_varint(out, client as u64);
        }
        let shift = self.times.iter().fold(0, |all, time| all | time).trailing_zeros();
        let shift = if shift > MAX_SHIFT { 0 } else { shift };
        out.push(shift as u8);
        for &time in &self.times {
            put_varint(out, zigzag(time >> shift));
        }
        let texts = || {
            self.columns
                .iter()
                .map(|column| &column.texts)
                .filter(|texts| !texts.rows.is_empty())
        };
        texts().for_each(|texts| texts.write(out));
        let deltas = match texts().next() {
            Some(texts) => DeltaCodec::by_series(&texts.rows, texts.texts.len()),
            None => DeltaCodec::one_series(self.times.len()),
        };
        for column in &self.columns {
            deltas.put_ints(out, &column.ints);
            if !column.floats.is_empty() {
                deltas.put_floats(out, &column.floats);
            }
        }
    }
}

impl<'a> NewColumn<'a> {
    fn push(&mut self, value: ScalarValue<'a>) {
        match value {
            ScalarValue::Nil | ScalarValue::Bool(_) => {}
            ScalarValue::Int(value) => self.ints.push(value),
            ScalarValue::Float(value) => self.floats.push(value),
            ScalarValue::Text(text) => self.texts.push(text),
        }
    }

    fn truncate(&mut self, rows: usize) {
        self.ints.truncate(rows);
        self.floats.truncate(rows);
        self.texts.truncate(rows);
    }
}

/// Dictionary of a text column: each text once, and the number of the text of each row.
#[derive(Default)]
struct NewTexts<'a> {
    texts: Vec<&'a str>,
    rows: Vec<u32>,
    numbers: HashMap<&'a str, u32, foldhash::fast::RandomState>,
    /// Prediction for each text: the text that followed it last, because tags repeat in the same
    /// order.
    next: Vec<u32>,
}

#[expect(
    clippy::indexing_slicing,
    reason = "`rows` holds indices into `texts`, and `next` is as long as `texts`"
)]
impl<'a> NewTexts<'a> {
    fn push(&mut self, text: &'a str) {
        let number = self.look_up(text);
        if let Some(&last) = self.rows.last() {
            self.next[last as usize] = number;
        }
        self.rows.push(number);
    }

    /// Takes the predicted text off `rest` if it stands there, which saves a UTF-8 check and a
    /// look-up.
    fn take_predicted(&mut self, rest: &mut &'a [u8]) -> bool {
        let Some(&last) = self.rows.last() else {
            return false;
        };
        let predicted = self.next[last as usize];
        let Some(text) = self.texts.get(predicted as usize).map(|text| text.as_bytes()) else {
            return false;
        };
        let (length, tail) = match *rest {
            &[marker, length, ref tail @ ..] if marker == Marker::Str8.to_u8() => (length, tail),
            &[marker, ref tail @ ..] => match Marker::from_u8(marker) {
                Marker::FixStr(length) => (length, tail),
                _ => return false,
            },
            [] => return false,
        };
        if usize::from(length) != text.len() {
            return false;
        }
        let Some(tail) = tail.strip_prefix(text) else {
            return false;
        };
        *rest = tail;
        self.rows.push(predicted);
        true
    }

    /// Keeps the first rows only, and the texts that they have.
    fn truncate(&mut self, rows: usize) {
        self.rows.truncate(rows);
        let used = self.rows.iter().max().map_or(0, |&last| last as usize + 1);
        for text in self.texts.drain(used..) {
            self.numbers.remove(text);
        }
        self.next.truncate(used);
    }

    fn look_up(&mut self, text: &'a str) -> u32 {
        let new = self.texts.len() as u32;
        let number = *self.numbers.entry(text).or_insert(new);
        if number == new {
            self.texts.push(text);
            self.next.push(0);
        }
        number
    }

    fn write(&self, out: &mut Vec<u8>) {
        put_varint(out, self.texts.len() as u64);
        for text in &self.texts {
            put_text(out, text);
        }
        for &row in &self.rows {
            put_varint(out, row.into());
        }
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_varint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests;
