//! Terminal output: colour detection, escaping of untrusted text, a progress bar.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::units::format_bytes;

/// Shortest time between two redraws of a progress bar.
const REDRAW_INTERVAL: Duration = Duration::from_millis(100);
/// Width of a progress bar, in characters.
const BAR_WIDTH: u64 = 30;

/// Returns whether an output is a terminal that may show colours. A non-empty `NO_COLOR` forbids
/// them.
pub fn supports_colour(output: &impl IsTerminal) -> bool {
    output.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Escapes untrusted text for one line of a terminal: every control character but tab becomes
/// visible.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => out.push(c),
            c if c.is_control() || is_format_mark(c) => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}

/// Returns whether a character is a line separator or a bidirectional mark.
fn is_format_mark(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{061c}')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Progress bar on standard error; invisible unless that is a terminal.
pub struct ProgressBar {
    is_visible: bool,
    start: Instant,
    last_drawn: Option<Instant>,
    done: u64,
}

impl ProgressBar {
    /// Starts at 0 bytes; draws nothing yet.
    pub fn start() -> Self {
        Self {
            is_visible: std::io::stderr().is_terminal(),
            start: Instant::now(),
            last_drawn: None,
            done: 0,
        }
    }

    /// Adds processed bytes, of `total`.
    pub fn advance(&mut self, bytes: u64, total: u64) {
        self.done += bytes;
        let due = self
            .last_drawn
            .is_none_or(|drawn| drawn.elapsed() >= REDRAW_INTERVAL);
        if !self.is_visible || !due {
            return;
        }
        self.last_drawn = Some(Instant::now());
        let part = |of: u64| (self.done * of).checked_div(total).unwrap_or(of).min(of);
        let filled = part(BAR_WIDTH) as usize;
        let rate = self.done as f64 / self.start.elapsed().as_secs_f64().max(0.001);
        // Errors are ignored: a closed terminal must not stop the work.
        let _ = write!(
            std::io::stderr(),
            "\r\x1b[K[{}{}] {:3} %  {} of {}, {}/s",
            "#".repeat(filled),
            " ".repeat(BAR_WIDTH as usize - filled),
            part(100),
            format_bytes(self.done),
            format_bytes(total),
            format_bytes(rate as u64),
        );
    }

    /// Erases the bar.
    pub fn clear(self) {
        if self.last_drawn.is_some() {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(escape("a\x1b[2J\n\u{202e}b"), "a\\u{1b}[2J\\n\\u{202e}b");
        assert_eq!(escape("grün/loss 🦀"), "grün/loss 🦀");
    }
}
