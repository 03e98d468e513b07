//! Escaping: a message becomes one entry whatever its text holds.
//!
//! ```text
//! [time ][LEVEL> ]first line of the message
//!     | each further line of it
//! ```
//!
//! Message text is untrusted. A marker begins each continuation line, so a message cannot forge an
//! entry. Characters that a terminal or an editor would act on are written as escapes such as
//! `\x1b`.

/// Longest message: 16 MiB.
pub const MAX_MESSAGE: usize = 16 << 20;

/// Line break and marker before each continuation line.
const CONTINUATION: &str = "\n    | ";

/// Appends a message, escaped. One trailing line break is dropped: it does not begin another line.
pub(crate) fn write_message(out: &mut Vec<u8>, message: &str) {
    let mut rest = match message.strip_suffix('\n') {
        Some(body) => body.strip_suffix('\r').unwrap_or(body),
        None => message,
    };
    while let Some((plain, c, tail)) = split_at_char(rest, |c| c == '\n' || needs_escape(c)) {
        out.extend_from_slice(plain.as_bytes());
        rest = match (c, tail.strip_prefix('\n')) {
            ('\n', _) => {
                out.extend_from_slice(CONTINUATION.as_bytes());
                tail
            }
            // CR LF is one line break.
            ('\r', Some(tail)) => {
                out.extend_from_slice(CONTINUATION.as_bytes());
                tail
            }
            _ => {
                write_escaped(out, c);
                tail
            }
        };
    }
    out.extend_from_slice(rest.as_bytes());
}

fn write_escaped(out: &mut Vec<u8>, c: char) {
    let escaped = match (c, u32::from(c)) {
        ('\r', _) => "\\r".to_owned(),
        (_, code @ 0..=0xff) => format!("\\x{code:02x}"),
        (_, code) => format!("\\u{{{code:x}}}"),
    };
    out.extend_from_slice(escaped.as_bytes());
}

/// Returns whether a terminal or an editor acts on a character instead of showing it.
///
/// True for control characters except tab, for line and paragraph separators, and for bidirectional
/// marks.
pub(crate) fn needs_escape(c: char) -> bool {
    (c.is_control() && c != '\t')
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{061c}')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Splits a text around its first character that matches `wanted`.
pub(crate) fn split_at_char(text: &str, wanted: impl Fn(char) -> bool) -> Option<(&str, char, &str)> {
    let (before, from) = text.split_at(text.find(wanted)?);
    let mut chars = from.chars();
    let found = chars.next()?;
    Some((before, found, chars.as_str()))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Asserts the escaped form of a message.
    #[track_caller]
    pub fn shows(message: &str, expect: &str) {
        let mut out = Vec::new();
        write_message(&mut out, message);
        assert_eq!(String::from_utf8(out).unwrap(), expect);
    }

    #[test]
    fn continuation_lines_begin_with_a_marker() {
        shows("a\nb\n\nc", "a\n    | b\n    | \n    | c");
        shows("a\r\nb", "a\n    | b");
        shows(
            "x\n12:34:56 CRITICAL> forged",
            "x\n    | 12:34:56 CRITICAL> forged",
        );
    }

    #[test]
    fn one_trailing_line_break_is_dropped() {
        shows("a\n", "a");
        shows("a\r\n", "a");
        shows("a\n\n", "a\n    | ");
        shows("\n", "");
        shows("", "");
    }

    #[test]
    fn control_characters_are_escaped() {
        shows("progress\rforged", "progress\\rforged");
        shows("a\r\r\nb\r", "a\\r\n    | b\\r");
        shows("\x1b[2J\x07\x00\x7f", "\\x1b[2J\\x07\\x00\\x7f");
        shows("\u{85}\u{9b}", "\\x85\\x9b");
        shows("a\u{2028}b\u{2029}c", "a\\u{2028}b\\u{2029}c");
        shows("\u{202e}txt\u{2066}", "\\u{202e}txt\\u{2066}");
    }

    #[test]
    fn printable_text_is_unchanged() {
        shows("tab\there \\x1b grün 🦀 日本", "tab\there \\x1b grün 🦀 日本");
    }
}
