//! Levels of output lines: a Python traceback is an error.

use loggerplex::Level;

/// First line of a traceback, after what a launcher puts before each line.
const TRACEBACK: &[u8] = b"Traceback (most recent call last):";
/// Lines between two tracebacks of one exception.
const BETWEEN: [&[u8]; 2] = [
    b"During handling of the above exception, another exception occurred:",
    b"The above exception was the direct cause of the following exception:",
];

/// Level of each line of one output.
pub(super) struct LineLevel {
    base: Level,
    /// Traceback that has begun.
    traceback: Option<Traceback>,
}

struct Traceback {
    /// Start of each of its lines, such as `[rank0]: `.
    prefix: Vec<u8>,
    /// Set for an exception group, whose lines are all indented.
    is_group: bool,
}

impl LineLevel {
    /// `base` is the level of ordinary lines.
    pub fn new(base: Level) -> Self {
        Self {
            base,
            traceback: None,
        }
    }

    /// Returns the level of the next line.
    pub fn of(&mut self, line: &[u8]) -> Level {
        let error = self.base.max(Level::ERROR);
        if let Some(prefix) = line.strip_suffix(TRACEBACK) {
            let is_group = prefix.trim_ascii_start().starts_with(b"+ ");
            let prefix = if is_group { vec![] } else { prefix.to_vec() };
            self.traceback = Some(Traceback { prefix, is_group });
            return error;
        }
        if BETWEEN.iter().any(|between| line.ends_with(between)) {
            return error;
        }
        let Some(traceback) = &self.traceback else {
            return self.base;
        };
        // Lines of other processes may come between.
        let Some(text) = line.strip_prefix(traceback.prefix.as_slice()) else {
            return self.base;
        };
        if text.starts_with(b" ") || text.starts_with(b"\t") {
            return error;
        }
        let is_group = traceback.is_group;
        self.traceback = None;
        if is_group { self.base } else { error }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `lines` begin with E for an error, and with I for another line.
    #[track_caller]
    fn check(lines: &str) {
        let mut level = LineLevel::new(Level::INFO);
        for line in lines.lines() {
            let (expect, text) = line.split_once('>').unwrap();
            let expect = if expect == "E" { Level::ERROR } else { Level::INFO };
            assert_eq!(level.of(text.as_bytes()), expect, "{text}");
        }
    }

    #[test]
    fn a_traceback_is_an_error_and_the_lines_around_it_are_not() {
        check(
            "I>step 1\n\
             E>Traceback (most recent call last):\n\
             E>  File \"a.py\", line 1, in <module>\n\
             E>    f()\n\
             E>ValueError: no\n\
             I>\n\
             E>During handling of the above exception, another exception occurred:\n\
             I>\n\
             E>Traceback (most recent call last):\n\
             E>KeyError: 1\n\
             I>  indented",
        );
        check(
            "E>[rank0]: Traceback (most recent call last):\n\
             I>[rank1]: step\n\
             E>[rank0]:   File \"a.py\"\n\
             E>[rank0]: ValueError: no\n\
             I>[rank0]: step",
        );
        check(
            "E>  + Exception Group Traceback (most recent call last):\n\
             E>  |   File \"a.py\"\n\
             E>    +------------------------------------\n\
             I>step",
        );
    }
}
