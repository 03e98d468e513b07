//! Protobuf, field by field, without taking memory for what is in it.
//!
//! ```text
//! field   varint key = number << 3 | type, then by type
//!         0 varint    1 eight bytes    2 varint length, bytes    5 four bytes
//! ```
//!
//! Files of others may hold anything: a message of empty messages grows two hundred times when it is decoded into structs.
//! Views into the bytes allocate nothing.

/// The fields of one message, in their order; after an error there are no more.
#[derive(Clone, Debug)]
pub struct Fields<'a>(&'a [u8]);

/// A number and what is stored under it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Field<'a> {
    /// The number from the schema.
    pub number: u32,
    /// Stored value.
    pub value: Wire<'a>,
}

/// Stored value of a field; the schema tells its meaning.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Wire<'a> {
    /// An integer or a truth value.
    Varint(u64),
    /// A double or a fixed integer.
    Fixed64([u8; 8]),
    /// A text, bytes, a message or packed numbers.
    Bytes(&'a [u8]),
    /// A float or a fixed integer.
    Fixed32([u8; 4]),
}

/// The bytes are not a protobuf message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// The message ends inside a field.
    #[error("the message ends inside a field")]
    CutOff,
    /// A varint of more than ten bytes.
    #[error("an integer has more than ten bytes")]
    LongVarint,
    /// Field 0, or a type that nobody writes.
    #[error("a field has the impossible key {0}")]
    Key(u64),
    /// A text that is not UTF-8.
    #[error("a text is not UTF-8")]
    Text,
}

impl<'a> Fields<'a> {
    /// The fields of `message`.
    pub fn of(message: &'a [u8]) -> Self {
        Self(message)
    }

    fn field(&mut self) -> Result<Field<'a>, WireError> {
        let key = self.varint()?;
        let number = u32::try_from(key >> 3).map_err(|_| WireError::Key(key))?;
        let value = match (number, key & 7) {
            (0, _) => return Err(WireError::Key(key)),
            (_, 0) => Wire::Varint(self.varint()?),
            (_, 1) => Wire::Fixed64(self.array()?),
            (_, 2) => Wire::Bytes(self.bytes()?),
            (_, 5) => Wire::Fixed32(self.array()?),
            _ => return Err(WireError::Key(key)),
        };
        Ok(Field { number, value })
    }

    pub(super) fn varint(&mut self) -> Result<u64, WireError> {
        let mut value = 0;
        for n in 0..10 {
            let (&byte, rest) = self.0.split_first().ok_or(WireError::CutOff)?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << (7 * n);
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(WireError::LongVarint)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (array, rest) = self.0.split_first_chunk().ok_or(WireError::CutOff)?;
        self.0 = rest;
        Ok(*array)
    }

    fn bytes(&mut self) -> Result<&'a [u8], WireError> {
        let length = usize::try_from(self.varint()?).map_err(|_| WireError::CutOff)?;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(WireError::CutOff)?;
        self.0 = rest;
        Ok(bytes)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

/// A text.
pub(super) fn text(bytes: &[u8]) -> Result<&str, WireError> {
    std::str::from_utf8(bytes).map_err(|_| WireError::Text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(message: &[u8], expect: &[Result<(u32, Wire<'_>), WireError>]) {
        let fields: Vec<_> = Fields::of(message)
            .map(|field| field.map(|field| (field.number, field.value)))
            .collect();
        assert_eq!(fields, expect);
    }

    #[test]
    fn fields_come_in_order() {
        check(&[], &[]);
        check(
            &[0x08, 0x96, 0x01, 0x12, 1, 7, 0x1d, 1, 2, 3, 4],
            &[
                Ok((1, Wire::Varint(150))),
                Ok((2, Wire::Bytes(&[7]))),
                Ok((3, Wire::Fixed32([1, 2, 3, 4]))),
            ],
        );
        check(
            &[0x09, 1, 2, 3, 4, 5, 6, 7, 8],
            &[Ok((1, Wire::Fixed64([1, 2, 3, 4, 5, 6, 7, 8])))],
        );
    }

    #[test]
    fn a_length_beyond_the_end_is_refused() {
        check(&[0x12, 2, 7, 7], &[Ok((2, Wire::Bytes(&[7, 7])))]);
        check(&[0x12, 3, 7, 7], &[Err(WireError::CutOff)]);
        let longest = [&[0x12][..], &[0xff; 9], &[1]].concat();
        check(&longest, &[Err(WireError::CutOff)]);
    }

    #[test]
    fn an_integer_has_ten_bytes_at_most() {
        let ten = [&[0x08][..], &[0xff; 9], &[1]].concat();
        check(&ten, &[Ok((1, Wire::Varint(u64::MAX)))]);
        let eleven = [&[0x08][..], &[0xff; 10], &[1]].concat();
        check(&eleven, &[Err(WireError::LongVarint)]);
    }

    #[test]
    fn impossible_keys_are_refused() {
        check(&[0x00, 1], &[Err(WireError::Key(0))]);
        check(&[0x0b], &[Err(WireError::Key(11))]);
    }

    proptest! {
        #[test]
        fn any_bytes_come_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Fields::of(&bytes).count() <= bytes.len());
        }
    }
}
