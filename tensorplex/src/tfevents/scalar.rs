//! The event of a scalar, by hand: it is by far the most frequent one, and needs no message to be filled and measured. The
//! bytes are those of the general message; a test compares them.
//!
//! ```text
//! 09 wall time f64 LE  10 step varint  2a length  0a length  0a length tag  15 value f32 LE
//! ```
//!
//! As everywhere in protobuf, a time or a step of zero and an empty tag are left out.

use super::point::Point;
use super::record::{FOOTER, HEADER, MAX_PAYLOAD, header};
use super::{MaskedCrc, TooLong};

/// Longest varint.
const VARINT: usize = 10;
/// Most bytes before the tag: time, step, and three keys with lengths.
const HEAD: usize = 9 + 1 + VARINT + 3 * (1 + VARINT);
/// Key and value.
const VALUE: usize = 5;

/// Appends scalars. The framing of the last one is kept: most records of a file have the same length.
#[derive(Debug, Default)]
pub(super) struct ScalarEncoder {
    length: usize,
    header: [u8; HEADER],
}

/// Bytes on the stack, of which the first are used.
struct Head {
    bytes: [u8; HEAD],
    used: usize,
}

impl Head {
    fn push(&mut self, byte: u8) {
        self.bytes[self.used] = byte;
        self.used += 1;
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.push(value as u8);
    }
}

fn varint_length(value: usize) -> usize {
    (usize::BITS - (value | 1).leading_zeros()).div_ceil(7) as usize
}

impl ScalarEncoder {
    /// Appends one record.
    pub fn append(&mut self, out: &mut Vec<u8>, point: Point<'_>, value: f32) -> Result<(), TooLong> {
        let tag = point.tag.len();
        let value_length = VALUE + if tag > 0 { 1 + varint_length(tag) + tag } else { 0 };
        let summary_length = 1 + varint_length(value_length) + value_length;
        let mut head = Head {
            bytes: [0; HEAD],
            used: 0,
        };
        if point.wall_time != 0.0 {
            head.bytes[0] = 0x09;
            head.bytes[1..9].copy_from_slice(&point.wall_time.to_le_bytes());
            head.used = 9;
        }
        if point.step != 0 {
            head.push(0x10);
            head.varint(point.step as u64);
        }
        head.push(0x2a);
        head.varint(summary_length as u64);
        head.push(0x0a);
        head.varint(value_length as u64);
        if tag > 0 {
            head.push(0x0a);
            head.varint(tag as u64);
        }
        let mut tail = [0x15, 0, 0, 0, 0];
        tail[1..].copy_from_slice(&value.to_le_bytes());

        let length = head.used + tag + VALUE;
        if length > MAX_PAYLOAD {
            return Err(TooLong(length));
        }
        if length != self.length {
            (self.length, self.header) = (length, header(length as u64));
        }
        out.reserve(HEADER + length + FOOTER);
        out.extend_from_slice(&self.header);
        let start = out.len();
        out.extend_from_slice(&head.bytes[..head.used]);
        out.extend_from_slice(point.tag.as_bytes());
        out.extend_from_slice(&tail);
        let footer = MaskedCrc::of(&out[start..]);
        out.extend_from_slice(&footer.to_le_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tfevents::append_record;
    use crate::tfevents::messages::{Datum, Event, EventPayload, Summary, Value};

    fn general(point: Point<'_>, value: f32) -> Vec<u8> {
        let value = Value {
            tag: point.tag.to_owned(),
            metadata: None,
            value: Some(Datum::SimpleValue(value)),
        };
        let event = Event {
            wall_time: point.wall_time,
            step: point.step,
            what: Some(EventPayload::Summary(Summary { value: vec![value] })),
            source_metadata: None,
        };
        let mut out = Vec::new();
        append_record(&mut out, &event).unwrap();
        out
    }

    fn any_step() -> impl Strategy<Value = i64> {
        prop_oneof![
            Just(0),
            Just(-1),
            Just(i64::MIN),
            Just(i64::MAX),
            any::<i64>(),
            0..1_000_000i64
        ]
    }

    proptest! {
        #[test]
        fn the_bytes_are_those_of_the_general_message(
            many in prop::collection::vec(("(|.{1,12}|a{100,20000})", any_step(), any::<f64>(), any::<f32>()), 1..6),
        ) {
            let mut encoder = ScalarEncoder::default();
            let (mut out, mut expect) = (Vec::new(), Vec::new());
            for (tag, step, wall_time, value) in &many {
                for wall_time in [*wall_time, 0.0, -0.0, f64::NAN] {
                    let point = Point { tag, step: *step, wall_time };
                    encoder.append(&mut out, point, *value).unwrap();
                    expect.extend(general(point, *value));
                }
            }
            prop_assert_eq!(out, expect);
        }
    }

    #[test]
    fn a_tag_of_any_length_has_its_bytes() {
        let mut encoder = ScalarEncoder::default();
        for length in (0..300).chain(16_300..16_400).chain([1 << 21]) {
            let tag = "t".repeat(length);
            let point = Point {
                tag: &tag,
                step: 7,
                wall_time: 1.5,
            };
            let mut out = Vec::new();
            encoder.append(&mut out, point, 0.5).unwrap();
            assert_eq!(out, general(point, 0.5), "{length}");
        }
        let tag = "t".repeat(MAX_PAYLOAD);
        let point = Point {
            tag: &tag,
            step: 7,
            wall_time: 1.5,
        };
        let mut out = Vec::new();
        assert!(encoder.append(&mut out, point, 0.5).is_err());
        assert!(out.is_empty());
    }
}
