//! Entry points for fuzzing the spool; see [`crate::fuzzing`].

use super::Owner;
use super::record::{Frames, HEAD};
use crate::fuzzing::nowhere;
use remotecall_wire::{Frame, ProducerId};

/// Decodes the bytes as an owner file and as the records of a segment, as they are and with right checksums.
pub fn spool(bytes: &[u8]) {
    let _ = Owner::parse(nowhere(), bytes);
    let crc = crc32c::crc32c(bytes).to_le_bytes();
    let _ = Owner::parse(nowhere(), &[bytes, &crc].concat());
    frames(bytes);
    let (mut whole, mut rest) = (Vec::new(), bytes);
    while let Some((head, tail)) = rest.split_first_chunk::<HEAD>() {
        let length = u32::from_le_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let Some((payload, tail)) = tail.split_at_checked(length) else {
            break;
        };
        let crc = crc32c::crc32c_append(crc32c::crc32c(&head[..5]), payload);
        whole.extend(&head[..5]);
        whole.extend(crc.to_le_bytes());
        whole.extend(payload);
        rest = tail;
    }
    whole.extend(rest);
    frames(&whole);
}

/// Any frame of readable records can be sealed; the server validates its items.
fn frames(bytes: &[u8]) {
    let mut frames = Frames::new(bytes, 0, bytes.len() as u64);
    while let Ok(Some((range, draft))) = frames.next_frame() {
        assert!(
            range.start < range.end && range.end <= bytes.len() as u64,
            "{range:?}"
        );
        let sealed = draft.seal(ProducerId([0; 16]), 1);
        let body = Frame::parse(&sealed).and_then(|frame| frame.body().map(|_| frame.count));
        assert_eq!(body, Ok(draft.count()));
    }
    let _ = frames.end();
}
