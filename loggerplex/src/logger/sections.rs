//! Sections: titles between bars.

use super::Logger;
use crate::level::Level;
use crate::message::Text;

/// Style of a section title. Default: `========== title ==========` with the level `INFO`.
///
/// ```
/// use loggerplex::{Level, Logger, Section};
///
/// let log = Logger::connect("127.0.0.1:1", "agent/17")?;
/// log.section_as(Section::at(Level::WARNING).sep("!").repeat(8), "hot"); // !!!! hot !!!!
/// # Ok::<(), remotecall::ConnectError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Section<'a> {
    /// Level of the line.
    pub level: Level,
    /// Symbol of the bars. A bar has at most 256 bytes; the server refuses longer ones.
    pub sep: &'a str,
    /// Number of symbols in both bars together.
    pub repeat: u32,
}

impl Default for Section<'_> {
    fn default() -> Self {
        Self {
            level: Level::INFO,
            sep: "=",
            repeat: 20,
        }
    }
}

impl<'a> Section<'a> {
    /// Returns the default bars with this level.
    pub fn at(level: Level) -> Self {
        Self {
            level,
            ..Self::default()
        }
    }

    /// Sets the symbol of the bars.
    #[must_use]
    pub fn sep(mut self, sep: &'a str) -> Self {
        self.sep = sep;
        self
    }

    /// Sets the number of symbols in both bars together.
    #[must_use]
    pub fn repeat(mut self, repeat: u32) -> Self {
        self.repeat = repeat;
        self
    }
}

impl Logger {
    /// Logs `========== title ==========` with the level `INFO`.
    pub fn section<'a>(&self, title: impl Into<Text<'a>>) {
        self.section_as(Section::default(), title);
    }

    /// Logs a title with the level `DEBUG`.
    pub fn debug_section<'a>(&self, title: impl Into<Text<'a>>) {
        self.section_as(Section::at(Level::DEBUG), title);
    }

    /// Logs a title with the level `INFO`.
    pub fn info_section<'a>(&self, title: impl Into<Text<'a>>) {
        self.section_as(Section::at(Level::INFO), title);
    }

    /// Logs a title with the level `WARNING`.
    pub fn warning_section<'a>(&self, title: impl Into<Text<'a>>) {
        self.section_as(Section::at(Level::WARNING), title);
    }

    /// Logs a title with the level `ERROR`.
    pub fn error_section<'a>(&self, title: impl Into<Text<'a>>) {
        self.section_as(Section::at(Level::ERROR), title);
    }

    /// Logs a title with the level `CRITICAL`.
    pub fn critical_section<'a>(&self, title: impl Into<Text<'a>>) {
        self.section_as(Section::at(Level::CRITICAL), title);
    }
}
