//! Percent-encoding, as parts of an address have it. Unlike in a form, `+` is a plus.

/// Text as part of an address.
pub(crate) fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    text.bytes()
        .map(|byte| match plain(byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect()
}

/// What was encoded; none when a `%` has no two digits after it, or the bytes are not UTF-8.
pub(crate) fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (digits, tail) = rest.split_at_checked(2)?;
        // `from_str_radix` would take a sign.
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = tail;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_comes_back() {
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
