//! Titles between bars.

use super::Logger;
use crate::{Level, Text};

/// How a title is set: `========== title ==========`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section<'a> {
    /// Its level.
    pub level: Level,
    /// What the bars are made of.
    pub sep: &'a str,
    /// How often it comes, on both sides together.
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

impl Section<'_> {
    /// The usual bars with another level.
    pub fn at(level: Level) -> Self {
        Self {
            level,
            ..Self::default()
        }
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
