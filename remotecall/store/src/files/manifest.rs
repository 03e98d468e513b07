//! Manifest: maps each key to its file, the part of a replay that the calls do not determine.
//!
//! ```text
//! record   u32 LE length of body | u32 LE checksum | body          checksum: CRC-32C of the record's place and the body
//! body     MessagePack [(key, path below the root, bytes that were there before us), …]
//! ```
//!
//! A record is on disk before the first byte of its files, and before the next record. The last entry of a key counts.
//! A crash can leave the last record incomplete, with any part of it missing; the next record overwrites it. Any other
//! unreadable bytes are damage: the manifest refuses to open and changes nothing.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::disk;

const HEADER: usize = 8;
/// Limit on the bytes of an entry besides its two texts.
const MOST_OF_AN_ENTRY: usize = 24;
/// Size of its body at which a record takes no more entries.
const BODY_SIZE: usize = 1 << 20;
/// Limit on the body of a record: an almost full one takes one more entry.
const MAX_BODY: usize = BODY_SIZE + (64 << 10);

/// Path of a key's file, and its length before the first write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub path: String,
    pub base: u64,
}

/// The manifest of a running set.
#[derive(Debug)]
pub(super) struct Manifest {
    path: PathBuf,
    file: File,
    end: u64,
    /// An incomplete record of a crash follows the end.
    is_torn: bool,
    entries: HashMap<String, Entry>,
    /// Last key of each path.
    owners: HashMap<String, String>,
}

impl Manifest {
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = disk::open_or_create(path)?;
        let bytes = disk::read(path)?;
        let mut manifest = Self {
            path: path.to_owned(),
            file,
            end: 0,
            is_torn: false,
            entries: HashMap::new(),
            owners: HashMap::new(),
        };
        let mut at = 0;
        while let Some((entries, length)) = record(&bytes, at) {
            entries.into_iter().for_each(|new| manifest.insert(new));
            at += length;
        }
        if (at + 1..bytes.len()).any(|at| record(&bytes, at).is_some()) {
            let why = format!(
                "{} is damaged at byte {at}: a record cannot be read, and more follow it; nothing was changed, move the \
                 directory away or restore it",
                path.display()
            );
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        manifest.end = at as u64;
        manifest.is_torn = at < bytes.len();
        Ok(manifest)
    }

    fn insert(&mut self, (key, entry): (String, Entry)) {
        self.owners.insert(entry.path.clone(), key.clone());
        self.entries.insert(key, entry);
    }

    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// True if a later key got the path.
    pub fn has_passed_on(&self, key: &str, path: &str) -> bool {
        self.owners.get(path).is_some_and(|owner| owner != key)
    }

    /// Appends entries and syncs them. After an error a prefix of them may have been appended.
    pub fn add(&mut self, new: Vec<(String, Entry)>) -> io::Result<()> {
        let mut new = new.into_iter().peekable();
        while new.peek().is_some() {
            let mut size = 0;
            let fitting = std::iter::from_fn(|| {
                let (key, entry) = new.next_if(|_| size < BODY_SIZE)?;
                size += key.len() + entry.path.len() + MOST_OF_AN_ENTRY;
                Some((key, entry))
            });
            let entries: Vec<_> = fitting.collect();
            self.add_record(&entries)?;
            entries.into_iter().for_each(|new| self.insert(new));
        }
        Ok(())
    }

    fn add_record(&mut self, entries: &[(String, Entry)]) -> io::Result<()> {
        let mut bytes = vec![0; HEADER];
        rmp_serde::encode::write(&mut bytes, entries).map_err(io::Error::other)?;
        let (head, body) = bytes.split_at_mut(HEADER);
        head[..4].copy_from_slice(&(body.len() as u32).to_le_bytes());
        head[4..].copy_from_slice(&checksum(self.end, body).to_le_bytes());
        if self.is_torn {
            disk::cut(&self.file, self.end)?;
            self.is_torn = false;
        }
        if let Err(error) = disk::write_all_at(&self.file, &bytes, self.end) {
            self.is_torn = true;
            return Err(error);
        }
        disk::sync(&self.file, &self.path)?;
        self.end += bytes.len() as u64;
        Ok(())
    }
}

