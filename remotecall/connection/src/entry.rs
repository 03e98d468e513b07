//! What a stream holds.

use std::fmt;

use redis::Value;
use remotecall_wire::ProducerId;

/// One entry of a stream, with the fields we know.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Entry {
    pub id: StreamId,
    /// Field "f".
    pub frame: Option<Vec<u8>>,
    /// Field "a".
    pub acked: u64,
    /// Field "t": milliseconds since 1970 by the sender's clock, when it sent.
    pub sent_ms: Option<u64>,
    /// Field "d": calls that the sender had dropped so far.
    pub dropped: u64,
    /// Fields "p" and "z": a producer that ended with every ack, and whether the broker answered each of its `XADD`s.
    pub goodbye: Option<(ProducerId, bool)>,
    /// Field "m": a mark of the server itself.
    pub is_mark: bool,
}

/// The id of a stream entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamId {
    pub ms: u64,
    pub seq: u64,
}

impl StreamId {
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (ms, seq) = std::str::from_utf8(text).ok()?.split_once('-')?;
        Some(Self {
            ms: ms.parse().ok()?,
            seq: seq.parse().ok()?,
        })
    }

    pub fn next(self) -> Self {
        match self.seq.checked_add(1) {
            Some(seq) => Self { seq, ..self },
            None => Self {
                ms: self.ms.saturating_add(1),
                seq: 0,
            },
        }
    }

    pub fn before(self) -> Self {
        match self.seq.checked_sub(1) {
            Some(seq) => Self { seq, ..self },
            None => Self {
                ms: self.ms.saturating_sub(1),
                seq: u64::MAX,
            },
        }
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

/// The entries in the answer to an `XREAD` of one stream. Whatever has another shape is passed over.
pub fn entries(answer: Value) -> Vec<Entry> {
    let Value::Array(streams) = answer else {
        return Vec::new();
    };
    let Some(Value::Array(mut stream)) = streams.into_iter().next() else {
        return Vec::new();
    };
    let Some(Value::Array(list)) = stream.pop() else {
        return Vec::new();
    };
    list.into_iter().filter_map(entry).collect()
}

fn entry(value: Value) -> Option<Entry> {
    let Value::Array(parts) = value else { return None };
    let mut parts = parts.into_iter();
    let Some(Value::BulkString(id)) = parts.next() else {
        return None;
    };
    let mut entry = Entry {
        id: StreamId::parse(&id)?,
        ..Entry::default()
    };
    if let Some(Value::Array(fields)) = parts.next() {
        let mut fields = fields.into_iter();
        let (mut producer, mut is_certain) = (None, false);
        while let (Some(Value::BulkString(name)), Some(Value::BulkString(value))) =
            (fields.next(), fields.next())
        {
            match name.as_slice() {
                b"f" => entry.frame = Some(value),
                b"a" => entry.acked = number(&value).unwrap_or(0),
                b"t" => entry.sent_ms = number(&value),
                b"d" => entry.dropped = number(&value).unwrap_or(0),
                b"m" => entry.is_mark = true,
                b"p" => producer = std::str::from_utf8(&value).ok().and_then(ProducerId::parse),
                b"z" => is_certain = value == b"1",
                _ => {}
            }
        }
        entry.goodbye = producer.map(|producer| (producer, is_certain));
    }
    Some(entry)
}

impl Entry {
    /// What the sender's clock shows when the broker's clock shows `broker_ms`: the time that has passed since the entry
    /// was added is measured by the broker alone. Of a sender that does not tell, the clock is taken for the broker's.
    pub fn senders_clock(&self, broker_ms: u64) -> u64 {
        let waited = broker_ms.saturating_sub(self.id.ms);
        self.sent_ms.unwrap_or(self.id.ms).saturating_add(waited)
    }
}

/// The answer to `TIME`, in milliseconds since 1970.
pub fn time_ms(answer: &Value) -> Option<u64> {
    let Value::Array(parts) = answer else { return None };
    let [Value::BulkString(seconds), Value::BulkString(micros)] = parts.as_slice() else {
        return None;
    };
    number(seconds)?
        .checked_mul(1000)?
        .checked_add(number(micros)? / 1000)
}

/// A decimal number.
pub fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_neighbours() {
        let id = StreamId { ms: 5, seq: 0 };
        assert_eq!(id.before().next(), StreamId { ms: 5, seq: 0 });
        assert_eq!(StreamId::parse(b"12-3"), Some(StreamId { ms: 12, seq: 3 }));
        assert_eq!(StreamId::parse(b"12"), None);
    }

    #[test]
    fn the_clocks_of_sender_and_broker_need_not_agree() {
        let mut entry = Entry {
            id: StreamId { ms: 1_000, seq: 3 },
            sent_ms: Some(5_000_000),
            ..Entry::default()
        };
        assert_eq!(entry.senders_clock(1_200), 5_000_200);
        assert_eq!(
            entry.senders_clock(900),
            5_000_000,
            "the broker's clock was set back"
        );
        entry.sent_ms = None;
        assert_eq!(entry.senders_clock(1_200), 1_200);
        let time = |seconds: &str, micros: &str| {
            let parts = [seconds, micros].map(|part| Value::BulkString(part.into()));
            time_ms(&Value::Array(parts.to_vec()))
        };
        assert_eq!(time("12", "345678"), Some(12_345));
        assert_eq!(time("x", "0"), None);
    }
}
