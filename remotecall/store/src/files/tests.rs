use super::*;

struct Disk(tempfile::TempDir);

impl Disk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn set(&self) -> FileSet {
        FileSet::open(self.0.path(), Some(&self.0.path().join(".files"))).unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        String::from_utf8(std::fs::read(self.path(name)).unwrap()).unwrap()
    }
}

fn append(set: &mut FileSet, name: &str, text: &str) {
    let id = set.add(name, NewFile::Append(name.to_owned()));
    set.pending(id).extend_from_slice(text.as_bytes());
}

#[test]
fn a_replay_completes_a_file_from_any_byte() {
    let whole = "first line\nsecond line\n";
    for cut in 0..=whole.len() {
        let disk = Disk::new();
        let mut set = disk.set();
        append(&mut set, "a.log", whole);
        set.commit().unwrap();
        drop(set);
        std::fs::write(disk.path("a.log"), &whole[..cut]).unwrap();

        let mut set = disk.set();
        append(&mut set, "a.log", "first line\n");
        set.commit().unwrap();
        assert!(
            disk.read("a.log").len() >= cut,
            "cut at {cut}: a seen byte vanished"
        );
        append(&mut set, "a.log", "second line\n");
        append(&mut set, "a.log", "third line\n");
        set.commit().unwrap();
        assert_eq!(disk.read("a.log"), format!("{whole}third line\n"), "cut at {cut}");
    }
}

#[test]
fn a_replay_after_a_checkpoint_completes_from_there() {
    let disk = Disk::new();
    let mut set = disk.set();
    append(&mut set, "a", "one ");
    append(&mut set, "b", "eins ");
    set.commit().unwrap();
    set.sync().unwrap();
    let state = set.state();
    append(&mut set, "a", "two ");
    append(&mut set, "c", "un ");
    set.commit().unwrap();
    drop(set);

    let mut set = disk.set();
    set.restore(&state).unwrap();
    for (name, text) in [
        ("a", "two "),
        ("c", "un "),
        ("b", "zwei "),
        ("a", "three "),
        ("c", "deux "),
    ] {
        append(&mut set, name, text);
    }
    set.commit().unwrap();
    assert_eq!(
        (disk.read("a"), disk.read("b"), disk.read("c")),
        ("one two three ".into(), "eins zwei ".into(), "un deux ".into())
    );
}

#[test]
fn zeros_of_a_power_cut_are_replaced() {
    let disk = Disk::new();
    let mut set = disk.set();
    append(&mut set, "a", "hello world");
    set.commit().unwrap();
    std::fs::write(disk.path("a"), b"hello\0\0\0\0\0\0\0\0").unwrap();
    let mut set = disk.set();
    append(&mut set, "a", "hello world");
    append(&mut set, "a", "!!");
    set.commit().unwrap();
    assert_eq!(disk.read("a"), "hello world!!");
}

#[test]
fn what_was_there_before_us_stays() {
    let disk = Disk::new();
    std::fs::write(disk.path("a"), "old ").unwrap();
    let mut set = disk.set();
    append(&mut set, "a", "new ");
    set.commit().unwrap();
    let mut set = disk.set();
    append(&mut set, "a", "new ");
    append(&mut set, "a", "newer");
    set.commit().unwrap();
    assert_eq!(disk.read("a"), "old new newer");
}

#[test]
fn a_replay_finds_the_file_it_had_chosen() {
    let disk = Disk::new();
    for text in ["one ", "one two"] {
        let mut set = disk.set();
        let mut next = 0;
        let pick = move |root: &Path| loop {
            next += 1;
            let name = format!("run/{next}");
            if !root.join(&name).exists() {
                return Ok(name);
            }
        };
        let id = set.add("run#0", NewFile::Create(Box::new(pick)));
        set.pending(id).extend_from_slice(text.as_bytes());
        set.commit().unwrap();
    }
    assert_eq!(disk.read("run/1"), "one two");
    assert!(!disk.path("run/2").exists());
}

#[test]
fn many_files_need_few_descriptors() {
    let disk = Disk::new();
    let mut set = disk.set();
    set.open = OpenFiles::with_limit(3);
    for round in 0..3 {
        for n in 0..20 {
            append(&mut set, &format!("d/{n}"), &format!("{round}"));
        }
        set.commit().unwrap();
        set.sync().unwrap();
    }
    for n in 0..20 {
        assert_eq!(disk.read(&format!("d/{n}")), "012");
    }
}

#[test]
fn a_file_deleted_by_its_owner_is_forgotten_at_restart() {
    let disk = Disk::new();
    let mut set = disk.set();
    append(&mut set, "a", "one");
    append(&mut set, "b", "eins");
    set.commit().unwrap();
    let state = set.state();
    std::fs::remove_file(disk.path("a")).unwrap();
    let mut set = disk.set();
    set.restore(&state).unwrap();
    assert_eq!(set.find("a"), None);
    let mut again = disk.set();
    again.restore(&set.state()).unwrap();
    assert_eq!((again.find("a"), again.find("b")), (None, set.find("b")));
    append(&mut set, "a", "two");
    append(&mut set, "b", "zwei");
    set.commit().unwrap();
    assert_eq!(
        (disk.read("a"), disk.read("b")),
        ("two".into(), "einszwei".into())
    );
}