/// Entries of the record at byte `at`, and its length.
fn record(bytes: &[u8], at: usize) -> Option<(Vec<(String, Entry)>, usize)> {
    let (head, tail) = bytes.get(at..)?.split_first_chunk::<HEADER>()?;
    let [a, b, c, d, crc @ ..] = *head;
    let length = u32::from_le_bytes([a, b, c, d]) as usize;
    // An array has a first byte: zeros are no record.
    let body = tail.get(..length).filter(|_| (1..=MAX_BODY).contains(&length))?;
    if checksum(at as u64, body) != u32::from_le_bytes(crc) {
        return None;
    }
    Some((rmp_serde::from_slice(body).ok()?, HEADER + length))
}

/// Checksum over position and body: a record that was moved, or is hidden inside another, is invalid.
fn checksum(place: u64, body: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&place.to_le_bytes()), body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &str, base: u64) -> Entry {
        Entry {
            path: path.into(),
            base,
        }
    }

    #[test]
    fn a_cut_at_any_byte_keeps_the_whole_records() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("files");
        let mut manifest = Manifest::open(&path).unwrap();
        manifest.add(vec![("a".into(), entry("a.log", 0))]).unwrap();
        let first = manifest.end as usize;
        manifest.add(vec![("b".into(), entry("b.log", 7))]).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for cut in 0..=whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let mut manifest = Manifest::open(&path).unwrap();
            assert_eq!(manifest.get("a").is_some(), cut >= first, "cut at {cut}");
            assert_eq!(manifest.get("b").is_some(), cut == whole.len(), "cut at {cut}");
            manifest.add(vec![("c".into(), entry("c.log", 1))]).unwrap();
            let again = Manifest::open(&path).unwrap();
            assert_eq!(again.get("c"), Some(&entry("c.log", 1)), "cut at {cut}");
        }
    }

    #[test]
    fn any_hole_in_the_last_record_is_a_crash_and_any_before_it_is_damage() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("files");
        let mut manifest = Manifest::open(&path).unwrap();
        manifest.add(vec![("a".into(), entry("a.log", 0))]).unwrap();
        let first = manifest.end as usize;
        let two = vec![("b".into(), entry("b.log", 7)), ("c".into(), entry("c.log", 0))];
        manifest.add(two).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x55;
            std::fs::write(&path, &damaged).unwrap();
            match Manifest::open(&path) {
                Ok(mut manifest) => {
                    assert!(at >= first, "damage at {at} was not noticed");
                    assert!(manifest.get("a").is_some() && manifest.get("b").is_none());
                    manifest.add(vec![("d".into(), entry("d.log", 1))]).unwrap();
                    let again = Manifest::open(&path).unwrap();
                    assert!(again.get("a").is_some() && again.get("d").is_some(), "byte {at}");
                }
                Err(error) => {
                    assert!(at < first, "byte {at}: {error}");
                    assert!(error.to_string().contains("damaged at byte 0"), "{error}");
                    assert_eq!(
                        std::fs::read(&path).unwrap(),
                        damaged,
                        "byte {at}: it was touched"
                    );
                }
            }
        }
    }

    #[test]
    fn many_entries_become_several_records() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("files");
        let mut manifest = Manifest::open(&path).unwrap();
        let long = "x".repeat(4000);
        let many: Vec<_> = (0..1000)
            .map(|n| (format!("{n}"), entry(&format!("{n}{long}"), n)))
            .collect();
        manifest.add(many).unwrap();
        let again = Manifest::open(&path).unwrap();
        assert_eq!(again.entries, manifest.entries);
        assert_eq!(again.entries.len(), 1000);
        assert!(record(&std::fs::read(&path).unwrap(), 0).unwrap().0.len() < 1000);
    }
}
