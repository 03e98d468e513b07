//! Variable-length integers: LEB128 of one to ten bytes, and zigzag for signed numbers.

/// Bytes that are no varint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VarintError {
    /// The bytes end before the last byte of the number.
    Truncated,
    /// More than ten bytes.
    TooLong,
}

#[inline]
pub(crate) fn take_varint(rest: &mut &[u8]) -> Result<u64, VarintError> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, tail) = rest.split_first().ok_or(VarintError::Truncated)?;
        *rest = tail;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(VarintError::TooLong)
}

#[inline]
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(crate) fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

pub(crate) fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_take_one_to_ten_bytes() {
        for (value, length) in [
            (0, 1),
            (127, 1),
            (128, 2),
            (16_383, 2),
            (16_384, 3),
            (u64::MAX, 10),
        ] {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            assert_eq!(bytes.len(), length, "{value}");
            assert_eq!(take_varint(&mut &*bytes), Ok(value));
            assert_eq!(take_varint(&mut &bytes[1..]).is_err(), length == 1);
        }
        assert_eq!(take_varint(&mut &[0x80; 9][..]), Err(VarintError::Truncated));
        assert_eq!(take_varint(&mut &[0x80; 11][..]), Err(VarintError::TooLong));
    }

    #[test]
    fn small_signed_numbers_become_small_numbers() {
        for (signed, unsigned) in [
            (0, 0),
            (-1, 1),
            (1, 2),
            (i64::MAX, u64::MAX - 1),
            (i64::MIN, u64::MAX),
        ] {
            assert_eq!(zigzag(signed), unsigned);
            assert_eq!(unzigzag(unsigned), signed);
        }
    }
}
