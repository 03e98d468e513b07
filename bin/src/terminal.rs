//! What goes to a terminal: colours only where one is, text of others without its commands, and a progress bar.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::server::live::size;

/// How often a progress bar changes.
const EVERY: Duration = Duration::from_millis(100);
/// Cells of a progress bar.
const CELLS: u64 = 30;

/// Whether an output shows colours: a terminal does, unless `NO_COLOR` is set.
pub fn has_colours(output: &impl IsTerminal) -> bool {
    output.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// A text of others on one line, in which nothing but a tab acts on the terminal.
pub fn shown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => out.push(c),
            c if c.is_control() || is_mark(c) => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}

/// Separators of lines and marks that reorder what follows.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{061c}')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A bar on standard error, where that is a terminal.
pub struct Progress {
    on_terminal: bool,
    start: Instant,
    drawn: Option<Instant>,
    done: u64,
}

impl Progress {
    /// Nothing is drawn yet.
    pub fn start() -> Self {
        Self {
            on_terminal: std::io::stderr().is_terminal(),
            start: Instant::now(),
            drawn: None,
            done: 0,
        }
    }

    /// More bytes are done.
    pub fn add(&mut self, bytes: u64, all: u64) {
        self.done += bytes;
        let due = self.drawn.is_none_or(|drawn| drawn.elapsed() >= EVERY);
        if !self.on_terminal || !due {
            return;
        }
        self.drawn = Some(Instant::now());
        let part = |of: u64| (self.done * of).checked_div(all).unwrap_or(of).min(of);
        let cells = part(CELLS) as usize;
        let rate = self.done as f64 / self.start.elapsed().as_secs_f64().max(0.001);
        // A terminal that is gone is nobody's business here.
        let _ = write!(
            std::io::stderr(),
            "\r\x1b[K[{}{}] {:3} %  {} of {}, {}/s",
            "#".repeat(cells),
            " ".repeat(CELLS as usize - cells),
            part(100),
            size(self.done),
            size(all),
            size(rate as u64),
        );
    }

    /// Takes the bar away.
    pub fn end(self) {
        if self.drawn.is_some() {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_shown() {
        assert_eq!(shown("a\x1b[2J\n\u{202e}b"), "a\\u{1b}[2J\\n\\u{202e}b");
        assert_eq!(shown("grün/loss 🦀"), "grün/loss 🦀");
    }
}
