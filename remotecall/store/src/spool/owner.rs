//! Owner file of a spool: queue, client id and broker address.
//!
//! ```text
//! magic     4   "RCSO"
//! version   1   1
//! queue     …   u16 LE length, UTF-8
//! client    …   u16 LE length, UTF-8: the client id
//! address   …   u16 LE length, UTF-8: of the broker, without a password
//! crc       4   u32 LE; CRC-32C of everything before
//! ```

use std::path::Path;

use super::SpoolError;
use super::record::VERSION;

const MAGIC: [u8; 4] = *b"RCSO";
/// Limit on the length of an owner file: three texts and their frame.
pub(super) const MAX_OWNER: u64 = 3 * (2 + u16::MAX as u64) + 9;

/// Owner of a spool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Queue of the calls.
    pub queue: String,
    /// Client id of the worker.
    pub client_id: String,
    /// Broker address, without a password.
    pub address: String,
}

impl Owner {
    /// Encodes the owner file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.push(VERSION);
        for text in [&self.queue, &self.client_id, &self.address] {
            // Names are far shorter. A longer address is left out, and a drain has to name it.
            let text = if text.len() > usize::from(u16::MAX) {
                ""
            } else {
                text
            };
            bytes.extend_from_slice(&(text.len() as u16).to_le_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
        bytes
    }

    /// Decodes the bytes of the owner file at `path`.
    ///
    /// # Errors
    /// When the bytes are damaged or of another version.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self, SpoolError> {
        let wrong = |why| SpoolError::NotASpool {
            path: path.to_owned(),
            why,
        };
        let rest = bytes.strip_prefix(&MAGIC).ok_or_else(|| wrong("another magic"))?;
        match rest.first() {
            Some(&VERSION) => {}
            Some(&found) => {
                return Err(SpoolError::Version {
                    path: path.to_owned(),
                    found,
                });
            }
            None => return Err(wrong("it ends within its header")),
        }
        let (sealed, crc) = bytes
            .split_last_chunk::<4>()
            .ok_or_else(|| wrong("it ends within its header"))?;
        if crc32c::crc32c(sealed) != u32::from_le_bytes(*crc) {
            return Err(wrong("its checksum is wrong"));
        }
        let mut rest = sealed.get(MAGIC.len() + 1..).unwrap_or_default();
        let mut text = || text(&mut rest).ok_or_else(|| wrong("it ends within a name"));
        Ok(Self {
            queue: text()?,
            client_id: text()?,
            address: text()?,
        })
    }
}

fn text(rest: &mut &[u8]) -> Option<String> {
    let (length, tail) = rest.split_first_chunk::<2>()?;
    let (text, tail) = tail.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
    *rest = tail;
    String::from_utf8(text.to_vec()).ok()
}
