//! The whole records of a damaged file.
//!
//! After a damaged record the next one is searched for byte by byte: a header whose length matches its checksum,
//! before a payload that matches its own. That is a mistake once in 2⁶⁴ times.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use crate::tfevents::{FOOTER, HEADER, MAX_PAYLOAD, MaskedCrc};

/// Bytes that are looked at at a time.
const WINDOW: usize = 1 << 20;
/// Most bytes that are read to check records that turn out to be none, in one file.
///
/// A hostile file could announce a long record at every byte.
const MAX_SEARCH: u64 = 256 << 20;

/// A part of a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Extracted {
    /// A whole record: its payload.
    Record(Vec<u8>),
    /// A record whose payload does not match its checksum, between others.
    Flipped,
    /// Zeros, as a hole of a network file system or preallocated space.
    Zeros(u64),
    /// The beginning of a record, and behind it others.
    TornInside(u64),
    /// The beginning of a record, at the end.
    TornTail(u64),
    /// A record that is longer than [`MAX_PAYLOAD`].
    TooLong(u64),
    /// Bytes that are no records.
    Garbage(u64),
}

/// Offset of the first whole record from byte `from` on.
pub(crate) fn record_from(path: &Path, from: u64) -> io::Result<Option<u64>> {
    Extractor::open(path)?.find(from)
}

/// Goes through a file.
pub(crate) struct Extractor {
    window: Window,
    at: u64,
    searched: u64,
}

impl Extractor {
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        Ok(Self {
            window: Window {
                file,
                length,
                start: 0,
                bytes: Vec::new(),
            },
            at: 0,
            searched: 0,
        })
    }

    /// The next part of the file; `None` at its end.
    pub fn next(&mut self) -> io::Result<Option<Extracted>> {
        let (at, rest) = (self.at, self.window.length - self.at);
        if rest == 0 {
            return Ok(None);
        }
        let Some(length) = self.window.payload_length(at)? else {
            return self.skip(
                at + 1,
                if rest < HEADER as u64 {
                    Extracted::TornTail
                } else {
                    Extracted::Garbage
                },
            );
        };
        if length > MAX_PAYLOAD as u64 {
            return self.skip(at + HEADER as u64, Extracted::TooLong);
        }
        let end = at + HEADER as u64 + length + FOOTER as u64;
        if end > self.window.length {
            return self.skip(at + 1, Extracted::TornInside);
        }
        if let Some(payload) = self.window.payload(at, length)? {
            self.at = end;
            return Ok(Some(Extracted::Record(payload)));
        }
        // With a record behind it the frame is whole, and only the payload is not.
        if end == self.window.length || self.window.payload_length(end)?.is_some() {
            self.at = end;
            return Ok(Some(Extracted::Flipped));
        }
        self.skip(at + 1, Extracted::TornInside)
    }

    /// Goes on with the next record from `from` on, or to the end.
    fn skip(&mut self, from: u64, piece: fn(u64) -> Extracted) -> io::Result<Option<Extracted>> {
        let start = self.at;
        let found = self.find(from)?;
        let zeros = self.window.zeros(start, found.unwrap_or(self.window.length))?;
        self.at = match (zeros, found) {
            // Zeros before something else are a part of their own.
            (zeros, _) if zeros >= HEADER as u64 => start + zeros,
            (_, found) => found.unwrap_or(self.window.length),
        };
        let bytes = self.at - start;
        Ok(Some(match piece(bytes) {
            _ if zeros >= HEADER as u64 => Extracted::Zeros(bytes),
            Extracted::TornInside(bytes) if found.is_none() => Extracted::TornTail(bytes),
            piece => piece,
        }))
    }

    /// Offset of the next whole record, from `from` on.
    fn find(&mut self, from: u64) -> io::Result<Option<u64>> {
        let mut at = from;
        while at + (HEADER + FOOTER) as u64 <= self.window.length && self.searched <= MAX_SEARCH {
            if let Some(length) = self.window.payload_length(at)? {
                let fits = at + (HEADER + FOOTER) as u64 + length <= self.window.length;
                if fits && length <= MAX_PAYLOAD as u64 {
                    if self.window.payload(at, length)?.is_some() {
                        return Ok(Some(at));
                    }
                    self.searched += length;
                }
            }
            at += 1;
        }
        Ok(None)
    }
}

/// A part of a file in memory.
struct Window {
    file: File,
    length: u64,
    start: u64,
    bytes: Vec<u8>,
}

impl Window {
    /// Length in the header at `at`, if its checksum is right.
    fn payload_length(&mut self, at: u64) -> io::Result<Option<u64>> {
        let header = self.get(at, HEADER)?;
        let Some((length, crc)) = header.split_first_chunk::<8>() else {
            return Ok(None);
        };
        let right = crc == MaskedCrc::of(length).to_le_bytes();
        Ok(right.then(|| u64::from_le_bytes(*length)))
    }

