//! TFRecord framing: reading, also from a file that still grows.

use std::io::{self, Read};

use super::{FOOTER, HEADER, MAX_PAYLOAD, MaskedCrc};

/// Reads the payloads of a file one after the other.
#[derive(Debug)]
pub struct RecordReader<R> {
    source: R,
    /// Bytes of the record in progress. Kept across calls, so that a truncated record resumes where it stopped.
    partial: Vec<u8>,
    /// Offset of the record in progress.
    at: u64,
}

/// No record could be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The source could not be read; the call can be repeated.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The source ends inside a record. Call again when it has grown.
    #[error("the record at byte {at} is unfinished: {have} bytes of it are there")]
    Truncated {
        /// Offset of the record.
        at: u64,
        /// Number of its bytes that are there.
        have: usize,
    },
    /// The length does not match its checksum. Where the next record starts is unknown.
    #[error("the length of the record at byte {at} is damaged: checksum {got}, stored {want}")]
    BadLength {
        /// Offset of the record.
        at: u64,
        /// Checksum of the bytes.
        got: MaskedCrc,
        /// Checksum beside them.
        want: MaskedCrc,
    },
    /// The record is longer than [`MAX_PAYLOAD`].
    #[error("the record at byte {at} claims {length} bytes: at most {MAX_PAYLOAD} are allowed")]
    TooLong {
        /// Offset of the record.
        at: u64,
        /// Length in its header.
        length: u64,
    },
    /// The payload does not match its checksum. The next call returns the record after it.
    #[error("the record at byte {at} is damaged: checksum {got}, stored {want}")]
    BadPayload {
        /// Offset of the record.
        at: u64,
        /// Checksum of the bytes.
        got: MaskedCrc,
        /// Checksum beside them.
        want: MaskedCrc,
    },
}

impl<R: Read> RecordReader<R> {
    /// A reader of `source` from where it stands, which must be the start of a record.
    pub fn new(source: R) -> Self {
        Self {
            source,
            partial: Vec::new(),
            at: 0,
        }
    }

    /// Bytes of all records that were read: where the next one starts.
    pub fn position(&self) -> u64 {
        self.at
    }

    /// The payload of the next record; `None` at the end of the source, where a later call goes on if it has grown.
    ///
    /// # Errors
    /// When there is something, but not a whole record. After [`ReadError::BadLength`] and [`ReadError::TooLong`] every
    /// call says the same: nothing behind can be found again.
    pub fn next_record(&mut self) -> Result<Option<Vec<u8>>, ReadError> {
        self.fill_to(HEADER)?;
        if self.partial.is_empty() {
            return Ok(None);
        }
        let length = self.payload_length()?;
        self.fill_to(HEADER + length + FOOTER)?;
        self.check_whole(HEADER + length + FOOTER)?;

        let at = self.at;
        let mut record = std::mem::take(&mut self.partial);
        self.at += record.len() as u64;
        let want = stored_crc(&record, HEADER + length);
        record.truncate(HEADER + length);
        record.drain(..HEADER);
        match MaskedCrc::of(&record) {
            got if got == want => Ok(Some(record)),
            got => Err(ReadError::BadPayload { at, got, want }),
        }
    }

    fn payload_length(&self) -> Result<usize, ReadError> {
        self.check_whole(HEADER)?;
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&self.partial[..8]);
        let (at, got, want) = (self.at, MaskedCrc::of(&bytes), stored_crc(&self.partial, 8));
        if got != want {
            return Err(ReadError::BadLength { at, got, want });
        }
        let length = u64::from_le_bytes(bytes);
        if length > MAX_PAYLOAD as u64 {
            return Err(ReadError::TooLong { at, length });
        }
        Ok(length as usize)
    }

    /// Reads until `partial` holds `size` bytes or the source ends.
    fn fill_to(&mut self, size: usize) -> Result<(), ReadError> {
        let missing = size.saturating_sub(self.partial.len());
        self.source
            .by_ref()
            .take(missing as u64)
            .read_to_end(&mut self.partial)?;
        Ok(())
    }

    fn check_whole(&self, size: usize) -> Result<(), ReadError> {
        let (at, have) = (self.at, self.partial.len());
        if have < size {
            return Err(ReadError::Truncated { at, have });
        }
        Ok(())
    }
}