#[test]
fn a_failed_commit_is_completed_by_the_next() {
    let disk = Disk::new();
    let mut set = disk.set();
    std::fs::write(disk.path("dir"), "a file where a directory is wanted").unwrap();
    append(&mut set, "dir/a", "text");
    append(&mut set, "b", "eins");
    let error = set.commit().unwrap_err().to_string();
    assert!(error.contains("dir/a"), "{error}");
    std::fs::remove_file(disk.path("dir")).unwrap();
    append(&mut set, "dir/a", " more");
    set.commit().unwrap();
    assert_eq!(
        (disk.read("dir/a"), disk.read("b")),
        ("text more".into(), "eins".into())
    );
}

#[test]
fn a_file_cut_by_somebody_else_is_not_written_over() {
    let disk = Disk::new();
    let mut set = disk.set();
    append(&mut set, "a", "one two");
    set.commit().unwrap();
    let state = set.state();
    std::fs::write(disk.path("a"), "one").unwrap();
    let mut set = disk.set();
    set.restore(&state).unwrap();
    append(&mut set, "a", " three");
    set.commit().unwrap();
    assert_eq!(disk.read("a"), "one three");
}

#[test]
fn many_files_are_synced_at_once() {
    let disk = Disk::new();
    let mut set = disk.set();
    for n in 0..2 * SYNC_ALL_FROM {
        append(&mut set, &format!("d/{n}"), "x");
    }
    set.commit().unwrap();
    set.sync().unwrap();
    assert!(set.unsynced.is_empty() && set.new_in.is_empty());
}

/// Writes rounds of lines; each round in a file of its own, which moves away at the end of its round.
fn rotate(set: &mut FileSet, rounds: std::ops::Range<u32>) {
    for round in rounds {
        append_at_a(set, round, &format!("last of {round}\n"));
        let old = set.find(&format!("a#{round}")).unwrap();
        set.retire(old, format!("a.{round}"));
        append_at_a(set, round + 1, &format!("first of {}\n", round + 1));
        if round % 3 == 2 {
            set.commit().unwrap();
        }
    }
    set.commit().unwrap();
}

fn append_at_a(set: &mut FileSet, round: u32, text: &str) {
    let id = set.add(&format!("a#{round}"), NewFile::Append("a".to_owned()));
    set.pending(id).extend_from_slice(text.as_bytes());
}

/// All files and what they hold.
fn all(disk: &Disk) -> Vec<(String, String)> {
    let names = std::fs::read_dir(disk.0.path()).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut all: Vec<_> = names
        .filter(|name| name != ".files")
        .map(|name| (disk.read(&name), name))
        .map(|(text, name)| (name, text))
        .collect();
    all.sort();
    all
}

#[test]
fn retired_files_keep_their_bytes_and_the_next_takes_their_place() {
    let disk = Disk::new();
    rotate(&mut disk.set(), 0..3);
    let expect = [
        ("a", "first of 3\n"),
        ("a.0", "last of 0\n"),
        ("a.1", "first of 1\nlast of 1\n"),
        ("a.2", "first of 2\nlast of 2\n"),
    ];
    assert_eq!(
        all(&disk),
        expect.map(|(name, text)| (name.to_owned(), text.to_owned()))
    );
}

#[test]
fn a_replay_of_rotations_changes_nothing_wherever_it_was_cut() {
    for (from, removed) in [(0, 0), (0, 2), (2, 0), (2, 3), (2, 4)] {
        let disk = Disk::new();
        let mut set = disk.set();
        rotate(&mut set, 0..from);
        set.sync().unwrap();
        let state = set.state();
        rotate(&mut set, from..7);
        for n in 0..removed {
            std::fs::remove_file(disk.path(&format!("a.{n}"))).unwrap();
        }
        let before = all(&disk);
        for until in from..=7 {
            // The process is killed in the middle of the replay, several times.
            let mut set = disk.set();
            set.restore(&state).unwrap();
            rotate(&mut set, from..until);
            assert_eq!(
                all(&disk),
                before,
                "from {from}, {removed} removed, until {until}"
            );
        }
        rotate(&mut set, 7..8);
        assert_eq!(disk.read("a.7"), "first of 7\nlast of 7\n");
    }
}

/// State on disk after a crash at one step of the first rotation.
#[track_caller]
fn crash(leave: impl FnOnce(&Disk)) {
    let disk = Disk::new();
    let mut set = disk.set();
    rotate(&mut set, 0..1);
    set.sync().unwrap();
    let state = set.state();
    let journaled = |set: &mut FileSet| {
        append_at_a(set, 1, "more\n");
        set.commit().unwrap();
        rotate(set, 1..2);
    };
    journaled(&mut set);
    let whole = all(&disk);
    leave(&disk);
    let mut set = disk.set();
    set.restore(&state).unwrap();
    journaled(&mut set);
    assert_eq!(all(&disk), whole);
}

