//! Multi-part messages: section titles between bars, and messages with a traceback.

/// Longest bar on either side of a section title: 256 bytes.
pub const MAX_BAR: usize = 256;

/// Section line: `===== title =====`, or both bars joined when the title is empty.
///
/// `repeat` counts the symbols of both bars together. Returns `None` when one bar would exceed
/// [`MAX_BAR`].
pub(crate) fn section_line(title: &str, sep: &str, repeat: u32) -> Option<String> {
    let times = repeat as usize / 2;
    if sep.len().checked_mul(times)? > MAX_BAR {
        return None;
    }
    let (bar, space) = (sep.repeat(times), if title.is_empty() { "" } else { " " });
    Some(format!("{bar}{space}{title}{space}{bar}"))
}

/// Message with a traceback below it; each traceback line begins with `ERROR> `.
pub(crate) fn exception_text(message: &str, traceback: &str) -> String {
    let mut text = message.strip_suffix('\n').unwrap_or(message).to_owned();
    for line in traceback.trim().lines() {
        text.push_str("\nERROR> ");
        text.push_str(line);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::escape::tests::shows;

    #[test]
    fn a_section_title_stands_between_equal_bars() {
        let title = |title, sep, repeat| section_line(title, sep, repeat).unwrap();
        assert_eq!(title("Yo", "=", 20), "========== Yo ==========");
        assert_eq!(title("", "!", 80), "!".repeat(80));
        assert_eq!(title("Yo", "ab", 5), "abab Yo abab");
        assert_eq!(title("Yo", "=", 1), " Yo ");
        assert_eq!(title("Yo", "", u32::MAX), " Yo ");
    }

    #[test]
    fn a_section_bar_is_bounded() {
        assert_eq!(section_line("", "é", 256).unwrap().len(), 2 * MAX_BAR);
        assert_eq!(section_line("", "é", 258), None);
        assert_eq!(section_line("x", "=", u32::MAX), None);
    }

    #[test]
    fn a_traceback_stands_below_its_message() {
        let text = exception_text("failed", "Traceback:\n  File\nValueError: x\n");
        shows(
            &text,
            "failed\n    | ERROR> Traceback:\n    | ERROR>   File\n    | ERROR> ValueError: x",
        );
        assert_eq!(exception_text("failed", ""), "failed");
        assert_eq!(exception_text("failed\n", "x"), "failed\nERROR> x");
    }
}
