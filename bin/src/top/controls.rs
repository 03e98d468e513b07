//! Controls: what the keys change.

use std::cmp::Ordering;
use std::time::Duration;

use tensorplex::logdir::{Pattern, natural_order};

use super::keys::Key;
use super::model::{Model, RunStats};

/// Help text.
pub(super) const HELP: [&str; 10] = [
    "up, down, k, j         one run up or down",
    "page up, page down     one page up or down; also b and space",
    "home, end              first or last run; also g and G",
    "s                      next order: silent first, name, step, age, rate",
    "/                      filter by name; enter keeps it, escape removes it",
    "h, ?                   this help",
    "q, Ctrl-C              end",
    "",
    "A filter is a part of the name, or a pattern with *, ? or [abc].",
    "Any key goes back.",
];

/// Order of the runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Order {
    #[default]
    SilentFirst,
    Name,
    Step,
    Age,
    Rate,
}

/// State of the view.
#[derive(Debug, Default)]
pub(super) struct Controls {
    /// Index of the first run that is shown.
    pub first: usize,
    /// Number of runs on the screen.
    pub page: usize,
    pub order: Order,
    pub filter: String,
    pub is_typing: bool,
    pub shows_help: bool,
}

impl Controls {
    /// Applies a key. Returns false when it ends the view.
    pub fn press(&mut self, key: Key) -> bool {
        if self.is_typing {
            self.edit(key);
            return true;
        }
        if key == Key::Character('q') {
            return false;
        }
        if std::mem::take(&mut self.shows_help) {
            return true;
        }
        let page = self.page.max(1);
        match key {
            Key::Up | Key::Character('k') => self.first = self.first.saturating_sub(1),
            Key::Down | Key::Character('j') => self.first = self.first.saturating_add(1),
            Key::PageUp | Key::Character('b') => self.first = self.first.saturating_sub(page),
            Key::PageDown | Key::Character(' ') => self.first = self.first.saturating_add(page),
            Key::Home | Key::Character('g') => self.first = 0,
            // The layout limits it to the last page.
            Key::End | Key::Character('G') => self.first = usize::MAX,
            Key::Character('s') => self.order = self.order.next(),
            Key::Character('/') => self.is_typing = true,
            Key::Character('h' | '?') => self.shows_help = true,
            Key::Escape => self.filter.clear(),
            Key::Enter | Key::Backspace | Key::Character(_) => {}
        }
        true
    }

    fn edit(&mut self, key: Key) {
        match key {
            Key::Character(c) => self.filter.push(c),
            Key::Backspace => drop(self.filter.pop()),
            Key::Enter => self.is_typing = false,
            Key::Escape => {
                self.is_typing = false;
                self.filter.clear();
            }
            _ => {}
        }
        self.first = 0;
    }

    /// Line that shows order and filter; empty when both are the defaults.
    pub fn status(&self) -> String {
        let mut parts = Vec::new();
        if self.order != Order::default() {
            parts.push(format!("order: {}", self.order.name()));
        }
        if self.is_typing {
            parts.push(format!("filter: {}_", self.filter));
        } else if !self.filter.is_empty() {
            parts.push(format!("filter: {}", self.filter));
        }
        parts.join("   ")
    }

    /// Selects and orders the runs.
    pub fn runs<'a>(&self, model: &'a Model, silent_after: Duration) -> Vec<(&'a String, &'a RunStats)> {
        let pattern = Pattern::new(&self.filter)
            .ok()
            .filter(|_| self.filter.contains(['*', '?', '[']));
        let is_selected = |name: &str| match &pattern {
            Some(pattern) => pattern.matches(name),
            None => name.contains(&self.filter),
        };
        let mut runs: Vec<_> = model.runs.iter().filter(|(name, _)| is_selected(name)).collect();
        runs.sort_by(|(a_name, a), (b_name, b)| {
            let by_value = self.order.compare(a, b, silent_after);
            by_value.then_with(|| natural_order(a_name, b_name))
        });
        runs
    }
}

impl Order {
    fn next(self) -> Self {
        match self {
            Self::SilentFirst => Self::Name,
            Self::Name => Self::Step,
            Self::Step => Self::Age,
            Self::Age => Self::Rate,
            Self::Rate => Self::SilentFirst,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::SilentFirst => "silent first",
            Self::Name => "name",
            Self::Step => "step",
            Self::Age => "age",
            Self::Rate => "rate",
        }
    }

    /// Compares two runs; the one to look at first comes first.
    fn compare(self, a: &RunStats, b: &RunStats, silent_after: Duration) -> Ordering {
        let is_silent = |run: &RunStats| run.age() > silent_after;
        match self {
            Self::SilentFirst => is_silent(b).cmp(&is_silent(a)),
            Self::Name => Ordering::Equal,
            Self::Step => a.step.cmp(&b.step),
            Self::Age => a.time.total_cmp(&b.time),
            Self::Rate => a.rate.total_cmp(&b.rate),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(controls: &mut Controls, keys: &str) {
        for key in keys.chars() {
            assert!(controls.press(if key == '\n' {
                Key::Enter
            } else {
                Key::Character(key)
            }));
        }
    }

    #[test]
    fn keys_scroll_sort_and_filter() {
        let mut controls = Controls {
            page: 10,
            ..Controls::default()
        };
        press(&mut controls, "jj b");
        assert_eq!(controls.first, 2);
        press(&mut controls, "s/agent\n");
        assert_eq!(controls.status(), "order: name   filter: agent");
        assert_eq!(controls.first, 0);
        press(&mut controls, "h");
        assert!(controls.shows_help);
        assert!(!controls.press(Key::Character('q')));
    }
}
