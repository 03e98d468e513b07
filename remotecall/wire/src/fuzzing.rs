//! Entry points of the decoders, for the targets in `fuzz/` and the replay of their corpora in
//! `cargo test`.
//!
//! A target repairs checksums, so that a mutation reaches the decoders behind them.

use crate::{Calls, Frame, Replies};

/// Decodes the bytes as a frame with its calls and arguments, as a body, and as replies.
pub fn frame(bytes: &[u8]) {
    for reply in Replies::new(bytes) {
        let _ = reply.outcome();
    }
    calls(bytes, 3);
    let mut bytes = bytes.to_vec();
    if let Some((sealed, footer)) = bytes.split_last_chunk_mut() {
        *footer = crc32c::crc32c(sealed).to_le_bytes();
    }
    if let Ok(frame) = Frame::parse(&bytes)
        && let Ok(body) = frame.body()
    {
        calls(&body, frame.count);
    }
}

fn calls(body: &[u8], count: usize) {
    let Ok(calls) = Calls::parse(body, 0, count) else {
        return;
    };
    for call in calls.iter() {
        if let Ok(args) = call.args.get() {
            let _ = args.check(&["tag", "value", "step"]);
            let _ = args.required::<String>(0, "tag");
            let _ = args.required::<f64>(1, "value");
            let _ = args.optional::<Vec<(f64, f64, u64)>>(2, "step");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Runs a target on each input of its corpus.
    #[track_caller]
    fn replay(name: &str, target: impl Fn(&[u8])) {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../fuzz/corpus")
            .join(name);
        let mut count = 0;
        for entry in std::fs::read_dir(&dir).unwrap() {
            target(&std::fs::read(entry.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 3, "{}: {count} files", dir.display());
    }

    #[test]
    fn the_corpora_decode_without_a_panic() {
        replay("frame", frame);
    }
}
