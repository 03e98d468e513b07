//! Rewrites a body of single calls: those that stand in a row, name the same method and have arguments of the same
//! kinds become a [block](super::column_block).
//!
//! Done when a frame is sealed, by the thread that sends: the callers' threads only append.

use std::collections::HashMap;

use rmp::Marker;
use smallvec::SmallVec;

use super::body::{BIT_SAME, Call, CallArgs, ITEM_BLOCK, ITEM_CALL, ITEM_DEFINE, ReplyMode};
use super::column_block::{KIND_TEXT, MAX_ROWS, MAX_SHIFT, kind_of};
use super::delta::DeltaColumns;
use super::reading::{Item, Reader, take_bytes};
use crate::args::MAX_ARGS;
use crate::scalar_value::ScalarValue;
use crate::varint::{put_varint, take_varint, unzigzag, zigzag};

/// The head of a call of the same method and client as the one before, without reply, deadline and named arguments.
const ALIKE: u8 = ITEM_CALL | BIT_SAME;

/// The body with blocks; none when it cannot be read.
pub(super) fn pack(body: &[u8], time_ns: i64) -> Option<Vec<u8>> {
    let mut reader = Reader::new(body, time_ns, 0);
    let mut out = Vec::with_capacity(body.len() / 2);
    let mut block = NewBlock::at(time_ns);
    let (mut defined, mut atoms) = (0, Atoms::new());
    loop {
        while block.take_alike(&mut reader) {}
        let Some(Item::Call(call)) = reader.next().ok()? else {
            break;
        };
        for name in &reader.names[defined..] {
            out.push(ITEM_DEFINE);
            put_text(&mut out, name);
        }
        defined = reader.names.len();
        if !take_atoms(&call, &mut atoms) {
            block.end(&mut out, call.time_ns);
            let item = &reader.item[..reader.item.len() - reader.rest.len()];
            out.extend_from_slice(item);
            continue;
        }
        if !block.takes(&call, &atoms) {
            block.end(&mut out, block.last_ns);
            block.begin(call.method, &atoms);
        }
        block.push(&call, &atoms);
    }
    block.end(&mut out, 0);
    reader.rest.is_empty().then_some(out)
}

type Atoms<'a> = SmallVec<[ScalarValue<'a>; 8]>;

/// Takes the arguments of a call apart; false when it cannot stand in a block.
fn take_atoms<'a>(call: &Call<'a>, atoms: &mut Atoms<'a>) -> bool {
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
    atoms.clear();
    for _ in 0..count {
        match ScalarValue::take(&mut rest) {
            Some(atom) => atoms.push(atom),
            None => return false,
        }
    }
    rest.is_empty()
}

