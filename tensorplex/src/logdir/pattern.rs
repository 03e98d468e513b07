//! Patterns for the names of runs, tags and log files.

use std::fmt;
use std::str::FromStr;

/// Shell pattern: `*` matches any text, also across `/`; `?` one character; `[ab]` one of these.
///
/// ```
/// use tensorplex::logdir::Pattern;
///
/// let pattern: Pattern = "agent/*".parse()?;
/// assert!(pattern.matches("agent/17"));
/// assert!(!pattern.matches("learner"));
/// # Ok::<(), tensorplex::logdir::PatternError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(glob::Pattern);

/// Error of a pattern that cannot be parsed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
#[non_exhaustive]
pub struct PatternError(String);

impl Pattern {
    /// Parses a pattern.
    ///
    /// # Errors
    /// When a bracket is not closed, or `**` is not a whole part of a path.
    pub fn new(pattern: &str) -> Result<Self, PatternError> {
        let parsed = glob::Pattern::new(pattern);
        parsed.map(Self).map_err(|error| PatternError(error.to_string()))
    }

    /// True when the whole of `name` matches.
    pub fn matches(&self, name: &str) -> bool {
        self.0.matches(name)
    }

    /// Returns the patterns that match none of `names`.
    pub fn unmatched(patterns: &[Self], names: &[impl AsRef<str>]) -> Vec<Self> {
        let matches_one = |pattern: &&Self| names.iter().any(|name| pattern.matches(name.as_ref()));
        patterns
            .iter()
            .filter(|pattern| !matches_one(pattern))
            .cloned()
            .collect()
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(pattern: &str) -> Result<Self, PatternError> {
        Self::new(pattern)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
