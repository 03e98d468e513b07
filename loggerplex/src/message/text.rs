//! Message text that accepts any bytes, so invalid UTF-8 never loses a message.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// Message text: always UTF-8, made from anything.
///
/// Invalid UTF-8 is replaced by `\u{fffd}`, and a note at the end counts the replaced bytes.
///
/// ```
/// use loggerplex::message::Text;
///
/// let text = Text::from_bytes(b"caf\xe9");
/// assert_eq!(text.as_str(), "caf\u{fffd} [1 byte was not UTF-8]");
/// assert_eq!(Text::from("caf\u{e9}").as_str(), "caf\u{e9}");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Text<'a>(Cow<'a, str>);

impl Text<'_> {
    /// Returns the text as a string slice.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Converts bytes, with a note when some of them are not UTF-8.
    pub fn from_bytes(bytes: &[u8]) -> Text<'_> {
        match String::from_utf8_lossy(bytes) {
            Cow::Borrowed(text) => text.into(),
            Cow::Owned(text) => {
                let bad: usize = bytes.utf8_chunks().map(|chunk| chunk.invalid().len()).sum();
                let were = if bad == 1 { "byte was" } else { "bytes were" };
                format!("{text} [{bad} {were} not UTF-8]").into()
            }
        }
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl<'a> From<&'a String> for Text<'a> {
    fn from(text: &'a String) -> Self {
        text.as_str().into()
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Self(Cow::Owned(text))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Text<'de>, E> {
        Ok(text.into())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Text<'de>, E> {
        Ok(text.to_owned().into())
    }

    fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<Text<'de>, E> {
        Ok(Text::from_bytes(bytes))
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Text<'de>, E> {
        Ok(Text::from_bytes(bytes).as_str().to_owned().into())
    }
}

#[cfg(test)]
mod tests {
    use remotecall::rmp_serde;

    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], expect: &str) {
        assert_eq!(Text::from_bytes(bytes).as_str(), expect);
        // MessagePack str8 and bin8: one byte of length each.
        for kind in [0xd9, 0xc4] {
            let value = [&[kind, bytes.len() as u8], bytes].concat();
            let text: Text<'_> = rmp_serde::from_slice(&value).unwrap();
            assert_eq!(text.as_str(), expect);
        }
    }

    #[test]
    fn invalid_utf8_is_replaced_and_counted() {
        check(b"caf\xe9", "caf\u{fffd} [1 byte was not UTF-8]");
        check(
            b"\xed\xa0\x80 \xff",
            "\u{fffd}\u{fffd}\u{fffd} \u{fffd} [4 bytes were not UTF-8]",
        );
        check(b"\xe2\x82 cut", "\u{fffd} cut [2 bytes were not UTF-8]");
    }

    #[test]
    fn valid_utf8_is_unchanged() {
        check(b"", "");
        check("grün \u{fffd}".as_bytes(), "grün \u{fffd}");
    }

    #[test]
    fn a_number_is_not_a_text() {
        assert!(rmp_serde::from_slice::<Text<'_>>(&[7]).is_err());
    }
}
