//! What the object's bytes depend on besides the calls, such as groups or a time format.
//!
//! Calls that are in the journal were accepted, and seen by readers, under the settings of their time. Repeated
//! under others they would give other bytes, over those that readers have seen. So the settings lie in
//! `DIR/settings`, and may change only when there is nothing to repeat.

use std::io;
use std::path::Path;

use super::JournalError;
use crate::disk;

/// Compares the settings with those of the journal, and makes them its own when it has nothing to repeat.
pub(super) fn agree(dir: &Path, settings: &str, is_empty: bool) -> Result<(), JournalError> {
    let path = dir.join("settings");
    let was = match disk::read(&path) {
        Ok(text) => Some(String::from_utf8_lossy(&text).into_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(JournalError::io(&path, error)),
    };
    match was {
        Some(was) if was == settings => Ok(()),
        Some(was) if !is_empty => Err(JournalError::OtherSettings {
            dir: dir.to_owned(),
            was,
            now: settings.to_owned(),
        }),
        _ => disk::replace(&path, settings.as_bytes()).map_err(|error| JournalError::io(&path, error)),
    }
}