#[test]
fn a_rotation_cut_by_a_crash_is_completed() {
    // Moved, and the next file not yet begun.
    crash(|disk| std::fs::remove_file(disk.path("a")).unwrap());
    // Not yet moved: the next file has no record then.
    crash(|disk| {
        std::fs::rename(disk.path("a.1"), disk.path("a")).unwrap();
        forget_last_record(disk);
    });
    // Neither moved nor recorded.
    crash(|disk| {
        std::fs::rename(disk.path("a.1"), disk.path("a")).unwrap();
        forget_last_record(disk);
        forget_last_record(disk);
    });
}

/// Cuts the last record off the manifest.
fn forget_last_record(disk: &Disk) {
    let path = disk.path(".files");
    let bytes = std::fs::read(&path).unwrap();
    let (mut last, mut next) = (0, 0);
    while next < bytes.len() {
        let length: [u8; 4] = bytes[next..next + 4].try_into().unwrap();
        last = next;
        next += 8 + u32::from_le_bytes(length) as usize;
    }
    std::fs::write(&path, &bytes[..last]).unwrap();
}

#[test]
fn a_file_moved_away_begins_anew_after_reopening() {
    let disk = Disk::new();
    let mut set = disk.set();
    append(&mut set, "a", "one ");
    append(&mut set, "b", "eins ");
    set.commit().unwrap();
    std::fs::rename(disk.path("a"), disk.path("a.1")).unwrap();
    append(&mut set, "a", "two ");
    set.commit().unwrap();
    set.sync().unwrap();
    set.reopen();
    let state = set.state();
    append(&mut set, "a", "three ");
    append(&mut set, "b", "drei ");
    set.commit().unwrap();
    // A replay of the calls after the state.
    let mut set = disk.set();
    set.restore(&state).unwrap();
    append(&mut set, "a", "three four");
    append(&mut set, "b", "drei vier");
    set.commit().unwrap();
    assert_eq!(
        (disk.read("a.1"), disk.read("a"), disk.read("b")),
        ("one two ".into(), "three four".into(), "eins drei vier".into())
    );
}

fn long(letter: &str) -> String {
    letter.repeat(FileSet::EARLY)
}

#[test]
fn a_long_file_is_written_before_the_commit() {
    let disk = Disk::new();
    let mut set = disk.set();
    append(&mut set, "a", "first ");
    set.commit().unwrap();
    let id = set.find("a").unwrap();
    append(&mut set, "a", "short");
    set.write_early(id);
    assert_eq!(disk.read("a"), "first ", "not worth a write");
    append(&mut set, "a", &long("x"));
    set.write_early(id);
    assert_eq!(disk.read("a"), format!("first short{}", long("x")));
    assert_eq!(set.pending_bytes(), 0);
    append(&mut set, "a", "last");
    set.commit().unwrap();
    assert_eq!(disk.read("a"), format!("first short{}last", long("x")));
}

/// Its record in the manifest comes first, and that is the commit's.
#[test]
fn a_new_file_is_not_written_before_the_commit() {
    let disk = Disk::new();
    let mut set = disk.set();
    append(&mut set, "a", &long("x"));
    set.write_early(set.find("a").unwrap());
    assert!(!disk.path("a").exists());
    set.commit().unwrap();
    assert_eq!(disk.read("a"), long("x"));
}

#[test]
fn what_was_written_early_is_there_once_after_a_replay() {
    let disk = Disk::new();
    for _ in 0..2 {
        let mut set = disk.set();
        append(&mut set, "a", "first ");
        set.commit().unwrap();
        let id = set.find("a").unwrap();
        for letter in ["x", "y"] {
            append(&mut set, "a", &long(letter));
            set.write_early(id);
        }
        // Killed here: nothing of it was committed.
    }
    let mut set = disk.set();
    for text in ["first ", &long("x"), &long("y"), "last"] {
        append(&mut set, "a", text);
    }
    set.commit().unwrap();
    assert_eq!(disk.read("a"), format!("first {}{}last", long("x"), long("y")));
}

#[test]
fn a_file_that_was_moved_while_it_was_closed_begins_anew_and_wants_a_state() {
    let disk = Disk::new();
    let mut set = disk.set();
    append(&mut set, "a.log", "one\n");
    set.commit().unwrap();
    assert!(!set.wants_checkpoint());
    // As the file that was used longest ago.
    set.open.close_all();
    std::fs::rename(disk.path("a.log"), disk.path("a.log.1")).unwrap();
    append(&mut set, "a.log", "two\n");
    set.commit().unwrap();
    assert!(
        set.wants_checkpoint(),
        "a replay would write the first line again"
    );
    set.sync().unwrap();
    let state = set.state();
    assert!(!set.wants_checkpoint());
    append(&mut set, "a.log", "three\n");
    set.commit().unwrap();
    drop(set);

    let mut set = disk.set();
    set.restore(&state).unwrap();
    append(&mut set, "a.log", "three\n");
    set.commit().unwrap();
    assert_eq!(disk.read("a.log.1") + &disk.read("a.log"), "one\ntwo\nthree\n");
}
