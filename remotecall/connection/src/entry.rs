//! Stream entries: decoding the replies to XREAD and TIME.

use std::fmt;

use redis::Value;
use remotecall_wire::ProducerId;

/// Entry of a stream; unknown fields are ignored.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Id.
    pub id: StreamId,
    /// Field "f": the frame, or the replies.
    pub frame: Option<Vec<u8>>,
    /// Field "a": the highest frame that the sender knows to be acknowledged.
    pub acked: u64,
    /// Field "t": time of sending by the sender's clock, in milliseconds since 1970.
    pub sent_ms: Option<u64>,
    /// Field "d": number of calls that the sender had dropped.
    pub dropped: u64,
    /// Fields "p" and "z": a producer that ended with every frame acknowledged, and true if the
    /// broker replied to each of its `XADD` commands.
    pub goodbye: Option<(ProducerId, bool)>,
    /// Field "m": true for an entry that the server itself added as a mark.
    pub is_mark: bool,
}

/// Id of a stream entry, `ms-seq`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamId {
    /// Milliseconds since 1970 by the broker's clock.
    pub ms: u64,
    /// Number within the millisecond.
    pub seq: u64,
}

impl StreamId {
    /// Parses `ms-seq`.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (ms, seq) = std::str::from_utf8(text).ok()?.split_once('-')?;
        Some(Self {
            ms: ms.parse().ok()?,
            seq: seq.parse().ok()?,
        })
    }

    /// The next id.
    pub fn next(self) -> Self {
        match self.seq.checked_add(1) {
            Some(seq) => Self { seq, ..self },
            None => Self {
                ms: self.ms.saturating_add(1),
                seq: 0,
            },
        }
    }

    /// The id before.
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

/// Entries in the reply to an `XREAD` of one stream. Values of another shape are skipped.
pub fn entries(reply: Value) -> Vec<Entry> {
    let Value::Array(streams) = reply else {
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
    /// Time of the sender's clock when the broker's clock shows `broker_ms`, in milliseconds since
    /// 1970.
    ///
    /// The broker's clock alone measures the time since the entry was added, so that the two clocks
    /// need not agree. A sender that does not send its clock counts as having the broker's.
    pub fn senders_clock(&self, broker_ms: u64) -> u64 {
        let waited = broker_ms.saturating_sub(self.id.ms);
        self.sent_ms.unwrap_or(self.id.ms).saturating_add(waited)
    }
}

/// Decodes the reply to `TIME`, in milliseconds since 1970.
pub fn time_ms(reply: &Value) -> Option<u64> {
    let Value::Array(parts) = reply else { return None };
    let [Value::BulkString(seconds), Value::BulkString(micros)] = parts.as_slice() else {
        return None;
    };
    number(seconds)?
        .checked_mul(1000)?
        .checked_add(number(micros)? / 1000)
}

/// Parses a decimal number.
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
    fn the_clocks_of_sender_and_broker_may_differ() {
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
