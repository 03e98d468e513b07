//! Settings of the object, such as groups or a time format, that its bytes depend on.
//!
//! Journaled calls were accepted under the settings of their time, and readers have seen the results. A replay under
//! other settings would produce other bytes. So `DIR/settings` holds the settings, and they may change only when there
//! is nothing to replay.

use std::io;
use std::path::Path;

use super::JournalError;
use crate::disk;

/// Compares the settings with those of the journal, and stores them when there is nothing to replay.
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
