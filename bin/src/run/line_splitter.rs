//! Line splitter: turns the output of a program into log lines.
//!
//! A carriage return discards the line so far, as it does on a terminal, so a progress bar leaves
//! only its last state. Escape sequences of the form `ESC [ … letter`, such as colours, are
//! removed; those that move the cursor or erase lines act on the [`Rows`].

use super::rows::Rows;

/// Most bytes of parameters of an escape sequence that are looked at.
const MAX_PARAMETERS: usize = 16;

/// Incremental line splitter.
#[derive(Debug, Default)]
pub(super) struct LineSplitter {
    rows: Rows,
    sequence: EscapeSequence,
    /// Parameters of the escape sequence.
    parameters: Vec<u8>,
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
        let mut rest = bytes;
        while let Some((&byte, tail)) = rest.split_first() {
            match (self.sequence, byte) {
                (EscapeSequence::None, 0x1b) => self.sequence = EscapeSequence::Escape,
                (EscapeSequence::None, _) => {
                    rest = self.text(rest, &mut out);
                    continue;
                }
                (EscapeSequence::Escape, b'[') => self.sequence = EscapeSequence::Parameters,
                (EscapeSequence::Escape, _) => {
                    // Not a known sequence: keep it.
                    self.sequence = EscapeSequence::None;
                    self.rows.text(&[0x1b], &mut out);
                    continue;
                }
                (EscapeSequence::Parameters, 0x40..=0x7e) => {
                    self.sequence = EscapeSequence::None;
                    self.act(byte, &mut out);
                }
                (EscapeSequence::Parameters, 0x20..=0x3f) => {
                    if self.parameters.len() < MAX_PARAMETERS {
                        self.parameters.push(byte);
                    }
                }
                (EscapeSequence::Parameters, _) => {
                    self.sequence = EscapeSequence::None;
                    self.parameters.clear();
                    continue;
                }
            }
            rest = tail;
        }
    }

    /// Processes one control character, or the text before the next one. Returns the rest.
    fn text<'a>(&mut self, bytes: &'a [u8], out: &mut impl FnMut(&[u8])) -> &'a [u8] {
        let is_control = |byte: &u8| matches!(byte, b'\n' | b'\r' | 0x1b);
        let length = bytes.iter().position(is_control).unwrap_or(bytes.len());
        let (text, rest) = bytes.split_at(length);
        if !text.is_empty() {
            self.rows.text(text, out);
            return rest;
        }
        match rest.split_first() {
            Some((b'\n', tail)) => {
                self.rows.line_feed(out);
                tail
            }
            Some((b'\r', tail)) => {
                self.rows.carriage_return();
                tail
            }
            _ => rest,
        }
    }

    /// Carries out the escape sequence that ends with `letter`.
    fn act(&mut self, letter: u8, out: &mut impl FnMut(&[u8])) {
        let parameters = std::mem::take(&mut self.parameters);
        let first = parameters.split(|&byte| byte == b';').next().unwrap_or_default();
        let number = std::str::from_utf8(first)
            .ok()
            .and_then(|text| text.parse::<usize>().ok());
        let lines = number.unwrap_or(1).max(1);
        match letter {
            b'A' | b'F' => self.rows.up(lines),
            b'B' | b'E' => self.rows.down(lines),
            b'H' | b'f' => self.rows.move_to_row(lines, out),
            b'J' => self.rows.erase_screen(number.unwrap_or(0) >= 2),
            b'K' => self.rows.erase_line(number == Some(2)),
            _ => {}
        }
    }

    /// Calls `out` for the lines that are kept, and for the last line, if it has no line feed.
    pub fn finish(self, mut out: impl FnMut(&[u8])) {
        self.rows.finish(&mut out);
    }
}

#[cfg(test)]
mod tests {
    use super::super::rows::MAX_LINE;
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
        check("100%\r\x1b[Kdone\n", &["done"]);
        check("100%\r\x1b[K\nnext\n", &["next"]);
    }

    #[test]
    fn escape_sequences_are_removed() {
        check("\x1b[1;31mred\x1b[0m\x1b[K text\n", &["red text"]);
        check("\x1b]0;title\x07", &["\x1b]0;title\x07"]);
        check("\x1b[31\nx", &["", "x"]);
    }

    /// Two bars of tqdm: the second moves down, draws, and moves up.
    #[test]
    fn bars_below_each_other_leave_their_last_states() {
        let mut bytes = "start\n".to_owned();
        for percent in 0..=100 {
            bytes += &format!("\ra {percent}%\n\rb {percent}%\x1b[A");
        }
        bytes += "\n\nend\nlast\n";
        // The first state of the upper bar looks like any other line.
        check(&bytes, &["start", "a 0%", "a 100%", "b 100%", "end", "last"]);
    }

    /// A frame of three lines that is drawn again and again, as rich does.
    #[test]
    fn a_redrawn_frame_is_logged_in_its_last_state() {
        let mut bytes = "a 0\nb 0\nc 0".to_owned();
        for step in 1..50 {
            bytes += &format!("\r\x1b[2K\x1b[1A\x1b[2K\x1b[1A\x1b[2Ka {step}\nb {step}\nc {step}");
        }
        check(&(bytes + "\n"), &["a 0", "b 0", "a 49", "b 49", "c 49"]);
    }

    #[test]
    fn a_screen_drawn_from_the_top_is_logged_in_its_last_state() {
        let mut bytes = "start".to_owned();
        for step in 0..50 {
            bytes += &format!("\x1b[H\x1b[2Ja {step}\nb {step}\n");
        }
        check(&bytes, &["start", "a 0", "b 0", "a 49", "b 49"]);
    }

    /// Plain lines after bars are not held back for longer than the bars were high.
    #[test]
    fn lines_after_bars_are_logged_at_once() {
        let mut lines = Vec::new();
        let mut splitter = LineSplitter::default();
        splitter.push(b"a\nb\nc\x1b[2A1\n2\n3\nx\ny\nz\n", |line| {
            lines.push(line.to_vec())
        });
        assert_eq!(lines, [b"a", b"b", b"1", b"2", b"3", b"x", b"y", b"z"]);
    }

    #[test]
    fn a_long_line_is_split() {
        let mut parts = Vec::new();
        let mut splitter = LineSplitter::default();
        splitter.push(&vec![b'x'; 2 * MAX_LINE + 1], |line| parts.push(line.len()));
        splitter.finish(|line| parts.push(line.len()));
        assert_eq!(parts, [MAX_LINE, MAX_LINE, 1]);
    }

    #[test]
    fn a_long_line_is_split_between_characters() {
        let text = "日".repeat(70_000);
        for size in [1000, 1001, text.len()] {
            let mut parts = Vec::new();
            let mut out = |line: &[u8]| parts.push(String::from_utf8(line.to_vec()).unwrap());
            let mut splitter = LineSplitter::default();
            for part in text.as_bytes().chunks(size) {
                splitter.push(part, &mut out);
            }
            splitter.finish(&mut out);
            assert_eq!((parts.len(), parts.concat() == text), (4, true));
        }
    }
}
