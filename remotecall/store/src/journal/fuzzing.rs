//! Entry points for fuzzing the journal; see [`crate::fuzzing`].

use super::recovery::replay_segment;
use super::{Accepted, Checkpoint, RECORD_HEADER, RECORD_MAGIC, SEGMENT_MAGIC, checksum};
use crate::fuzzing::nowhere;

/// Decodes the bytes as a segment, and as the bodies of two records with right checksums.
pub fn segment(bytes: &[u8]) {
    let mut size = 0;
    let mut see = |accepted: Accepted<&[u8]>| size += accepted.frame.len();
    for is_last in [true, false] {
        let _ = replay_segment(nowhere(), bytes, is_last, &mut see);
    }
    let mut whole = SEGMENT_MAGIC.to_vec();
    for body in [&bytes[..bytes.len() / 2], &bytes[bytes.len() / 2..]] {
        let place = whole.len() as u64;
        whole.extend(RECORD_MAGIC.to_le_bytes());
        whole.extend((body.len() as u32).to_le_bytes());
        whole.extend(checksum(place, body).to_le_bytes());
        whole.extend(body);
    }
    size = 0;
    let mut see = |accepted: Accepted<&[u8]>| size += accepted.frame.len();
    let end = replay_segment(nowhere(), &whole, true, &mut see);
    assert!(matches!(end, Ok(end) if end == whole.len()), "{end:?}");
    assert!(size + SEGMENT_MAGIC.len() + 2 * RECORD_HEADER <= whole.len());
}

/// Decodes the bytes as a checkpoint, and as the body of one with the right checksum.
pub fn checkpoint(bytes: &[u8]) {
    let _ = Checkpoint::parse(bytes, nowhere());
    let crc = crc32c::crc32c(bytes).to_le_bytes();
    let _ = Checkpoint::parse(&[b"RCC1", &crc[..], bytes].concat(), nowhere());
}
