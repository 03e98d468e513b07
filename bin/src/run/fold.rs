//! Output of a program as lines of a log.
//!
//! What a carriage return would overwrite on a terminal is left out: of a progress bar its last state stays. Commands to
//! a terminal, such as colours (`ESC [ … letter`), are left out too.

/// Longest line; a longer one comes in parts.
pub(super) const MAX_LINE: usize = 64 << 10;

/// Cuts bytes into lines, however they come.
#[derive(Debug, Default)]
pub(super) struct Fold {
    line: Vec<u8>,
    /// A carriage return was the last byte: what follows, if not the end of the line, begins it anew.
    returned: bool,
    command: Command,
}

/// Where in a command to the terminal we are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Command {
    #[default]
    None,
    Escape,
    Parameters,
}

impl Fold {
    /// Takes the next bytes; each line that is complete goes to `out`.
    pub fn push(&mut self, bytes: &[u8], mut out: impl FnMut(&[u8])) {
        for &byte in bytes {
            match (self.command, byte) {
                (Command::None, 0x1b) => self.command = Command::Escape,
                (Command::None, _) => self.text(byte, &mut out),
                (Command::Escape, b'[') => self.command = Command::Parameters,
                (Command::Escape, _) => {
                    // No command that we know: it is shown.
                    self.command = Command::None;
                    self.text(0x1b, &mut out);
                    self.text(byte, &mut out);
                }
                (Command::Parameters, 0x40..=0x7e) => self.command = Command::None,
                (Command::Parameters, 0x20..=0x3f) => {}
                (Command::Parameters, _) => {
                    self.command = Command::None;
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
                self.returned = false;
            }
            b'\r' => self.returned = true,
            byte => {
                if std::mem::take(&mut self.returned) {
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

    /// The line that was not ended.
    pub fn end(self, mut out: impl FnMut(&[u8])) {
        if !self.line.is_empty() {
            out(&self.line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However the bytes are cut in two, the lines are these.
    #[track_caller]
    fn check(bytes: &str, expect: &[&str]) {
        for cut in 0..=bytes.len() {
            let mut lines = Vec::new();
            let mut out = |line: &[u8]| lines.push(String::from_utf8(line.to_vec()).unwrap());
            let mut fold = Fold::default();
            fold.push(&bytes.as_bytes()[..cut], &mut out);
            fold.push(&bytes.as_bytes()[cut..], &mut out);
            fold.end(&mut out);
            assert_eq!(lines, expect, "cut at {cut}");
        }
    }

    #[test]
    fn lines_are_lines() {
        check("a\nb\n\nc", &["a", "b", "", "c"]);
        check("a\r\nb\r\n", &["a", "b"]);
        check("", &[]);
    }

    #[test]
    fn of_a_progress_bar_the_last_state_stays() {
        check("\r 0%\r 50%\r100%\ndone\n", &["100%", "done"]);
        check(" 0%\r 50%\r", &[" 50%"]);
        check("100%\r\r\n", &["100%"]);
    }

    #[test]
    fn commands_to_a_terminal_are_left_out() {
        check("\x1b[1;31mred\x1b[0m\x1b[K text\n", &["red text"]);
        check("\x1b]0;title\x07", &["\x1b]0;title\x07"]);
        check("\x1b[31\nx", &["", "x"]);
    }

    #[test]
    fn a_long_line_comes_in_parts() {
        let mut parts = Vec::new();
        let mut fold = Fold::default();
        fold.push(&vec![b'x'; 2 * MAX_LINE + 1], |line| parts.push(line.len()));
        fold.end(|line| parts.push(line.len()));
        assert_eq!(parts, [MAX_LINE, MAX_LINE, 1]);
    }
}
