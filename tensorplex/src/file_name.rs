//! Names of event files.
//!
//! ```text
//! events.out.tfevents.<seconds>.<host>.<pid>.<n>
//!                     ten digits: when the first record was logged, or later
//! ```
//!
//! Readers take the files of a directory in the order of their names and follow the last one only. A new file must
//! therefore come after every other, whoever wrote it; its seconds are put forward until it does.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use remotecall::NewFile;

use crate::layout::EVENT_FILE;

const PREFIX: &[u8] = b"events.out.tfevents.";
const DIGITS: usize = 10;
/// Seconds that ten digits hold.
const LAST: u64 = 9_999_999_999;
/// Latest time that a name takes from a record, in 2255: what is left are steps to put a name forward.
const LATEST: u64 = 9_000_000_000;
/// Longest host name in a file name.
const MAX_HOST: usize = 64;
/// Tells files of one process apart.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A new event file in directory `run`, whose first record was logged at `wall_time`.
pub(crate) fn new_file(run: &str, wall_time: f64) -> NewFile {
    let run = run.to_owned();
    // `as` takes what is out of range to the nearest end.
    let seconds = (wall_time as u64).min(LATEST);
    NewFile::Create(Box::new(move |root| {
        let taken = names_in(&root.join(&run))?;
        let name = pick(seconds, &taken, &NEXT);
        Ok(match run.as_str() {
            "" => name,
            run => format!("{run}/{name}"),
        })
    }))
}

/// The event files in a directory, in the order in which readers take them.
pub(crate) fn event_files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut names = names_in(dir)?;
    names.sort();
    Ok(names.into_iter().map(|name| dir.join(name)).collect())
}

fn names_in(dir: &Path) -> io::Result<Vec<OsString>> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        if name.to_string_lossy().contains(EVENT_FILE) {
            names.push(name);
        }
    }
    Ok(names)
}

fn pick(seconds: u64, taken: &[OsString], next: &AtomicU64) -> String {
    let after = |seconds: Option<u64>, name: &OsString| {
        first_after(name.as_encoded_bytes())
            .zip(seconds)
            .map(|(a, b)| a.max(b))
    };
    let free = taken.iter().fold(Some(seconds), after);
    if free.is_none() {
        tracing::warn!(
            ?taken,
            "a new event file cannot come after these names; TensorBoard may not follow it"
        );
    }
    loop {
        let name = canonical(free.unwrap_or(seconds), next.fetch_add(1, Ordering::Relaxed));
        if !taken.iter().any(|other| other.as_os_str() == name.as_str()) {
            return name;
        }
    }
}

/// The fewest seconds with which a name comes after `name`, if there are any.
fn first_after(name: &[u8]) -> Option<u64> {
    let Some(rest) = name.strip_prefix(PREFIX) else {
        return if name < PREFIX { Some(0) } else { None };
    };
    let digits = rest
        .iter()
        .take(DIGITS)
        .take_while(|c| c.is_ascii_digit())
        .count();
    let number = rest[..digits]
        .iter()
        .fold(0, |n, &c| n * 10 + u64::from(c - b'0'));
    // Ours goes on with a digit where `name` does not: that comes after what sorts before the digits.
    let goes_on_lower = digits < DIGITS && rest.get(digits).is_none_or(|&c| c < b'0');
    let number = if goes_on_lower { number } else { number + 1 };
    let seconds = number * 10u64.pow((DIGITS - digits) as u32);
    (seconds <= LAST).then_some(seconds)
}

fn canonical(seconds: u64, n: u64) -> String {
    format!(
        "events.out.tfevents.{seconds:010}.{}.{}.{n}",
        host(),
        std::process::id()
    )
}

fn host() -> String {
    let name = gethostname::gethostname();
    let safe = |c: char| {
        if c.is_ascii_alphanumeric() || c == '-' || c == '.' {
            c
        } else {
            '_'
        }
    };
    name.to_string_lossy().chars().map(safe).take(MAX_HOST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(seconds: u64, taken: &[&str], expect: u64) {
        let names: Vec<OsString> = taken.iter().map(OsString::from).collect();
        let name = pick(seconds, &names, &NEXT);
        let start = format!("events.out.tfevents.{expect:010}.");
        assert!(name.starts_with(&start), "{name} should start with {start}");
    }

    #[test]
    fn a_name_tells_when_the_first_record_was_logged() {
        check(1_700_000_000, &[], 1_700_000_000);
        check(1, &["a.tfevents"], 1);
        check(
            1_700_000_000,
            &["events.out.tfevents.1600000000.z.9.9.v2"],
            1_700_000_000,
        );
    }

    #[test]
    fn seconds_are_put_forward_past_other_names() {
        let other = "events.out.tfevents.1700000000.a.1.0";
        check(5, &[other], 1_700_000_001);
        check(1_700_000_000, &[other], 1_700_000_001);
        check(1_700_000_000, &["events.out.tfevents.1700000000"], 1_700_000_001);
        check(1_700_000_000, &["events.out.tfevents.17"], 1_700_000_000);
        check(1_700_000_000, &["events.out.tfevents.5.x"], 5_000_000_000);
        check(1_700_000_000, &["events.out.tfevents.5x"], 6_000_000_000);
        check(
            1_700_000_000,
            &["events.out.tfevents.17000000009.x"],
            1_700_000_001,
        );
    }

    #[test]
    fn a_name_that_nothing_follows_is_no_obstacle() {
        check(7, &["zzz.tfevents"], 7);
        check(7, &["events.out.tfevents.x"], 7);
        check(7, &["events.out.tfevents.9999999999.x"], 7);
    }

    /// Another process may have had our number.
    #[test]
    fn a_name_never_exists_already() {
        let mut taken = vec![OsString::from("zzz.tfevents")];
        for _ in 0..3 {
            let name = OsString::from(pick(7, &taken, &AtomicU64::new(0)));
            assert!(!taken.contains(&name));
            taken.push(name);
        }
    }

    proptest! {
        #[test]
        fn a_new_name_comes_after_every_other(
            seconds in 0..=LATEST,
            rests in prop::collection::vec("[0-8]{0,11}([.a-z]{0,3})", 0..5),
        ) {
            let names: Vec<String> = rests.iter().map(|rest| format!("events.out.tfevents.{rest}")).collect();
            let taken: Vec<OsString> = names.iter().map(OsString::from).collect();
            // A rest without digits that starts with a letter comes after all digits.
            prop_assume!(rests.iter().all(|rest| !rest.starts_with(|c: char| c.is_ascii_lowercase())));
            let name = pick(seconds, &taken, &NEXT);
            for other in &names {
                prop_assert!(&name > other, "{name} {other}");
            }
        }
    }
}
