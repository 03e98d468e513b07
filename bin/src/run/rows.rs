//! Last lines of the output, which the program may still rewrite.
//!
//! A line is logged when it is complete. A program that moves the cursor up, to draw bars below
//! each other for example, gets its last lines kept instead: each is logged once, in its last
//! state, when as many lines have come below it as the program moved over, or at the end.

use std::collections::VecDeque;

use super::cut::cut_position;

/// Longest line: 64 KiB. A longer one is split.
pub(super) const MAX_LINE: usize = 64 << 10;
/// Most bytes of a character of UTF-8.
const MAX_CHARACTER: usize = 4;
/// Limit on the lines that are kept: 100, more than a terminal has rows.
const MAX_ROWS: usize = 100;

/// Lines from the highest one that the program moves the cursor to.
#[derive(Debug)]
pub(super) struct Rows {
    rows: VecDeque<Row>,
    /// Index of the line with the cursor.
    cursor: usize,
    /// Number of lines to keep.
    height: usize,
    /// Number of lines added since the cursor last moved up.
    added: usize,
    /// Number of lines from the top of the screen to the cursor; none before the program moved
    /// there.
    below_top: Option<usize>,
}

#[derive(Debug, Default)]
struct Row {
    text: Vec<u8>,
    /// Set when the text is still to be logged.
    is_new: bool,
    /// Set when an earlier text of this line was replaced or erased.
    is_rewritten: bool,
    /// Set when the next text replaces the line.
    restarts: bool,
}

impl Default for Rows {
    fn default() -> Self {
        Self {
            rows: VecDeque::from([Row::added()]),
            cursor: 0,
            height: 1,
            added: 0,
            below_top: None,
        }
    }
}

impl Row {
    fn added() -> Self {
        Self {
            is_new: true,
            ..Self::default()
        }
    }

    fn erase(&mut self) {
        self.text.clear();
        self.is_rewritten = true;
    }

    fn log(mut self, out: &mut impl FnMut(&[u8])) {
        self.split(MAX_LINE + 1, out);
        let is_erased = self.text.is_empty() && self.is_rewritten;
        if self.is_new && !is_erased {
            out(&self.text);
        }
    }

    /// Logs the start of the text while the text has `limit` bytes.
    fn split(&mut self, limit: usize, out: &mut impl FnMut(&[u8])) {
        while self.text.len() >= limit {
            let rest = self.text.split_off(cut_position(&self.text, MAX_LINE));
            out(&self.text);
            self.text = rest;
        }
    }
}

impl Rows {
    /// Adds text without control characters at the cursor.
    pub fn text(&mut self, text: &[u8], out: &mut impl FnMut(&[u8])) {
        let Some(row) = self.rows.get_mut(self.cursor) else {
            return;
        };
        if std::mem::take(&mut row.restarts) {
            row.erase();
        }
        row.is_new = true;
        row.text.extend_from_slice(text);
        // The last character may be incomplete.
        if row.text.len() >= MAX_LINE + MAX_CHARACTER {
            while self.cursor > 0 {
                self.log_first(out);
            }
            if let Some(row) = self.rows.front_mut() {
                row.split(MAX_LINE + MAX_CHARACTER, out);
            }
        }
    }

    /// Moves the cursor to the start of its line.
    pub fn carriage_return(&mut self) {
        if let Some(row) = self.rows.get_mut(self.cursor) {
            row.restarts = true;
        }
    }

    /// Moves the cursor to the next line.
    pub fn line_feed(&mut self, out: &mut impl FnMut(&[u8])) {
        self.below_top = self.below_top.map(|lines| lines + 1);
        self.cursor += 1;
        if self.cursor < self.rows.len() {
            return self.carriage_return();
        }
        self.rows.push_back(Row::added());
        self.added += 1;
        if self.added >= self.height {
            self.height = 1;
        }
        while self.rows.len() > self.height {
            self.log_first(out);
        }
    }

    /// Moves the cursor up by a number of lines.
    pub fn up(&mut self, lines: usize) {
        self.below_top = self.below_top.map(|below| below.saturating_sub(lines));
        // Lines that are logged already get a place again.
        let missing = lines
            .saturating_sub(self.cursor)
            .min(MAX_ROWS.saturating_sub(self.rows.len()));
        for _ in 0..missing {
            self.rows.push_front(Row::default());
        }
        self.cursor = (self.cursor + missing).saturating_sub(lines);
        self.height = self.height.max(self.rows.len());
        self.added = 0;
        self.carriage_return();
    }

    /// Moves the cursor down by a number of lines, at most to the last one.
    pub fn down(&mut self, lines: usize) {
        let last = self.rows.len().saturating_sub(1);
        let to = self.cursor.saturating_add(lines).min(last);
        self.below_top = self.below_top.map(|below| below + to - self.cursor);
        self.cursor = to;
        self.carriage_return();
    }

    /// Moves the cursor to a row of the screen, from 1.
    pub fn move_to_row(&mut self, row: usize, out: &mut impl FnMut(&[u8])) {
        match self.below_top {
            Some(lines) if lines < MAX_ROWS => self.up(lines),
            _ => {
                self.log_all(out);
                *self = Self::default();
            }
        }
        self.below_top = Some(0);
        self.down(row.saturating_sub(1));
    }

    /// Erases the line of the cursor; the part behind the cursor only if not `is_whole`.
    pub fn erase_line(&mut self, is_whole: bool) {
        if let Some(row) = self.rows.get_mut(self.cursor)
            && (is_whole || row.restarts)
        {
            row.erase();
        }
    }

    /// Erases the lines from the cursor on, or all.
    pub fn erase_screen(&mut self, is_whole: bool) {
        let from = if is_whole { 0 } else { self.cursor + 1 };
        self.rows.iter_mut().skip(from).for_each(Row::erase);
        self.erase_line(is_whole);
    }

    /// Logs what is kept. A last line without a line feed counts if it has text.
    pub fn finish(mut self, out: &mut impl FnMut(&[u8])) {
        self.log_all(out);
    }

    fn log_all(&mut self, out: &mut impl FnMut(&[u8])) {
        if self.rows.back().is_some_and(|row| row.text.is_empty()) {
            self.rows.pop_back();
        }
        for row in self.rows.drain(..) {
            row.log(out);
        }
    }

    fn log_first(&mut self, out: &mut impl FnMut(&[u8])) {
        if let Some(row) = self.rows.pop_front() {
            row.log(out);
        }
        self.cursor = self.cursor.saturating_sub(1);
    }
}
