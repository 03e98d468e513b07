//! Full-screen terminal output, restored when the screen is dropped.

use std::io::{self, Write};

use super::keys::{Key, parse_keys};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios};

/// Alternate screen of the terminal, with unbuffered keys.
pub(super) struct Screen {
    /// Original modes of the keyboard; none when standard input is not a terminal.
    original_modes: Option<Termios>,
}

impl Screen {
    pub fn open() -> io::Result<Self> {
        let original_modes = rustix::termios::tcgetattr(io::stdin()).ok();
        if let Some(original) = &original_modes {
            let mut modes = original.clone();
            modes.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
            modes.special_codes[SpecialCodeIndex::VMIN] = 0;
            modes.special_codes[SpecialCodeIndex::VTIME] = 0;
            rustix::termios::tcsetattr(io::stdin(), OptionalActions::Now, &modes)?;
        }
        let screen = Self { original_modes };
        // Switch to the alternate screen, and hide the cursor.
        write!(io::stdout(), "\x1b[?1049h\x1b[?25l")?;
        Ok(screen)
    }

    /// Returns columns and rows; 80 and 24 when the size is unknown.
    pub fn size(&self) -> (usize, usize) {
        match rustix::termios::tcgetwinsize(io::stdout()) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col.into(), size.ws_row.into()),
            _ => (80, 24),
        }
    }

    pub fn draw(&self, lines: &[String]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        // Overwrites in place and clears only the rests, which avoids flicker.
        write!(out, "\x1b[H{}\x1b[K\x1b[J", lines.join("\x1b[K\r\n"))?;
        out.flush()
    }

    /// Returns the keys that were pressed since the last call.
    pub fn keys(&self) -> io::Result<Vec<Key>> {
        if self.original_modes.is_none() {
            return Ok(Vec::new());
        }
        let mut keys = [0; 64];
        let pressed = rustix::io::read(io::stdin(), &mut keys)?;
        Ok(parse_keys(keys.get(..pressed).unwrap_or_default()))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let mut out = io::stdout().lock();
        let _ = write!(out, "\x1b[?25h\x1b[?1049l");
        let _ = out.flush();
        if let Some(original) = &self.original_modes {
            let _ = rustix::termios::tcsetattr(io::stdin(), OptionalActions::Now, original);
        }
    }
}
