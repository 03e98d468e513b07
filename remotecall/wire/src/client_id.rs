//! Client ids.

use std::fmt;
use std::str::FromStr;

/// Limit on a client id, in bytes.
pub const MAX_CLIENT_ID: usize = 512;
/// Limit on a part of a client id between two `/`, in bytes. With a suffix such as `.log` a part is
/// still a file name that every file system takes (255 bytes).
pub const MAX_PART: usize = 200;

/// Name of a client, such as `agent/17`.
///
/// An id may name a directory on the server, so a value of this type is always a safe relative
/// path: one or more parts separated by `/`, each of 1 to [`MAX_PART`] bytes of letters and digits
/// of any script and `. _ - = + , @`, none starting with a dot; at most [`MAX_CLIENT_ID`] bytes in
/// all. Code that holds a `ClientId` never checks again.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(String);

/// Error of a text that is not a client id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientIdError {
    /// The id is longer than [`MAX_CLIENT_ID`].
    #[error("client id of {0} bytes is too long: at most {MAX_CLIENT_ID} are allowed")]
    TooLong(usize),
    /// A part is empty: two adjacent slashes, a slash at either end, or no text at all.
    #[error("client id {0:?} has an empty part: write it like \"agent/17\"")]
    EmptyPart(String),
    /// One part is longer than [`MAX_PART`].
    #[error("client id {0:?} has a part of more than {MAX_PART} bytes")]
    LongPart(String),
    /// A part starts with a dot, so that it would be hidden or lead out of the directory.
    #[error("client id {0:?} has a part that starts with a dot")]
    Dot(String),
    /// A character that is not allowed.
    #[error(
        "client id {id:?} contains {found:?}: only letters, digits, '.', '_', '-', '=', '+', ',', '@' and '/' are allowed"
    )]
    Character {
        /// The text.
        id: String,
        /// The first character that is not allowed.
        found: char,
    },
}

impl ClientId {
    /// Checks a text and copies it.
    ///
    /// # Errors
    /// When `id` is not a safe relative path as described at [`ClientId`].
    pub fn new(id: &str) -> Result<Self, ClientIdError> {
        if id.len() > MAX_CLIENT_ID {
            return Err(ClientIdError::TooLong(id.len()));
        }
        for part in id.split('/') {
            check_part(id, part)?;
        }
        Ok(Self(id.to_owned()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// True for the characters of a part: letters, digits and combining marks of any script, and some
/// punctuation that shells, file systems and TensorBoard's readers take as it is.
///
/// The characters of Unicode's `XID_Continue` are visible, without those that Unicode calls default
/// ignorable: two ids that look the same would be a trap.
pub(crate) fn is_allowed(c: char) -> bool {
    const IGNORABLE: [std::ops::RangeInclusive<char>; 8] = [
        '\u{34f}'..='\u{34f}',
        '\u{115f}'..='\u{1160}',
        '\u{17b4}'..='\u{17b5}',
        '\u{180b}'..='\u{180f}',
        '\u{3164}'..='\u{3164}',
        '\u{fe00}'..='\u{fe0f}',
        '\u{ffa0}'..='\u{ffa0}',
        '\u{e0100}'..='\u{e01ef}',
    ];
    match c {
        '.' | '-' | '=' | '+' | ',' | '@' => true,
        _ => unicode_ident::is_xid_continue(c) && !IGNORABLE.iter().any(|range| range.contains(&c)),
    }
}

fn check_part(id: &str, part: &str) -> Result<(), ClientIdError> {
    if let Some(found) = part.chars().find(|&c| !is_allowed(c)) {
        return Err(ClientIdError::Character {
            id: id.to_owned(),
            found,
        });
    }
    match part {
        "" => Err(ClientIdError::EmptyPart(id.to_owned())),
        _ if part.starts_with('.') => Err(ClientIdError::Dot(id.to_owned())),
        _ if part.len() > MAX_PART => Err(ClientIdError::LongPart(id.to_owned())),
        _ => Ok(()),
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ClientId {
    type Err = ClientIdError;

    fn from_str(id: &str) -> Result<Self, Self::Err> {
        Self::new(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(id: &str) {
        assert!(ClientId::new(id).is_err(), "{id:?} was accepted");
    }

    #[test]
    fn ordinary_ids_are_accepted() {
        for id in [
            "agent/17",
            "a",
            "1",
            "a/b/c",
            "learner_2",
            "v1.0-rc",
            "lr=0.1,wd+2",
            "grün/实验/हिन्दी",
            &"x".repeat(MAX_PART),
        ] {
            assert_eq!(ClientId::new(id).unwrap().as_str(), id);
        }
    }

    #[test]
    fn ids_that_could_leave_the_directory_are_refused() {
        for id in [
            "../x",
            "a/../b",
            "/etc",
            "a//b",
            "a/",
            "",
            ".",
            "..",
            "a/.",
            ".tensorplex",
            "~",
            "C:x",
        ] {
            refused(id);
        }
    }

    #[test]
    fn characters_that_could_forge_output_are_refused() {
        for id in [
            "a\0b",
            "a\nb",
            "a\x1b[2J",
            "a\\b",
            "a\u{7f}",
            "🦀",
            "a b",
            "a\u{3164}",
            "a\u{fe0f}",
            "a:b",
            "a\u{202e}b",
        ] {
            refused(id);
        }
    }

    #[test]
    fn lengths_are_bounded() {
        refused(&"x".repeat(4096));
        refused(&"x".repeat(MAX_PART + 1));
        let longest = format!("{}/{}/{}", "a".repeat(200), "b".repeat(200), "c".repeat(110));
        assert_eq!(longest.len(), MAX_CLIENT_ID);
        assert!(ClientId::new(&longest).is_ok());
        refused(&format!("{longest}c"));
    }
}
