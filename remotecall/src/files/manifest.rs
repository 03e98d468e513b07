//! Which file a key stands for: the part of a replay that the calls cannot tell.
//!
//! ```text
//! record   u32 LE length of body | u32 LE CRC-32C of body | body
//! body     MessagePack (key, path below the root, bytes that were there before us)
//! ```
//!
//! A record is on disk before the first byte of its file. The last record of a key counts. A file that
//! ends in the middle of a record was cut by a crash; the next record takes its place.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Longest body of a record.
const MAX_BODY: usize = 64 << 10;

/// Where a key's file lies and how long it was before the first write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub path: String,
    pub base: u64,
}

/// The records so far, and the file that takes more.
#[derive(Debug)]
pub(super) struct Manifest {
    file: File,
    end: u64,
    entries: HashMap<String, Entry>,
    /// The last key that was given a path.
    owners: HashMap<String, String>,
}

impl Manifest {
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        let bytes = std::fs::read(path)?;
        let mut manifest = Self {
            file,
            end: 0,
            entries: HashMap::new(),
            owners: HashMap::new(),
        };
        let mut rest = &bytes[..];
        while let Some((key, entry)) = take_record(&mut rest) {
            manifest.insert(key, entry);
        }
        manifest.end = (bytes.len() - rest.len()) as u64;
        Ok(manifest)
    }

    fn insert(&mut self, key: String, entry: Entry) {
        self.owners.insert(entry.path.clone(), key.clone());
        self.entries.insert(key, entry);
    }

    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// Whether the path was given to another key after this one.
    pub fn has_passed_on(&self, key: &str, path: &str) -> bool {
        self.owners.get(path).is_some_and(|owner| owner != key)
    }

    /// Adds records and waits until they are on disk.
    pub fn add(&mut self, new: Vec<(String, Entry)>) -> io::Result<()> {
        let mut bytes = Vec::new();
        for (key, entry) in &new {
            let body = rmp_serde::to_vec(&(key, &entry.path, entry.base)).map_err(io::Error::other)?;
            bytes.extend((body.len() as u32).to_le_bytes());
            bytes.extend(crc32c::crc32c(&body).to_le_bytes());
            bytes.extend(body);
        }
        self.file.write_all_at(&bytes, self.end)?;
        self.file.sync_data()?;
        self.end += bytes.len() as u64;
        for (key, entry) in new {
            self.insert(key, entry);
        }
        Ok(())
    }
}

fn take_record(rest: &mut &[u8]) -> Option<(String, Entry)> {
    let (head, tail) = rest.split_first_chunk::<8>()?;
    let [a, b, c, d, crc @ ..] = *head;
    let length = u32::from_le_bytes([a, b, c, d]) as usize;
    let body = tail.get(..length).filter(|_| length <= MAX_BODY)?;
    if crc32c::crc32c(body) != u32::from_le_bytes(crc) {
        return None;
    }
    let (key, path, base) = rmp_serde::from_slice(body).ok()?;
    *rest = &tail[length..];
    Some((key, Entry { path, base }))
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
}
