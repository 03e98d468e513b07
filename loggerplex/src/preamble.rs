//! What stands before the level of a line: text around fields.

use std::str::FromStr;

use crate::line::is_hostile;

/// Longest preamble, as it is written in its fields.
pub const MAX_PREAMBLE: usize = 256;

/// What stands before the level of a line, such as `[{asctime}] {client_id} `.
///
/// Its fields are `{asctime}`, the time in the [`TimeFormat`](crate::TimeFormat) of the lines, `{levelname}`,
/// `{levelno}` and `{client_id}`. A brace as text is written twice.
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

/// The text is not a preamble.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PreambleError {
    /// A brace without its partner.
    #[error("preamble {0:?} has a single brace; a brace as text is written twice")]
    Brace(String),
    /// A field that is not one of ours.
    #[error("preamble field {0:?} is none of asctime, levelname, levelno and client_id")]
    UnknownField(String),
    /// Longer than [`MAX_PREAMBLE`].
    #[error("preamble of {0} bytes is too long: at most {MAX_PREAMBLE} are allowed")]
    TooLong(usize),
    /// It would break the line, or hide a part of it.
    #[error("preamble {0:?} contains control characters")]
    ControlCharacter(String),
}

impl FromStr for Preamble {
    type Err = PreambleError;

    fn from_str(text: &str) -> Result<Self, PreambleError> {
        if text.len() > MAX_PREAMBLE {
            return Err(PreambleError::TooLong(text.len()));
        }
        if text.chars().any(is_hostile) {
            return Err(PreambleError::ControlCharacter(text.to_owned()));
        }
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            literal.push_str(&rest[..at]);
            let (brace, tail) = rest[at..].split_at(1);
            if let Some(tail) = tail.strip_prefix(brace) {
                literal.push_str(brace);
                rest = tail;
                continue;
            }
            let (name, tail) = tail
                .split_once('}')
                .filter(|_| brace == "{")
                .ok_or_else(|| PreambleError::Brace(text.to_owned()))?;
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
    fn what_is_not_a_preamble_says_why() {
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
