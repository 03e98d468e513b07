//! Preambles: a custom text, with fields, before the level of a line.

use std::str::FromStr;

use crate::message::escape::{needs_escape, split_at_char};

/// Longest preamble source text: 256 bytes.
pub const MAX_PREAMBLE: usize = 256;

/// Text before the level of a line, such as `[{asctime}] {client_id} `.
///
/// Fields: `{asctime}` (the time, in the [`TimeFormat`](super::TimeFormat) of the lines),
/// `{levelname}`, `{levelno}` and `{client_id}`. Write a literal brace twice.
///
/// ```
/// use loggerplex::Level;
/// use loggerplex::format::{LineFormat, Preamble, TextFormat, Zone};
///
/// let preamble: Preamble = "[{asctime}] {client_id} ".parse()?;
/// let format = LineFormat::from(TextFormat::default().zone(Zone::Utc).preamble(preamble));
/// assert_eq!(format.line("agent/17", 0, Level::INFO, "hi"), "[00:00:00] agent/17 INFO> hi\n");
/// # Ok::<(), loggerplex::format::PreambleError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preamble(pub(crate) Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Literal(String),
    Time,
    LevelName,
    LevelNumber,
    ClientId,
}

/// A text is not a [`Preamble`].
///
/// ```
/// use loggerplex::format::{Preamble, PreambleError};
///
/// let error = "{time} ".parse::<Preamble>();
/// assert_eq!(error, Err(PreambleError::UnknownField("time".to_owned())));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PreambleError {
    /// A brace has no partner.
    #[error("preamble {0:?} has a single brace; write a literal brace twice")]
    Brace(String),
    /// A field is unknown.
    #[error("preamble field {0:?} is unknown: use asctime, levelname, levelno or client_id")]
    UnknownField(String),
    /// The source text exceeds [`MAX_PREAMBLE`]; its length in bytes.
    #[error("preamble of {0} bytes is too long: at most {MAX_PREAMBLE} are allowed")]
    TooLong(usize),
    /// The text contains control characters, which could break or hide a line.
    #[error("preamble {0:?} contains control characters")]
    ControlCharacter(String),
}

impl FromStr for Preamble {
    type Err = PreambleError;

    fn from_str(source: &str) -> Result<Self, PreambleError> {
        if source.len() > MAX_PREAMBLE {
            return Err(PreambleError::TooLong(source.len()));
        }
        if source.chars().any(needs_escape) {
            return Err(PreambleError::ControlCharacter(source.to_owned()));
        }
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = source;
        while let Some((text, brace, tail)) = split_at_char(rest, |c| matches!(c, '{' | '}')) {
            literal.push_str(text);
            if let Some(tail) = tail.strip_prefix(brace) {
                literal.push(brace);
                rest = tail;
                continue;
            }
            let (name, tail) = tail
                .split_once('}')
                .filter(|_| brace == '{')
                .ok_or_else(|| PreambleError::Brace(source.to_owned()))?;
            pieces.push(Piece::Literal(std::mem::take(&mut literal)));
            pieces.push(Piece::field(name)?);
            rest = tail;
        }
        literal.push_str(rest);
        pieces.push(Piece::Literal(literal));
        Ok(Self(pieces))
    }
}

impl Piece {
    fn field(name: &str) -> Result<Self, PreambleError> {
        match name {
            "asctime" => Ok(Self::Time),
            "levelname" => Ok(Self::LevelName),
            "levelno" => Ok(Self::LevelNumber),
            "client_id" => Ok(Self::ClientId),
            _ => Err(PreambleError::UnknownField(name.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(text: &str, why: PreambleError) {
        assert_eq!(text.parse::<Preamble>(), Err(why));
    }

    #[test]
    fn a_malformed_preamble_is_refused_with_the_reason() {
        for text in ["{", "}", "{asctime", "a } b", "{{}"] {
            refused(text, PreambleError::Brace(text.to_owned()));
        }
        refused("{time} ", PreambleError::UnknownField("time".to_owned()));
        refused("{}", PreambleError::UnknownField(String::new()));
        let long = "x".repeat(MAX_PREAMBLE + 1);
        refused(&long, PreambleError::TooLong(257));
        for text in ["\n", "{asctime}\x1b[2J", "\u{202e}"] {
            refused(text, PreambleError::ControlCharacter(text.to_owned()));
        }
    }
}
