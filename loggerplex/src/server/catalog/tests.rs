use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;

use super::*;

/// Log folder with a catalog that scans at every call.
struct Logs(tempfile::TempDir, Catalog);

impl Logs {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("logs")).unwrap();
        let catalog = Catalog::new(&dir.path().join("logs"));
        Self(dir, catalog)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join("logs").join(name)
    }

    fn append(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut file = File::options().create(true).append(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    fn list(&mut self, list: u64, after: u64) -> LogListing {
        self.1.next_scan = None;
        self.1.list(list, after).unwrap()
    }

    /// Lists the changes after a listing, and moves the listing on.
    fn news(&mut self, since: &mut LogListing) -> Vec<(String, Option<u64>)> {
        *since = self.list(since.list, since.change);
        let length = |log: &Option<FileSnapshot>| log.as_ref().map(|log| log.length);
        let files = since.files.iter();
        files.map(|file| (file.path.clone(), length(&file.log))).collect()
    }

    fn id(&mut self, path: &str) -> LogId {
        let listed = self.list(0, 0).files;
        let file = listed.into_iter().find(|file| file.path == path).expect(path);
        file.log.unwrap().id
    }

    fn read(&mut self, path: &str, id: &LogId) -> Option<String> {
        let bytes = self.1.read(path, id, 0, u64::MAX).unwrap();
        bytes.map(|bytes| String::from_utf8(bytes).unwrap())
    }
}

fn of(path: &str, length: impl Into<Option<u64>>) -> (String, Option<u64>) {
    (path.to_owned(), length.into())
}

#[test]
fn a_listing_holds_only_the_changes() {
    let mut logs = Logs::new();
    logs.append("a.log", "one");
    logs.append("b/c.log", "one");
    logs.append("note.txt", "no log");
    let mut seen = logs.list(0, 0);
    assert_eq!((seen.files.len(), seen.more), (2, false));
    assert!(logs.news(&mut seen).is_empty());
    logs.append("a.log", " two");
    assert_eq!(logs.news(&mut seen), [of("a.log", 7)]);
    logs.rename("b/c.log", "b/c.log.x-1");
    assert_eq!(logs.news(&mut seen), [of("b/c.log.x-1", 3), of("b/c.log", None)]);
    assert!(logs.news(&mut seen).is_empty());
    let other = logs.list(seen.list + 1, seen.change);
    assert_eq!(other.files.len(), 3, "another list gets everything");
}

#[test]
fn a_long_listing_is_split() {
    let mut logs = Logs::new();
    for number in 0..=MAX_LISTED {
        logs.append(&format!("{number}.log"), "x");
    }
    let first = logs.list(0, 0);
    assert_eq!((first.files.len(), first.more), (MAX_LISTED, true));
    let rest = logs.list(first.list, first.change);
    assert_eq!((rest.files.len(), rest.more), (1, false));
}

#[test]
fn scans_keep_their_interval() {
    let mut logs = Logs::new();
    let first = logs.list(0, 0);
    logs.1.next_scan = Some(Instant::now() + Duration::from_secs(3600));
    logs.append("a.log", "one");
    let second = logs.1.list(first.list, first.change).unwrap();
    assert_eq!((second.files.len(), second.look), (0, first.look));
    assert_eq!(logs.list(first.list, first.change).look, first.look + 1);
}

#[test]
fn many_removals_begin_a_new_list() {
    let mut logs = Logs::new();
    logs.append("a.log", "one");
    logs.append("b.log", "one");
    let mut seen = logs.list(0, 0);
    fs::remove_file(logs.path("a.log")).unwrap();
    assert_eq!(logs.news(&mut seen), [of("a.log", None)]);
    logs.append("a.log", "two");
    assert_eq!((logs.news(&mut seen), logs.1.removed), (vec![of("a.log", 3)], 0));
    fs::remove_file(logs.path("a.log")).unwrap();
    logs.1.removed = MAX_REMOVED;
    let before = seen.list;
    assert_eq!(logs.news(&mut seen), [of("b.log", 3)]);
    assert_ne!(seen.list, before);
}

#[test]
fn a_rotated_file_is_still_read_by_its_old_path() {
    let mut logs = Logs::new();
    logs.append("a/b.log", "first");
    let first = logs.id("a/b.log");
    logs.rename("a/b.log", "a/b.log.x-1");
    logs.append("a/b.log", "second");
    assert_eq!(logs.read("a/b.log", &first).as_deref(), Some("first"));
    let second = logs.id("a/b.log");
    assert_eq!(logs.read("a/b.log", &second).as_deref(), Some("second"));
    fs::remove_file(logs.path("a/b.log.x-1")).unwrap();
    assert_eq!(logs.read("a/b.log", &first), None);
    assert_eq!(logs.read("a/b.log.x-1", &first), None);
}

#[test]
fn a_replaced_file_has_another_identity() {
    let mut logs = Logs::new();
    logs.append("a.log", &"x".repeat(HEAD + 1));
    let before = logs.id("a.log");
    // Same inode, truncated and rewritten to a greater length: only the first bytes differ.
    fs::write(logs.path("a.log"), "y".repeat(HEAD + 2)).unwrap();
    assert_eq!(logs.read("a.log", &before), None);
    let now = logs.id("a.log");
    assert_eq!(now.head, vec![b'y'; HEAD]);
    assert_eq!(logs.read("a.log", &now).map(|text| text.len()), Some(HEAD + 2));
}

#[test]
fn a_read_starts_at_its_offset_and_is_bounded() {
    let mut logs = Logs::new();
    logs.append("a.log", &"x".repeat(MAX_PART + 10));
    let id = logs.id("a.log");
    let mut length = |at, max| logs.1.read("a.log", &id, at, max).unwrap().unwrap().len();
    assert_eq!(length(0, u64::MAX), MAX_PART);
    assert_eq!(length(MAX_PART as u64, u64::MAX), 10);
    assert_eq!(length(5, 3), 3);
    assert_eq!(length(u64::MAX / 2, 3), 0);
}

#[test]
fn only_listed_log_files_are_read() {
    let mut logs = Logs::new();
    let outside = logs.0.path().join("outside");
    fs::create_dir_all(&outside).unwrap();
    fs::write(outside.join("secret.log"), "secret").unwrap();
    fs::write(logs.0.path().join("secret.log"), "secret").unwrap();
    logs.append("a/b.log", "fine");
    logs.append("plain", "no log");
    symlink(outside.join("secret.log"), logs.path("link.log")).unwrap();
    symlink(&outside, logs.path("folder")).unwrap();
    fs::create_dir(logs.path("folder.log")).unwrap();
    let listed = logs.list(0, 0).files;
    assert_eq!(
        listed.iter().map(|file| &file.path[..]).collect::<Vec<_>>(),
        ["a/b.log"]
    );
    let secret = LogId::of(&File::open(outside.join("secret.log")).unwrap()).unwrap();
    for path in [
        "link.log",
        "folder/secret.log",
        "../secret.log",
        "../outside/secret.log",
        "a/../../secret.log",
        "a/b.log/",
        "/etc/passwd",
        "plain",
        "folder.log",
        "",
        ".",
        "a//b.log",
        "a/b.log\0",
    ] {
        let any = LogId {
            number: secret.number,
            head: Vec::new(),
        };
        assert_eq!(logs.read(path, &any), None, "{path:?}");
    }

    // After the listing, a file and a folder are replaced by links.
    fs::remove_file(logs.path("a/b.log")).unwrap();
    symlink(outside.join("secret.log"), logs.path("a/b.log")).unwrap();
    assert_eq!(logs.read("a/b.log", &secret), None);
    logs.append("c/secret.log", "mine");
    logs.list(0, 0);
    fs::remove_dir_all(logs.path("c")).unwrap();
    symlink(&outside, logs.path("c")).unwrap();
    assert_eq!(logs.read("c/secret.log", &secret), None);
}
