use super::format::*;
use super::*;
use proptest::prelude::*;

const PRODUCER: ProducerId = ProducerId([7; 16]);

fn push(builder: &mut FrameBuilder, method: &str, time_ns: i64, args: (i64, &str)) {
    let call = NewCall {
        method,
        client: "agent/1",
        reply: ReplyMode::Result,
        time_ns,
        deadline_ms: None,
        has_named: false,
    };
    let args = rmp_serde::to_vec(&args).unwrap();
    builder.append(&call, &args);
}

fn three_calls() -> Vec<u8> {
    let mut builder = FrameBuilder::default();
    push(&mut builder, "add", 1_000, (1, "one"));
    push(&mut builder, "add", 900, (2, "two"));
    push(&mut builder, "other", i64::MAX, (3, "three"));
    builder.close().seal(PRODUCER, 9)
}

#[test]
fn calls_decode_as_they_were_encoded() {
    let bytes = three_calls();
    let frame = Frame::parse(&bytes).unwrap();
    assert_eq!(
        (frame.producer, frame.seq, frame.count, frame.time_ns),
        (PRODUCER, 9, 3, 1_000)
    );
    let body = frame.body().unwrap();
    let calls = Calls::parse(&body, frame.time_ns, frame.count).unwrap();
    let seen: Vec<_> = calls
        .iter()
        .map(|c| {
            let args = c.args.get().unwrap();
            let args = (args.required(0, "n").unwrap(), args.required(1, "text").unwrap());
            (
                calls.names[c.method],
                calls.names[c.client],
                c.time_ns,
                args,
                c.reply,
            )
        })
        .collect();
    let client = "agent/1";
    assert_eq!(
        seen,
        [
            ("add", client, 1_000, (1, "one"), ReplyMode::Result),
            ("add", client, 900, (2, "two"), ReplyMode::Result),
            ("other", client, i64::MAX, (3, "three"), ReplyMode::Result),
        ]
    );
}

#[test]
fn no_single_flipped_bit_and_no_cut_goes_unnoticed() {
    let bytes = three_calls();
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(Frame::parse(&damaged).is_err(), "bit {bit} flipped");
    }
    for cut in 0..bytes.len() {
        assert!(Frame::parse(&bytes[..cut]).is_err(), "cut at {cut}");
    }
}

#[test]
fn a_wrong_checksum_is_told_apart_from_the_right_one() {
    let mut bytes = three_calls();
    let at = bytes.len() - FOOTER;
    let computed = crc32c::crc32c(&bytes[..at]);
    let stored = 0x0123_4567u32;
    bytes[at..].copy_from_slice(&stored.to_le_bytes());
    let error = Frame::parse(&bytes).unwrap_err();
    assert_eq!(error, FrameError::BadChecksum { stored, computed });
    let expect = format!("frame has checksum 01234567, but its bytes have {computed:08x}");
    assert_eq!(error.to_string(), expect);
}

#[test]
fn a_body_that_compresses_is_compressed() {
    let mut builder = FrameBuilder::default();
    for n in 0..1000 {
        push(&mut builder, "add", n, (n, "the same text again"));
    }
    let draft = builder.close();
    let bytes = draft.seal(PRODUCER, 1);
    assert!(
        bytes.len() * 2 < draft.len(),
        "{} of {}",
        bytes.len(),
        draft.len()
    );
    let frame = Frame::parse(&bytes).unwrap();
    let body = frame.body().unwrap();
    let calls = Calls::parse(&body, frame.time_ns, frame.count).unwrap();
    assert_eq!(calls.iter().count(), 1000);
    assert_eq!(builder.count(), 0);
}

fn with_header(raw_len: usize, flags: u8, body: &[u8]) -> Vec<u8> {
    with_count(1, raw_len, flags, body)
}

