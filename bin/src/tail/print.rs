//! Entries of many clients, one below the other.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, BufWriter, Write};

use chrono::SecondsFormat;
use loggerplex::Level;
use loggerplex::reading::LogEntry;
use serde_json::json;

use crate::terminal::{has_colours, shown};

/// Colours of clients: those that are seen on a light ground and on a dark one.
const COLOURS: [u8; 6] = [36, 32, 35, 34, 33, 31];
/// Widest column of clients.
const MAX_WIDTH: usize = 32;

pub(super) struct Printer {
    json: bool,
    colours: bool,
    /// The column is as wide as the longest client so far.
    width: usize,
}

impl Printer {
    pub fn new(json: bool) -> Self {
        Self {
            json,
            colours: has_colours(&io::stdout()),
            width: 0,
        }
    }

    pub fn print(&mut self, entries: Vec<LogEntry>) -> io::Result<()> {
        let mut out = BufWriter::new(io::stdout().lock());
        for entry in &entries {
            self.width = self.width.max(entry.client.len().min(MAX_WIDTH));
        }
        for entry in &entries {
            match self.json {
                true => writeln!(out, "{}", as_json(entry))?,
                false => self.lines(&mut out, entry)?,
            }
        }
        out.flush()
    }

    fn lines(&self, out: &mut impl Write, entry: &LogEntry) -> io::Result<()> {
        let client = format!("{:width$}", shown(&entry.client), width = self.width);
        for line in entry.text.split('\n') {
            let line = shown(line);
            if !self.colours {
                writeln!(out, "{client}  {line}")?;
                continue;
            }
            let strong = match entry.level {
                Some(level) if level >= Level::ERROR => "\x1b[1;31m",
                Some(level) if level >= Level::WARNING => "\x1b[33m",
                _ => "",
            };
            writeln!(
                out,
                "\x1b[{}m{client}\x1b[0m  {strong}{line}\x1b[0m",
                colour(&entry.client)
            )?;
        }
        Ok(())
    }
}

/// The same client has the same colour every time.
fn colour(client: &str) -> u8 {
    let mut hasher = DefaultHasher::new();
    client.hash(&mut hasher);
    COLOURS[(hasher.finish() % COLOURS.len() as u64) as usize]
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