    /// The payload of the record at `at`, if its checksum is right.
    fn payload(&mut self, at: u64, length: u64) -> io::Result<Option<Vec<u8>>> {
        // Checked by the callers: at most MAX_PAYLOAD.
        let length = length as usize;
        let record = self.get(at + HEADER as u64, length + FOOTER)?;
        let Some((payload, crc)) = record.split_at_checked(length) else {
            return Ok(None);
        };
        let right = crc == MaskedCrc::of(payload).to_le_bytes();
        Ok(right.then(|| payload.to_vec()))
    }

    /// Number of zero bytes from `from` on, up to `to`.
    fn zeros(&mut self, from: u64, to: u64) -> io::Result<u64> {
        let mut at = from;
        while at < to {
            let part = self.get(at, WINDOW.min((to - at) as usize))?;
            match part.iter().position(|&byte| byte != 0) {
                Some(zeros) => return Ok(at + zeros as u64 - from),
                None if part.is_empty() => break,
                None => at += part.len() as u64,
            }
        }
        Ok(at - from)
    }

    /// `size` bytes at `at`; fewer at the end of the file.
    fn get(&mut self, at: u64, size: usize) -> io::Result<&[u8]> {
        let inside = at.checked_sub(self.start).is_some_and(|from| {
            let missing = self.bytes.len() as u64 - from.min(self.bytes.len() as u64);
            missing >= size as u64
        });
        if !inside {
            self.file.seek(SeekFrom::Start(at))?;
            self.bytes.clear();
            let wanted = size.max(WINDOW) as u64;
            self.file.by_ref().take(wanted).read_to_end(&mut self.bytes)?;
            self.start = at;
        }
        let from = (at - self.start) as usize;
        let to = (from + size).min(self.bytes.len());
        Ok(self.bytes.get(from..to).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::tfevents::append_record;
    use super::super::super::tfevents::messages::{Event, EventPayload};
    use super::*;

    fn record(length: usize) -> Vec<u8> {
        let mut out = Vec::new();
        let event = Event {
            what: Some(EventPayload::FileVersion("x".repeat(length))),
            ..Event::default()
        };
        append_record(&mut out, &event).unwrap();
        out
    }

    fn pieces(bytes: &[u8]) -> Vec<Extracted> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), bytes).unwrap();
        let mut salvage = Extractor::open(&dir.path().join("file")).unwrap();
        std::iter::from_fn(|| salvage.next().unwrap()).collect()
    }

    fn whole(record: &[u8]) -> Extracted {
        Extracted::Record(record[HEADER..record.len() - FOOTER].to_vec())
    }

    #[test]
    fn records_behind_every_kind_of_damage_are_found() {
        let (a, b) = (record(3), record(40));
        let check = |between: &[u8], expect: Extracted| {
            let seen = pieces(&[&a, between, &b].concat());
            assert_eq!(seen, [whole(&a), expect, whole(&b)], "{between:?}");
        };
        check(&[0; 100], Extracted::Zeros(100));
        check(&[7; 100], Extracted::Garbage(100));
        check(&[7; 5], Extracted::Garbage(5));
        for cut in HEADER..b.len() {
            check(&b[..cut], Extracted::TornInside(cut as u64));
        }
        let mut flipped = b.clone();
        flipped[HEADER + 5] ^= 1;
        check(&flipped, Extracted::Flipped);
        let length = (MAX_PAYLOAD as u64 + 1).to_le_bytes();
        let claim = [&length[..], &MaskedCrc::of(&length).to_le_bytes()].concat();
        check(&claim, Extracted::TooLong(12));
    }

    #[test]
    fn what_is_missing_at_the_end_is_a_tail() {
        let (a, b) = (record(3), record(40));
        for cut in 1..b.len() {
            let seen = pieces(&[&a, &b[..cut]].concat());
            assert_eq!(seen, [whole(&a), Extracted::TornTail(cut as u64)], "{cut}");
        }
        assert_eq!(
            pieces(&[&a[..], &[0; 2 * WINDOW]].concat())[1],
            Extracted::Zeros(2 * WINDOW as u64)
        );
    }

    #[test]
    fn records_longer_than_the_window_are_read() {
        let (a, b) = (record(WINDOW - 20), record(3 * WINDOW));
        assert_eq!(
            pieces(&[&a[..], &b, &a].concat()),
            [whole(&a), whole(&b), whole(&a)]
        );
        assert_eq!(
            pieces(&[&[9; 77], &b[..], &a].concat()),
            [Extracted::Garbage(77), whole(&b), whole(&a)]
        );
    }

    /// Thousands of headers, each of which announces all the rest.
    #[test]
    fn a_file_of_announcements_is_given_up_in_time() {
        let mut bytes = vec![7];
        let headers = 20_000u64;
        for number in 0..headers {
            let length = ((headers - number) * HEADER as u64).saturating_sub((HEADER + FOOTER) as u64);
            let length = length.to_le_bytes();
            bytes.extend(length);
            bytes.extend(MaskedCrc::of(&length).to_le_bytes());
        }
        let all = bytes.len() as u64;
        let start = std::time::Instant::now();
        assert_eq!(pieces(&bytes), [Extracted::Garbage(all)]);
        assert!(start.elapsed().as_secs() < 60);
    }
}