fn with_count(count: usize, raw_len: usize, flags: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::from(MAGIC);
    bytes.push(flags);
    bytes.extend([7; 16]);
    bytes.extend(1u64.to_le_bytes());
    bytes.extend(0i64.to_le_bytes());
    bytes.extend((count as u32).to_le_bytes());
    bytes.extend((raw_len as u32).to_le_bytes());
    bytes.extend(body);
    bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
    bytes
}

#[test]
fn a_claimed_length_is_checked_before_allocation() {
    for (raw, flags) in [(MAX_BODY + 1, 1), (MAX_BODY, 1), (1000, 0), (10, 1)] {
        let bytes = with_header(raw, flags, &[0x10, 0x20]);
        assert!(
            Frame::parse(&bytes).unwrap().body().is_err(),
            "{raw} bytes from two"
        );
    }
    assert!(matches!(
        Frame::parse(&with_header(0, 8, &[])),
        Err(FrameError::UnknownFlags(8))
    ));
}

/// Checks each limit at its value and one beyond.
#[test]
fn limits_hold_to_the_byte() {
    let sealed = |body: usize| {
        let body = vec![1; body];
        Frame::parse(&with_header(body.len(), 0, &body)).map(|frame| frame.raw_len)
    };
    let longest = MAX_FRAME - HEADER - FOOTER;
    assert_eq!(sealed(longest), Ok(longest));
    assert_eq!(sealed(longest + 1), Err(FrameError::TooLong(MAX_FRAME + 1)));

    let compressed = lz4_flex::block::compress(&vec![0; MAX_BODY]);
    let unpacked = |raw: usize, compressed: &[u8]| {
        let bytes = with_header(raw, FLAG_LZ4, compressed);
        Frame::parse(&bytes).unwrap().body().map(|body| body.len())
    };
    assert_eq!(unpacked(MAX_BODY, &compressed), Ok(MAX_BODY));
    let compressed = lz4_flex::block::compress(&vec![0; MAX_BODY + 1]);
    let packed = compressed.len();
    assert_eq!(
        unpacked(MAX_BODY + 1, &compressed),
        Err(FrameError::BodyLength {
            raw: MAX_BODY + 1,
            packed
        })
    );
    // Ten compressed bytes hold at most this many, by the ratio of LZ4.
    let most = 10 * MAX_RATIO + 64;
    assert_eq!(unpacked(most, &[0; 10]), Err(FrameError::Compression(most)));
    assert_eq!(
        unpacked(most + 1, &[0; 10]),
        Err(FrameError::BodyLength {
            raw: most + 1,
            packed: 10
        })
    );

    let counted = |count| {
        Frame::parse(&with_count(count, 0, 0, &[]))
            .unwrap()
            .body()
            .is_ok()
    };
    assert!(counted(MAX_CALLS) && !counted(MAX_CALLS + 1));

    let names = |length: usize, count: usize| {
        let mut body = Vec::new();
        for _ in 0..count {
            body.push(ITEM_DEFINE);
            crate::varint::put_varint(&mut body, length as u64);
            body.extend(vec![b'n'; length]);
        }
        Calls::parse(&body, 0, 0).is_ok()
    };
    assert!(names(MAX_NAME, 1) && !names(MAX_NAME + 1, 1));
    assert!(names(1, MAX_NAMES) && !names(1, MAX_NAMES + 1));
}

proptest! {
    #[test]
    fn any_body_is_decoded_without_a_panic(body in proptest::collection::vec(any::<u8>(), 0..200), count in 0usize..4) {
        let _ = Calls::parse(&body, 0, count);
    }

    #[test]
    fn any_bytes_with_a_valid_checksum_are_decoded_without_a_panic(body in proptest::collection::vec(any::<u8>(), 0..200), raw in 0usize..1000, flags in 0u8..4) {
        let bytes = with_header(raw, flags, &body);
        if let Ok(body) = Frame::parse(&bytes).unwrap().body() {
            let _ = Calls::parse(&body, 0, 1);
        }
    }
}
