//! The checksum of TFRecord.

use std::fmt;

/// Added after rotating, so that the checksum of bytes that hold their own checksum is no special value.
const MASK: u32 = 0xa282_ead8;

/// A CRC-32C, rotated right by 15 bits, plus a constant: what TFRecord stores.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MaskedCrc(pub u32);

impl MaskedCrc {
    /// The checksum of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(crc32c::crc32c(bytes).rotate_right(15).wrapping_add(MASK))
    }

    /// As stored.
    pub fn to_le_bytes(self) -> [u8; 4] {
        self.0.to_le_bytes()
    }
}

// By hand, for hexadecimal: a checksum in decimal helps nobody.
impl fmt::Debug for MaskedCrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for MaskedCrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_one_that_every_event_file_starts_with() {
        // 18 00 00 00 00 00 00 00 a3 7f 4b 22: TensorFlow's header of a version record.
        let crc = MaskedCrc::of(&24u64.to_le_bytes());
        assert_eq!(crc.to_le_bytes(), [0xa3, 0x7f, 0x4b, 0x22]);
        assert_eq!(format!("{crc}"), "0x224b7fa3");
    }
}
