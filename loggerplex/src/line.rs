//! Lines: what a reader of the file sees of a message.
//!
//! ```text
//! [time ][LEVEL> ]first line of the message
//!     | each further line of it
//! ```
//!
//! The text of a message comes from anywhere. Whatever it holds, one message is one entry: a further line
//! is marked, and what a terminal or an editor would obey instead of showing is written as `\x1b`.

/// Longest message in bytes: 16 MiB.
pub const MAX_MESSAGE: usize = 16 << 20;
/// Longest bar on either side of a section's title, in bytes.
pub const MAX_BAR: usize = 256;

/// What stands before every line of a message but the first.
const CONTINUATION: &str = "\n    | ";

/// `===== title =====`; a bar without a gap when there is no title.
///
/// `None` when a bar would be longer than [`MAX_BAR`].
pub(crate) fn section(title: &str, sep: &str, repeat: u32) -> Option<String> {
    let times = repeat as usize / 2;
    if sep.len().checked_mul(times)? > MAX_BAR {
        return None;
    }
    let (bar, space) = (sep.repeat(times), if title.is_empty() { "" } else { " " });
    Some(format!("{bar}{space}{title}{space}{bar}"))
}

/// The traceback below a message, each of its lines under the name of the level, as the original has it.
pub(crate) fn exception(message: &str, traceback: &str) -> String {
    let mut text = message.strip_suffix('\n').unwrap_or(message).to_owned();
    for line in traceback.trim().lines() {
        text.push_str("\nERROR> ");
        text.push_str(line);
    }
    text
}

/// Appends the text so that it is one entry. An end of line at its own end is not an empty line.
pub(crate) fn write_message(out: &mut Vec<u8>, message: &str) {
    let mut rest = match message.strip_suffix('\n') {
        Some(body) => body.strip_suffix('\r').unwrap_or(body),
        None => message,
    };
    while let Some((at, c)) = rest.char_indices().find(|(_, c)| *c == '\n' || is_hostile(*c)) {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        let tail = &rest[at + c.len_utf8()..];
        rest = match (c, tail.strip_prefix('\n')) {
            ('\n', _) => {
                out.extend_from_slice(CONTINUATION.as_bytes());
                tail
            }
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

/// Whether a character acts on a terminal or an editor instead of being shown: control characters other
/// than the tab, separators of lines and paragraphs, marks that reorder what follows.
pub(crate) fn is_hostile(c: char) -> bool {
    (c.is_control() && c != '\t')
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{061c}')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks a message as it stands in the file.
    #[track_caller]
    fn shows(message: &str, expect: &str) {
        let mut out = Vec::new();
        write_message(&mut out, message);
        assert_eq!(String::from_utf8(out).unwrap(), expect);
    }

    #[test]
    fn a_section_looks_as_in_the_original() {
        let title = |title, sep, repeat| section(title, sep, repeat).unwrap();
        assert_eq!(title("Yo", "=", 20), "========== Yo ==========");
        assert_eq!(title("", "!", 80), "!".repeat(80));
        assert_eq!(title("Yo", "ab", 5), "abab Yo abab");
        assert_eq!(title("Yo", "=", 1), " Yo ");
        assert_eq!(title("Yo", "", u32::MAX), " Yo ");
    }

    #[test]
    fn the_bar_of_a_section_is_bounded() {
        assert_eq!(section("", "é", 256).unwrap().len(), 2 * MAX_BAR);
        assert_eq!(section("", "é", 258), None);
        assert_eq!(section("x", "=", u32::MAX), None);
    }

    #[test]
    fn a_traceback_stands_below_its_message() {
        let text = exception("failed", "Traceback:\n  File\nValueError: x\n");
        shows(
            &text,
            "failed\n    | ERROR> Traceback:\n    | ERROR>   File\n    | ERROR> ValueError: x",
        );
        assert_eq!(exception("failed", ""), "failed");
        assert_eq!(exception("failed\n", "x"), "failed\nERROR> x");
    }

    #[test]
    fn further_lines_are_marked() {
        shows("a\nb\n\nc", "a\n    | b\n    | \n    | c");
        shows("a\r\nb", "a\n    | b");
        shows(
            "x\n12:34:56 CRITICAL> forged",
            "x\n    | 12:34:56 CRITICAL> forged",
        );
    }

    #[test]
    fn one_end_of_line_at_the_end_is_not_a_line() {
        shows("a\n", "a");
        shows("a\r\n", "a");
        shows("a\n\n", "a\n    | ");
        shows("\n", "");
        shows("", "");
    }

    #[test]
    fn what_a_terminal_would_obey_is_shown() {
        shows("progress\rforged", "progress\\rforged");
        shows("a\r\r\nb\r", "a\\r\n    | b\\r");
        shows("\x1b[2J\x07\x00\x7f", "\\x1b[2J\\x07\\x00\\x7f");
        shows("\u{85}\u{9b}", "\\x85\\x9b");
        shows("a\u{2028}b\u{2029}c", "a\\u{2028}b\\u{2029}c");
        shows("\u{202e}txt\u{2066}", "\\u{202e}txt\\u{2066}");
    }

    #[test]
    fn ordinary_text_stays_as_it_is() {
        shows("tab\there \\x1b grün 🦀 日本", "tab\there \\x1b grün 🦀 日本");
    }
}
