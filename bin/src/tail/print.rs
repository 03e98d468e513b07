//! Printing of entries: one column of client ids, then the text.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, BufWriter, Write};

use chrono::SecondsFormat;
use loggerplex::Level;
use loggerplex::reading::LogEntry;
use serde_json::json;

use crate::terminal::{escape, supports_colour};

/// Colours of client ids (SGR codes), readable on light and dark backgrounds.
const COLOURS: [u8; 6] = [36, 32, 35, 34, 33, 31];
/// Limit on the width of the client column, in characters.
const MAX_WIDTH: usize = 32;

pub(super) struct Printer {
    json: bool,
    colours: bool,
    /// Width of the client column: that of the longest client id so far.
    width: usize,
}

impl Printer {
    pub fn new(json: bool) -> Self {
        Self {
            json,
            colours: supports_colour(&io::stdout()),
            width: 0,
        }
    }

    pub fn print(&mut self, entries: Vec<LogEntry>) -> io::Result<()> {
        let mut out = BufWriter::new(io::stdout().lock());
        for entry in &entries {
            self.width = self.width.max(entry.client.len().min(MAX_WIDTH));
        }
        for entry in &entries {
            if self.json {
                writeln!(out, "{}", as_json(entry))?;
            } else {
                self.print_text(&mut out, entry)?;
            }
        }
        out.flush()
    }

    fn print_text(&self, out: &mut impl Write, entry: &LogEntry) -> io::Result<()> {
        let client = format!("{:width$}", escape(&entry.client), width = self.width);
        for line in entry.text.split('\n') {
            let line = escape(line);
            if !self.colours {
                writeln!(out, "{client}  {line}")?;
                continue;
            }
            let style = match entry.level {
                Some(level) if level >= Level::ERROR => "\x1b[1;31m",
                Some(level) if level >= Level::WARNING => "\x1b[33m",
                _ => "",
            };
            writeln!(
                out,
                "\x1b[{}m{client}\x1b[0m  {style}{line}\x1b[0m",
                colour(&entry.client)
            )?;
        }
        Ok(())
    }
}

/// Colour of a client id, stable across runs.
fn colour(client: &str) -> u8 {
    let mut hasher = DefaultHasher::new();
    client.hash(&mut hasher);
    let index = (hasher.finish() % COLOURS.len() as u64) as usize;
    COLOURS.get(index).copied().unwrap_or(0)
}

fn as_json(entry: &LogEntry) -> serde_json::Value {
    json!({
        "client_id": entry.client,
        "time": entry.time.to_rfc3339_opts(SecondsFormat::Nanos, true),
        "level": entry.level.map(|level| level.to_string()),
        "levelno": entry.level.map(|level| level.0),
        "message": entry.message,
    })
}
