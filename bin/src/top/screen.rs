//! A terminal that is drawn on, and that is as it was when this ends.

use std::io::{self, Write};

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios};

/// The screen. What was on it comes back.
pub(super) struct Screen {
    /// How the keyboard was, where there is one.
    before: Option<Termios>,
}

impl Screen {
    pub fn open() -> io::Result<Self> {
        let before = rustix::termios::tcgetattr(io::stdin()).ok();
        if let Some(before) = &before {
            let mut modes = before.clone();
            modes.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
            modes.special_codes[SpecialCodeIndex::VMIN] = 0;
            modes.special_codes[SpecialCodeIndex::VTIME] = 0;
            rustix::termios::tcsetattr(io::stdin(), OptionalActions::Now, &modes)?;
        }
        let screen = Self { before };
        // Another screen, without a cursor.
        write!(io::stdout(), "\x1b[?1049h\x1b[?25l")?;
        Ok(screen)
    }

    /// Columns and rows.
    pub fn size(&self) -> (usize, usize) {
        match rustix::termios::tcgetwinsize(io::stdout()) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col.into(), size.ws_row.into()),
            _ => (80, 24),
        }
    }

    pub fn draw(&self, lines: &[String]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        // What is beyond the end of each line, and below the last one, is cleared; nothing flickers.
        write!(out, "\x1b[H{}\x1b[K\x1b[J", lines.join("\x1b[K\r\n"))?;
        out.flush()
    }

    /// Whether somebody pressed q.
    pub fn wants_to_end(&self) -> io::Result<bool> {
        if self.before.is_none() {
            return Ok(false);
        }
        let mut keys = [0; 64];
        let pressed = rustix::io::read(io::stdin(), &mut keys)?;
        Ok(keys[..pressed].contains(&b'q'))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let mut out = io::stdout().lock();
        let _ = write!(out, "\x1b[?25h\x1b[?1049l");
        let _ = out.flush();
        if let Some(before) = &self.before {
            let _ = rustix::termios::tcsetattr(io::stdin(), OptionalActions::Now, before);
        }
    }
}