/// A block that still takes calls; empty, without rows.
struct NewBlock<'a> {
    method: usize,
    kinds: SmallVec<[u8; 8]>,
    clients: Vec<usize>,
    times: Vec<i64>,
    /// Time of the call before.
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
    fn at(time_ns: i64) -> Self {
        Self {
            method: 0,
            kinds: SmallVec::new(),
            clients: Vec::new(),
            times: Vec::new(),
            last_ns: time_ns,
            columns: Vec::new(),
        }
    }

    fn takes(&self, call: &Call<'_>, atoms: &Atoms<'_>) -> bool {
        !self.times.is_empty()
            && self.times.len() < MAX_ROWS
            && self.method == call.method
            && self.kinds.len() == atoms.len()
            && self
                .kinds
                .iter()
                .zip(atoms)
                .all(|(&kind, &atom)| kind == kind_of(atom))
    }

    fn begin(&mut self, method: usize, atoms: &Atoms<'a>) {
        self.method = method;
        self.kinds = atoms.iter().map(|&atom| kind_of(atom)).collect();
        self.columns.resize_with(atoms.len(), NewColumn::default);
    }

    fn push(&mut self, call: &Call<'a>, atoms: &Atoms<'a>) {
        self.clients.push(call.client);
        self.times.push(call.time_ns.wrapping_sub(self.last_ns));
        self.last_ns = call.time_ns;
        for (column, &atom) in self.columns.iter_mut().zip(atoms) {
            column.push(atom);
        }
    }

    /// Takes the next call straight from its bytes when it is like the one before: of the same method and client, with
    /// arguments of the same kinds. Else it does nothing and says so: [`Reader`] can read any call.
    fn take_alike(&mut self, reader: &mut Reader<'a>) -> bool {
        let (Some(&client), [ALIKE, rest @ ..]) = (self.clients.last(), reader.rest) else {
            return false;
        };
        let mut rest = rest;
        let (Ok(time), Ok(args)) = (take_varint(&mut rest), take_bytes(&mut rest)) else {
            return false;
        };
        let rows = self.times.len();
        if rows == MAX_ROWS || !self.take_row(args) {
            self.columns.iter_mut().for_each(|column| column.cut(rows));
            return false;
        }
        let time = unzigzag(time);
        self.clients.push(client);
        self.times.push(time);
        self.last_ns = self.last_ns.wrapping_add(time);
        (reader.rest, reader.time_ns) = (rest, self.last_ns);
        true
    }

    /// Takes arguments of the same kinds as those before; false when they are others, and a part of them may be taken.
    fn take_row(&mut self, mut args: &'a [u8]) -> bool {
        if rmp::decode::read_array_len(&mut args).ok() != Some(self.kinds.len() as u32) {
            return false;
        }
        for (&kind, column) in self.kinds.iter().zip(&mut self.columns) {
            if kind == KIND_TEXT && column.texts.take_guessed(&mut args) {
                continue;
            }
            match ScalarValue::take(&mut args) {
                Some(atom) if kind_of(atom) == kind => column.push(atom),
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
        let series = match texts().next() {
            Some(texts) => DeltaColumns::of(&texts.rows, texts.texts.len()),
            None => DeltaColumns::one(self.times.len()),
        };
        for column in &self.columns {
            series.put_ints(out, &column.ints);
            if !column.floats.is_empty() {
                series.put_floats(out, &column.floats);
            }
        }
    }
}

impl<'a> NewColumn<'a> {
    fn push(&mut self, atom: ScalarValue<'a>) {
        match atom {
            ScalarValue::Nil | ScalarValue::Bool(_) => {}
            ScalarValue::Int(value) => self.ints.push(value),
            ScalarValue::Float(value) => self.floats.push(value),
            ScalarValue::Text(text) => self.texts.push(text),
        }
    }

    fn cut(&mut self, rows: usize) {
        self.ints.truncate(rows);
        self.floats.truncate(rows);
        self.texts.cut(rows);
    }
}

/// Texts of a column, each once.
#[derive(Default)]
struct NewTexts<'a> {
    texts: Vec<&'a str>,
    rows: Vec<u32>,
    numbers: HashMap<&'a str, u32, foldhash::fast::RandomState>,
    /// The text that followed each one last: tags come in the same order again and again.
    next: Vec<u32>,
}

impl<'a> NewTexts<'a> {
    fn push(&mut self, text: &'a str) {
        let number = self.look_up(text);
        if let Some(&last) = self.rows.last() {
            self.next[last as usize] = number;
        }
        self.rows.push(number);
    }

    /// Takes the text off `rest` that followed the last one before, if it stands there: it need not be checked or looked
    /// up again.
    fn take_guessed(&mut self, rest: &mut &'a [u8]) -> bool {
        let Some(&last) = self.rows.last() else {
            return false;
        };
        let guess = self.next[last as usize];
        let Some(guessed) = self.texts.get(guess as usize).map(|text| text.as_bytes()) else {
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
        if usize::from(length) != guessed.len() {
            return false;
        }
        let Some(tail) = tail.strip_prefix(guessed) else {
            return false;
        };
        *rest = tail;
        self.rows.push(guess);
        true
    }

    /// Forgets all but the first rows, and the texts that only the others have.
    fn cut(&mut self, rows: usize) {
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
