//! Percent-encoding of the parts of an address (RFC 3986). Unlike in a form, `+` is a plus sign.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// All characters but the unreserved ones of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Encodes a text as part of an address.
pub fn encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// Decodes part of an address; `None` when a `%` lacks its two digits, or the bytes are not UTF-8.
pub fn decoded(text: &str) -> Option<String> {
    // Checked here, because the library leaves a `%` without digits as it is.
    let has_digits =
        |after: &str| after.len() >= 2 && after.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
    if !text.split('%').skip(1).all(has_digits) {
        return None;
    }
    Some(percent_decode_str(text).decode_utf8().ok()?.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_text_decodes_to_itself() {
        for (text, expect) in [
            ("/run/ca.pem", "%2Frun%2Fca.pem"),
            ("p:w@?#&=%+ ü", "p%3Aw%40%3F%23%26%3D%25%2B%20%C3%BC"),
        ] {
            assert_eq!(encoded(text), expect);
            assert_eq!(decoded(expect).as_deref(), Some(text));
        }
        assert_eq!(decoded("a+b").as_deref(), Some("a+b"));
        for text in ["%", "%2", "%+1", "%zz", "%ff"] {
            assert_eq!(decoded(text), None, "{text}");
        }
    }
}
