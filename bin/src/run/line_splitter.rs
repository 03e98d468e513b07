//! Line splitter: turns the output of a program into log lines.
//!
//! A carriage return discards the line so far, as it does on a terminal, so a progress bar leaves
//! only its last state. Escape sequences of the form `ESC [ … letter`, such as colours, are
//! removed.

/// Longest line: 64 KiB. A longer one is split.
pub(super) const MAX_LINE: usize = 64 << 10;

/// Incremental line splitter.
#[derive(Debug, Default)]
pub(super) struct LineSplitter {
    line: Vec<u8>,
    /// Set after a carriage return. Any byte but a line feed then restarts the
    /// line.
    after_return: bool,
    sequence: EscapeSequence,
}

/// Progress within an escape sequence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum EscapeSequence {
    #[default]
    None,
    Escape,
    Parameters,
}

impl LineSplitter {
    /// Processes the next bytes, and calls `out` for each complete line.
    pub fn push(&mut self, bytes: &[u8], mut out: impl FnMut(&[u8])) {
        for &byte in bytes {
            match (self.sequence, byte) {
                (EscapeSequence::None, 0x1b) => self.sequence = EscapeSequence::Escape,
                (EscapeSequence::None, _) => self.text(byte, &mut out),
                (EscapeSequence::Escape, b'[') => self.sequence = EscapeSequence::Parameters,
                (EscapeSequence::Escape, _) => {
                    // Not a known sequence: keep it.
                    self.sequence = EscapeSequence::None;
                    self.text(0x1b, &mut out);
                    self.text(byte, &mut out);
                }
                (EscapeSequence::Parameters, 0x40..=0x7e) => self.sequence = EscapeSequence::None,
                (EscapeSequence::Parameters, 0x20..=0x3f) => {}
                (EscapeSequence::Parameters, _) => {
                    self.sequence = EscapeSequence::None;
                    self.text(byte, &mut out);
                }
            }
        }
    }

    fn text(&mut self, byte: u8, out: &mut impl FnMut(&[u8])) {
        match byte {
            b'\n' => {
                out(&self.line);
                self.line.clear();
                self.after_return = false;
            }
            b'\r' => self.after_return = true,
            byte => {
                if std::mem::take(&mut self.after_return) {
                    self.line.clear();
                }
                if self.line.len() == MAX_LINE {
                    out(&self.line);
                    self.line.clear();
                }
                self.line.push(byte);
            }
        }
    }

    /// Calls `out` for the last line, if it has no line feed.
    pub fn finish(self, mut out: impl FnMut(&[u8])) {
        if !self.line.is_empty() {
            out(&self.line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asserts the lines, for every split of the bytes into two parts.
    #[track_caller]
    fn check(bytes: &str, expect: &[&str]) {
        for cut in 0..=bytes.len() {
            let mut lines = Vec::new();
            let mut out = |line: &[u8]| lines.push(String::from_utf8(line.to_vec()).unwrap());
            let mut splitter = LineSplitter::default();
            splitter.push(&bytes.as_bytes()[..cut], &mut out);
            splitter.push(&bytes.as_bytes()[cut..], &mut out);
            splitter.finish(&mut out);
            assert_eq!(lines, expect, "cut at {cut}");
        }
    }

    #[test]
    fn line_feeds_end_lines() {
        check("a\nb\n\nc", &["a", "b", "", "c"]);
        check("a\r\nb\r\n", &["a", "b"]);
        check("", &[]);
    }

    #[test]
    fn a_progress_bar_leaves_its_last_state() {
        check("\r 0%\r 50%\r100%\ndone\n", &["100%", "done"]);
        check(" 0%\r 50%\r", &[" 50%"]);
        check("100%\r\r\n", &["100%"]);
    }

    #[test]
    fn escape_sequences_are_removed() {
        check("\x1b[1;31mred\x1b[0m\x1b[K text\n", &["red text"]);
        check("\x1b]0;title\x07", &["\x1b]0;title\x07"]);
        check("\x1b[31\nx", &["", "x"]);
    }

    #[test]
    fn a_long_line_is_split() {
        let mut parts = Vec::new();
        let mut splitter = LineSplitter::default();
        splitter.push(&vec![b'x'; 2 * MAX_LINE + 1], |line| parts.push(line.len()));
        splitter.finish(|line| parts.push(line.len()));
        assert_eq!(parts, [MAX_LINE, MAX_LINE, 1]);
    }
}