/// The four bytes at `at`, which must be there.
fn stored_crc(bytes: &[u8], at: usize) -> MaskedCrc {
    let mut crc = [0; 4];
    crc.copy_from_slice(&bytes[at..at + 4]);
    MaskedCrc(u32::from_le_bytes(crc))
}

#[cfg(test)]
mod tests {
    use super::super::append_record;
    use super::super::messages::{Event, EventPayload};
    use super::*;

    fn event(step: i64) -> Event {
        Event {
            step,
            what: Some(EventPayload::FileVersion("x".repeat(step as usize))),
            ..Event::default()
        }
    }

    fn two_records() -> Vec<u8> {
        let mut file = Vec::new();
        append_record(&mut file, &event(3)).unwrap();
        append_record(&mut file, &event(20)).unwrap();
        file
    }

    #[test]
    fn records_come_back_and_the_end_is_no_error() {
        let file = two_records();
        let mut reader = RecordReader::new(&file[..]);
        for step in [3, 20] {
            let payload = reader.next_record().unwrap().unwrap();
            assert_eq!(
                <Event as prost::Message>::decode(&payload[..]).unwrap(),
                event(step)
            );
        }
        assert!(reader.next_record().unwrap().is_none());
        assert_eq!(reader.position(), file.len() as u64);
    }

    /// A file that another process is writing: the end moves.
    struct Growing<'a> {
        file: &'a [u8],
        at: usize,
        end: usize,
    }

    impl Read for Growing<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let read = Read::read(&mut &self.file[self.at..self.end], out)?;
            self.at += read;
            Ok(read)
        }
    }

    #[test]
    fn a_cut_at_any_byte_resumes_when_the_rest_arrives() {
        let file = two_records();
        let mut whole = RecordReader::new(&file[..]);
        let want = [whole.next_record().unwrap(), whole.next_record().unwrap()];
        for cut in 0..file.len() {
            let source = Growing {
                file: &file,
                at: 0,
                end: cut,
            };
            let mut reader = RecordReader::new(source);
            let mut got = Vec::new();
            loop {
                match reader.next_record() {
                    Ok(Some(payload)) => got.push(Some(payload)),
                    Ok(None) if reader.source.end == cut => assert_eq!(reader.position(), cut as u64),
                    Ok(None) => break,
                    Err(ReadError::Truncated { at, have }) => {
                        assert_eq!(at as usize + have, cut);
                        assert!(have > 0);
                    }
                    Err(other) => panic!("cut at {cut}: {other}"),
                }
                if reader.source.at == cut {
                    reader.source.end = file.len();
                }
            }
            assert_eq!(got, want, "cut at {cut}");
        }
    }

    #[test]
    fn no_single_flipped_bit_goes_unnoticed() {
        let file = two_records();
        for bit in 0..file.len() * 8 {
            let mut damaged = file.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let mut reader = RecordReader::new(&damaged[..]);
            let first = reader.next_record();
            let second = reader.next_record();
            assert!(first.is_err() || second.is_err(), "bit {bit} flipped");
        }
    }

    #[test]
    fn a_damaged_payload_costs_one_record() {
        let mut file = two_records();
        file[HEADER] ^= 1;
        let mut reader = RecordReader::new(&file[..]);
        assert!(matches!(
            reader.next_record(),
            Err(ReadError::BadPayload { at: 0, .. })
        ));
        assert!(reader.next_record().unwrap().is_some());
    }

    #[test]
    fn zeros_and_claims_are_refused_before_memory_is_taken() {
        let mut reader = RecordReader::new(&[0; 64][..]);
        for _ in 0..2 {
            assert!(matches!(
                reader.next_record(),
                Err(ReadError::BadLength { at: 0, .. })
            ));
        }
        let length = (MAX_PAYLOAD as u64 + 1).to_le_bytes();
        let claim = [&length[..], &MaskedCrc::of(&length).to_le_bytes()].concat();
        assert!(matches!(
            RecordReader::new(&claim[..]).next_record(),
            Err(ReadError::TooLong { .. })
        ));
    }

    #[test]
    fn a_payload_that_is_too_long_leaves_the_buffer_alone() {
        let mut file = two_records();
        let before = file.clone();
        let error = append_record(&mut file, &event(MAX_PAYLOAD as i64)).unwrap_err();
        assert!(error.0 > MAX_PAYLOAD);
        assert!(file == before);
    }
}
