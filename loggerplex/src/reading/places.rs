//! Which log files there are.
//!
//! ```text
//! agent/17.log                       the file that grows, of client agent/17
//! agent/17.log.20180309-123456-1     an earlier one, by its number
//! agent/17.jsonl                     the same in JSON lines
//! ```

use std::collections::BTreeMap;
use std::fs::DirEntry;
use std::io;
use std::path::{Path, PathBuf};

/// Deepest folder that is looked at: client ids have fewer parts.
const MAX_DEPTH: usize = 260;
const ENDINGS: [&str; 2] = [".log", ".jsonl"];

/// The log files of one client, in one format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPlace {
    /// The client.
    pub client: String,
    /// Whether they hold JSON lines.
    pub json: bool,
    /// The file that grows; it may not be there yet, or not any more.
    pub path: PathBuf,
    /// Earlier ones with their numbers, the oldest first.
    pub earlier: Vec<(u64, PathBuf)>,
}

/// The log files below `folder`, by client.
///
/// # Errors
/// When the folder itself cannot be read; what vanishes meanwhile is left out.
pub fn find_logs(folder: &Path) -> io::Result<Vec<LogPlace>> {
    let mut names = Vec::new();
    walk(folder, &mut |name, _| {
        names.push(name);
        Ok(())
    })?;
    Ok(places(folder, names.iter().map(|name| &name[..])))
}

/// Passes on everything below `folder` that is called like a log file, with its path from there; links are not
/// followed, since one to a folder could lead back here.
///
/// # Errors
/// When the folder itself cannot be read, and what `see` returns; what vanishes meanwhile is left out.
pub(crate) fn walk(
    folder: &Path,
    see: &mut dyn FnMut(String, &DirEntry) -> io::Result<()>,
) -> io::Result<()> {
    std::fs::read_dir(folder)?;
    look(folder, "", 0, see)
}

fn look(
    folder: &Path,
    above: &str,
    depth: usize,
    see: &mut dyn FnMut(String, &DirEntry) -> io::Result<()>,
) -> io::Result<()> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Ok(());
    };
    for entry in entries.flatten() {
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder && depth < MAX_DEPTH {
            look(&entry.path(), &format!("{above}{name}/"), depth + 1, see)?;
        } else if split(&name).is_some() {
            see(format!("{above}{name}"), &entry)?;
        }
    }
    Ok(())
}

/// Files by client; `names` are their paths from `folder`.
pub(crate) fn places<'a>(folder: &Path, names: impl Iterator<Item = &'a str>) -> Vec<LogPlace> {
    let mut found: BTreeMap<(String, bool), LogPlace> = BTreeMap::new();
    for name in names {
        let (above, last) = name
            .rsplit_once('/')
            .map_or(("", name), |(above, last)| (above, last));
        let Some((stem, json, number)) = split(last) else {
            continue;
        };
        let slash = if above.is_empty() { "" } else { "/" };
        let client = format!("{above}{slash}{stem}");
        let place = found.entry((client.clone(), json)).or_insert_with(|| LogPlace {
            path: folder.join(format!("{client}{}", ENDINGS[usize::from(json)])),
            client,
            json,
            earlier: Vec::new(),
        });
        place
            .earlier
            .extend(number.map(|number| (number, folder.join(name))));
    }
    let sorted = found.into_values().map(|mut place| {
        place.earlier.sort();
        place
    });
    sorted.collect()
}

/// The earlier files of the client whose file `path` is, with their numbers, the oldest first.
pub(crate) fn earlier_files(path: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Ok(Vec::new());
    };
    let Some((stem, json, None)) = split(name) else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        match entry.file_name().to_str().and_then(split) {
            Some((its, in_json, Some(number))) if its == stem && in_json == json => {
                found.push((number, entry.path()));
            }
            _ => {}
        }
    }
    found.sort();
    Ok(found)
}

/// The number of `name`, if that is an earlier file of the client whose growing file is at `path`.
pub(super) fn numbered(path: &str, name: &str) -> Option<u64> {
    let folder = path.rfind('/').map_or(0, |slash| slash + 1);
    let (stem, json, _) = split(path.get(folder..)?)?;
    match split(name.get(folder..)?)? {
        (its, in_json, Some(number)) if its == stem && in_json == json => Some(number),
        _ => None,
    }
}

/// The client's last part, whether it is JSON, and the number of an earlier file.
fn split(name: &str) -> Option<(&str, bool, Option<u64>)> {
    ENDINGS.iter().zip([false, true]).find_map(|(ending, json)| {
        if let Some(stem) = name.strip_suffix(ending) {
            return Some((stem, json, None));
        }
        let (stem, rest) = name.rsplit_once(&format!("{ending}."))?;
        let (_, number) = rest.rsplit_once('-')?;
        Some((stem, json, Some(number.parse().ok()?)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_belong_to_clients() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("agent")).unwrap();
        for name in [
            "agent/17.log",
            "agent/17.log.20180309-123456-10",
            "agent/17.log.20180309-123456-9",
            "agent/3.jsonl",
            "top.log",
            "gone.log.20180309-123456-1",
            "note.txt",
        ] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let places = find_logs(dir.path()).unwrap();
        let seen: Vec<_> = places
            .iter()
            .map(|place| (&place.client[..], place.json, place.earlier.len()))
            .collect();
        assert_eq!(
            seen,
            [
                ("agent/17", false, 2),
                ("agent/3", true, 0),
                ("gone", false, 1),
                ("top", false, 0)
            ]
        );
        assert!(places[0].earlier[0].1.ends_with("17.log.20180309-123456-9"));
        assert!(find_logs(&dir.path().join("nowhere")).is_err());
    }
}
