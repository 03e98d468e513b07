//! Checkpoint: the state after a prefix of the journal.
//!
//! ```text
//! "RCC1" | crc u32 LE | body        crc: CRC-32C of the body
//! body     MessagePack (first segment still needed, object's state, [(producer, watermark)], details of producers)
//! ```
//!
//! A new checkpoint replaces the old one atomically.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::JournalError;
use super::producers::{Details, Producers};
use crate::disk;
use crate::mutants::{self, Mutant};

const MAGIC: [u8; 4] = *b"RCC1";
const HEADER: usize = 8;

/// A saved state.
#[derive(Debug, Default)]
pub struct Checkpoint {
    /// First segment that is still needed.
    pub segment: u64,
    /// State of the object; empty when it has none.
    pub object: Vec<u8>,
    /// Producers and their watermarks.
    pub producers: Producers,
}

#[derive(Serialize, Deserialize)]
struct Body {
    segment: u64,
    #[serde(with = "as_bytes")]
    object: Vec<u8>,
    watermarks: Vec<([u8; 16], u64)>,
    #[serde(default)]
    details: Details,
}

impl Checkpoint {
    /// Saves the checkpoint in `dir`.
    ///
    /// # Errors
    /// When a system call fails; the old checkpoint is valid then.
    pub fn save(&self, dir: &Path) -> Result<(), JournalError> {
        let (watermarks, details) = match mutants::is_on(Mutant::WatermarkNotPersisted) {
            true => (Vec::new(), Details::default()),
            false => self.producers.save(),
        };
        let body = Body {
            segment: self.segment,
            object: self.object.clone(),
            watermarks,
            details,
        };
        let mut content = vec![0; HEADER];
        rmp_serde::encode::write(&mut content, &body).expect("plain data serializes");
        let crc = crc32c::crc32c(&content[HEADER..]);
        content[..4].copy_from_slice(&MAGIC);
        content[4..HEADER].copy_from_slice(&crc.to_le_bytes());
        let path = checkpoint_path(dir);
        disk::replace(&path, &content).map_err(|error| JournalError::io(&path, error))
    }

    /// Loads the checkpoint in `dir`; `None` when there is none.
    ///
    /// # Errors
    /// When the file is damaged, or a system call fails.
    pub fn load(dir: &Path) -> Result<Option<Self>, JournalError> {
        let path = checkpoint_path(dir);
        let bytes = match disk::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(JournalError::io(&path, error)),
        };
        Self::parse(&bytes, &path).map(Some)
    }

    /// Decodes the bytes of the file at `path`.
    pub(super) fn parse(bytes: &[u8], path: &Path) -> Result<Self, JournalError> {
        let damaged = |why: &str| JournalError::damaged(path, 0, why);
        let (head, body) = bytes
            .split_first_chunk::<HEADER>()
            .ok_or_else(|| damaged("it is too short"))?;
        let [m0, m1, m2, m3, crc @ ..] = *head;
        if [m0, m1, m2, m3] != MAGIC || u32::from_le_bytes(crc) != crc32c::crc32c(body) {
            return Err(damaged("its checksum is wrong"));
        }
        let body: Body = rmp_serde::from_slice(body).map_err(|why| damaged(&why.to_string()))?;
        Ok(Self {
            segment: body.segment,
            object: body.object,
            producers: Producers::restore(body.watermarks, body.details),
        })
    }
}

fn checkpoint_path(dir: &Path) -> PathBuf {
    dir.join("checkpoint")
}

/// Encoding as MessagePack binary: an array of numbers would take up to twice the bytes.
mod as_bytes {
    use serde::de::Visitor;
    use serde::{Deserializer, Serializer};

    pub fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(bytes)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Vec<u8>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }

            fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
                Ok(bytes)
            }
        }
        from.deserialize_byte_buf(Bytes)
    }
}
